// Mouse, pen and finger on the time axis: a click seeks or selects, a drag scrolls, a mark that is held moves.

const DRAG_PX = 4;
const WHEEL = 1.0025;

export class Pointer {
  constructor(timeline, box, overview) {
    this.timeline = timeline;
    this.box = box;
    this.held = null;
    box.addEventListener("pointerdown", (event) => this.down(event));
    box.addEventListener("pointermove", (event) => this.move(event));
    box.addEventListener("pointerup", (event) => this.up(event));
    box.addEventListener("pointercancel", () => this.cancel());
    box.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    this.whole(overview);
  }

  where({ clientX, clientY }) {
    const { left, top } = this.timeline.canvas.getBoundingClientRect();
    return { x: clientX - left, y: clientY - top };
  }

  down(event) {
    if (event.button !== 0 || !this.timeline.variant) return;
    const { x, y } = this.where(event);
    const mark = this.timeline.markAt(x, y);
    // A finger that scrolls shall not take marks along: it moves those that it has selected before.
    const moves = mark !== null && (event.pointerType !== "touch" || mark === this.timeline.selected);
    this.held = { x, mark, moves, start_s: this.timeline.view.start_s, dragged: false, id: event.pointerId };
    this.box.setPointerCapture(event.pointerId);
    if (moves) this.timeline.does.select(mark);
  }

  move(event) {
    const { x, y } = this.where(event);
    const { held, timeline } = this;
    if (!held) {
      this.box.style.cursor = timeline.variant && timeline.markAt(x, y) ? "ew-resize" : "";
      return;
    }
    if (event.pointerId !== held.id || (!held.dragged && Math.abs(x - held.x) < DRAG_PX)) return;
    held.dragged = true;
    const { view } = timeline;
    if (held.moves) {
      const to_s = Math.max(0, Math.min(view.duration_s, view.time(x)));
      timeline.does.drag(held.mark, to_s);
    } else {
      timeline.pan(held.start_s - ((x - held.x) / view.width) * view.span_s);
    }
  }

  up(event) {
    const { held, timeline } = this;
    if (!held || event.pointerId !== held.id) return;
    this.held = null;
    if (held.moves && held.dragged) {
      timeline.does.drop(held.mark);
    } else if (held.mark && !held.dragged) {
      timeline.does.select(held.mark);
    } else if (!held.dragged) {
      timeline.does.select(null);
      timeline.follow();
      timeline.does.seek(timeline.view.time(Math.max(held.x, timeline.view.left)));
    }
  }

  cancel() {
    if (this.held?.moves && this.held.dragged) this.timeline.does.drop(this.held.mark);
    this.held = null;
  }

  wheel(event) {
    const { timeline } = this;
    if (!timeline.variant) return;
    if (event.ctrlKey || event.metaKey) {
      event.preventDefault();
      timeline.zoom(WHEEL ** event.deltaY, timeline.view.time(this.where(event).x));
    } else if (Math.abs(event.deltaX) > Math.abs(event.deltaY) || event.shiftKey) {
      event.preventDefault();
      const by = event.deltaX || event.deltaY;
      timeline.pan(timeline.view.start_s + (by / timeline.view.width) * timeline.view.span_s);
    }
  }

  // On the overview a press goes there, a drag takes the view along.
  whole(overview) {
    const go = (event) => {
      if (!this.timeline.variant) return;
      const { left, width } = overview.getBoundingClientRect();
      const time_s = ((event.clientX - left) / width) * this.timeline.view.duration_s;
      this.timeline.pan(time_s - this.timeline.view.span_s / 2);
      this.timeline.follow();
      this.timeline.does.seek(time_s);
    };
    overview.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      overview.setPointerCapture(event.pointerId);
      go(event);
    });
    overview.addEventListener("pointermove", (event) => {
      if (overview.hasPointerCapture(event.pointerId)) go(event);
    });
  }
}
