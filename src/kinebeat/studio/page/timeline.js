// The time axis: draws the lanes, the playhead and the overview, and is moved by hand.

import { at } from "./dom.js";
import { firstAt, lanesOf } from "./lanes.js";
import { Pointer } from "./pointer.js";
import { View } from "./view.js";

const NARROW_PX = 560;
const ZOOM = 1.5;
const OVERVIEW_PX = 44;
const NEAR_PX = 9;
const COLOURS = [
  "ink", "quiet", "grid", "stripe", "accent", "speed", "beat", "drums", "piano", "guitar", "edited", "chosen", "lit",
];

export class Timeline {
  // `does` has seek(time_s), select(mark), move(mark, time_s).
  constructor(player, does) {
    this.player = player;
    this.does = does;
    this.view = new View();
    this.canvas = at("lanes");
    this.overview = at("overview");
    this.still = matchMedia("(prefers-reduced-motion: reduce)");
    this.marks = [];
    this.silent = new Set();
    this.following = true;
    this.stale = true;
    for (const query of [this.still, matchMedia("(prefers-color-scheme: dark)")]) {
      query.addEventListener("change", () => this.refresh());
    }
    new ResizeObserver(() => this.refresh()).observe(at("timeline"));
    this.pointer = new Pointer(this, at("timeline"), this.overview);
    at("zoom-in").addEventListener("click", () => this.zoom(1 / ZOOM));
    at("zoom-out").addEventListener("click", () => this.zoom(ZOOM));
  }

  // Colours and size anew.
  refresh() {
    this.colours = null;
    this.stale = true;
  }

  open(variant, curves) {
    const fresh = this.variant === null || this.variant === undefined;
    this.variant = variant;
    this.curves = curves;
    if (fresh) {
      this.view.open(variant.duration_s, at("timeline").clientWidth < NARROW_PX);
      this.following = true;
    }
    Object.assign(this, lanesOf(variant, curves));
    this.refresh();
  }

  close() {
    this.variant = null;
  }

  mark(marks, selected) {
    this.marks = marks;
    this.selected = selected;
    if (selected) this.view.reveal(selected.time_s);
    this.stale = true;
  }

  hush(silent) {
    this.silent = silent;
    this.stale = true;
  }

  zoom(factor, around_s = this.player.position_s) {
    const { view } = this;
    const inside = around_s >= view.start_s && around_s <= view.end_s;
    view.zoom(factor, inside ? around_s : view.start_s + view.span_s / 2);
    this.stale = true;
  }

  pan(start_s) {
    this.view.moveTo(start_s);
    this.following = false;
    this.stale = true;
  }

  follow() {
    this.following = true;
  }

  // The mark under a place of the canvas.
  markAt(x, y) {
    const lane = this.lanes.find(({ top, height, what }) => what && y >= top - 3 && y <= top + height + 3);
    if (!lane) return null;
    const near = this.marks
      .filter(({ what, fixed }) => !fixed && what === lane.what)
      .map((mark) => ({ mark, away: Math.abs(this.view.x(mark.time_s) - x) }))
      .filter(({ away }) => away <= NEAR_PX)
      .sort((a, b) => a.away - b.away);
    return near[0]?.mark ?? null;
  }

