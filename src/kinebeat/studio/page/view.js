// Which part of the clip the time axis shows, and where a second lies on it.

const SHORTEST_S = 0.5;
const FIRST_S = 12;
const FIRST_NARROW_S = 6;
const HELD = 0.3; // where the playhead stands while the rest scrolls

export class View {
  constructor() {
    this.duration_s = 1;
    this.start_s = 0;
    this.span_s = 1;
    this.left = 0;
    this.width = 1;
  }

  open(duration_s, narrow) {
    this.duration_s = duration_s;
    this.span_s = Math.min(duration_s, narrow ? FIRST_NARROW_S : FIRST_S);
    this.start_s = 0;
  }

  get end_s() {
    return this.start_s + this.span_s;
  }

  x(time_s) {
    return this.left + ((time_s - this.start_s) / this.span_s) * this.width;
  }

  time(x) {
    return this.start_s + ((x - this.left) / this.width) * this.span_s;
  }

  moveTo(start_s) {
    this.start_s = Math.max(0, Math.min(start_s, this.duration_s - this.span_s));
  }

  // Zoom so that a time stays where it is.
  zoom(factor, around_s) {
    const share = (around_s - this.start_s) / this.span_s;
    this.span_s = Math.max(Math.min(SHORTEST_S, this.duration_s), Math.min(this.duration_s, this.span_s * factor));
    this.moveTo(around_s - share * this.span_s);
  }

  // Scroll along with the playhead, or leaf over if things shall not move.
  follow(time_s, still) {
    if (!still) this.moveTo(time_s - HELD * this.span_s);
    else if (time_s < this.start_s || time_s > this.end_s - 0.05 * this.span_s) this.moveTo(time_s - 0.05 * this.span_s);
  }

  // Bring a time into sight.
  reveal(time_s) {
    if (time_s < this.start_s || time_s > this.end_s) this.moveTo(time_s - this.span_s / 2);
  }
}