  fit(canvas, height) {
    const ratio = window.devicePixelRatio || 1;
    const width = canvas.clientWidth;
    if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(height * ratio);
      canvas.style.height = `${height}px`;
    }
    const pen = canvas.getContext("2d");
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, width, height);
    pen.font = "12px system-ui, sans-serif";
    pen.textBaseline = "middle";
    return { pen, width };
  }

  // Once for each picture of the screen; draws only if something has changed.
  draw(now_s, playing) {
    if (!this.variant) return;
    if (playing && this.following && !this.pointer.held) this.view.follow(now_s, this.still.matches);
    if (!playing && !this.stale && now_s === this.drawn_s) return;
    this.drawn_s = now_s;
    this.stale = false;
    if (!this.colours) {
      const style = getComputedStyle(document.documentElement);
      this.colours = Object.fromEntries(COLOURS.map((name) => [name, style.getPropertyValue(`--${name}`).trim()]));
    }
    this.drawLanes(now_s);
    this.drawOverview(now_s);
  }

  drawLanes(now_s) {
    const { pen, width } = this.fit(this.canvas, this.height);
    const { view, colours, variant } = this;
    view.left = width < NARROW_PX ? 58 : 92;
    view.width = width - view.left;
    const drawing = { pen, view, colours, variant, marks: this.marks, selected: this.selected, silent: this.silent };
    pen.save();
    pen.beginPath();
    pen.rect(view.left, 0, view.width, this.height);
    pen.clip();
    for (const lane of this.lanes) lane.draw({ ...drawing, lane });
    const x = view.x(now_s);
    pen.fillStyle = colours.ink;
    pen.fillRect(x - 0.75, 0, 1.5, this.height);
    pen.beginPath();
    pen.moveTo(x - 6, 0);
    pen.lineTo(x + 6, 0);
    pen.lineTo(x, 8);
    pen.fill();
    pen.restore();
    this.names(pen);
  }

  names(pen) {
    const { colours, view } = this;
    pen.textAlign = "right";
    for (const { name, rows, top, height } of this.lanes) {
      pen.font = `${rows ? 10 : 12}px system-ui, sans-serif`;
      pen.fillStyle = colours.quiet;
      const room = view.left - 10;
      if (!rows) pen.fillText(name, view.left - 8, top + height / 2, room);
      else rows.forEach((row, i) => pen.fillText(row, view.left - 8, top + 3 + (i + 0.5) * ((height - 6) / rows.length), room));
    }
  }

  drawOverview(now_s) {
    const { pen, width } = this.fit(this.overview, OVERVIEW_PX);
    const { colours, variant, view, curves } = this;
    const x = (time_s) => (time_s / variant.duration_s) * width;
    if (curves) {
      const { step_s } = curves;
      const values = curves.still ? curves.speed : curves.deceleration;
      pen.fillStyle = colours.accent;
      for (let column = 0; column < width; column += 2) {
        const first = Math.floor(((column / width) * variant.duration_s) / step_s);
        const last = Math.max(first + 1, Math.floor((((column + 2) / width) * variant.duration_s) / step_s));
        let value = 0;
        for (let i = first; i < Math.min(last, values.length); i += 1) value = Math.max(value, values[i]);
        pen.fillRect(column, (OVERVIEW_PX - value * OVERVIEW_PX * 0.8) / 2, 1.4, value * OVERVIEW_PX * 0.8);
      }
    }
    for (const { notes } of curves ? [] : variant.tracks) {
      pen.fillStyle = colours.piano;
      for (const [time_s] of notes) pen.fillRect(x(time_s), OVERVIEW_PX * 0.25, 1, OVERVIEW_PX * 0.5);
    }
    if (view.span_s < variant.duration_s) {
      pen.fillStyle = colours.chosen;
      pen.strokeStyle = colours.lit;
      pen.lineWidth = 2;
      pen.fillRect(x(view.start_s), 0, x(view.span_s), OVERVIEW_PX);
      pen.strokeRect(x(view.start_s) + 1, 1, Math.max(2, x(view.span_s) - 2), OVERVIEW_PX - 2);
    }
    pen.fillStyle = colours.ink;
    pen.fillRect(x(now_s) - 1, 0, 2, OVERVIEW_PX);
  }
}

// A small roll of the drums, for the card of a variant.
export function thumbnail(canvas, variant, colour) {
  const ratio = window.devicePixelRatio || 1;
  canvas.width = Math.max(1, canvas.clientWidth * ratio);
  canvas.height = Math.max(1, canvas.clientHeight * ratio);
  const pen = canvas.getContext("2d");
  const shown_s = Math.min(8, variant.duration_s);
  pen.fillStyle = colour;
  for (const track of variant.tracks) {
    if (!track.drum) continue;
    const row = canvas.height / track.lanes.length;
    for (const [time_s, lane, velocity] of track.notes.slice(0, firstAt(track.notes, shown_s))) {
      pen.globalAlpha = 0.35 + 0.65 * velocity;
      pen.fillRect((time_s / shown_s) * canvas.width, lane * row, 2 * ratio, Math.max(1, row - ratio * 0.5));
    }
  }
}
