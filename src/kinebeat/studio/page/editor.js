// Selecting, moving, deleting and adding beats and accents, with the bar of buttons below the time axis.

import { at, say } from "./dom.js";
import { added, deleted, found, History, marksOf, moved, onMillisecond } from "./edits.js";

const NUDGE_S = 0.01;

export class Editor {
  // `does` has change(edits), marked(marks, selected) and position().
  constructor(does) {
    this.does = does;
    this.edits = [];
    this.marks = [];
    this.selected = null;
    this.histories = new Map();
    at("previous").addEventListener("click", () => this.step(-1));
    at("next").addEventListener("click", () => this.step(1));
    at("earlier").addEventListener("click", () => this.nudge(-NUDGE_S));
    at("later").addEventListener("click", () => this.nudge(NUDGE_S));
    at("delete").addEventListener("click", () => this.delete());
    at("add").addEventListener("click", () => this.add());
    at("undo").addEventListener("click", () => this.undo());
    at("redo").addEventListener("click", () => this.redo());
    at("forget").addEventListener("click", () => this.commit([], null));
    at("to").addEventListener("change", () => this.type());
    at("what").addEventListener("change", () => this.select(null));
  }

  // Another variant, or this one made anew. `edits` may be newer than what it was made with.
  open(key, variant, edits) {
    if (key !== this.key) this.selected = null;
    this.key = key;
    this.variant = variant;
    if (!this.histories.has(key)) this.histories.set(key, new History());
    this.history = this.histories.get(key);
    this.take(edits);
  }

  take(edits) {
    this.edits = edits;
    this.marks = marksOf(this.variant, edits);
    this.selected = found(this.marks, this.selected);
    this.show();
  }

  // The studio refused: back to what it has.
  refused(edits) {
    if (JSON.stringify(edits) !== JSON.stringify(this.edits)) this.history.drop();
    this.take(edits);
  }

  commit(edits, label) {
    this.history.add(this.edits, label);
    this.take(edits);
    this.does.change(edits);
  }

  select(mark) {
    this.selected = mark;
    if (mark) at("what").value = mark.what;
    this.show();
  }

  // The next or previous beat or accent; from the playhead if nothing is selected.
  step(by) {
    const among = this.marks.filter(({ what, fixed }) => !fixed && what === at("what").value);
    if (!among.length) {
      say(at("what").value === "beat" ? "There are no beats" : "There are no accents");
      return;
    }
    const place = among.indexOf(this.selected);
    const now_s = this.does.position();
    const after = among.filter(({ time_s }) => time_s < now_s).length; // how many the playhead has passed
    const next = place >= 0 ? place + by : by > 0 ? after : after - 1;
    this.select(among[Math.max(0, Math.min(among.length - 1, next))]);
  }

  nudge(by_s) {
    if (this.selected) this.moveTo(this.selected, this.selected.time_s + by_s, `nudge ${this.name(this.selected)}`);
  }

  moveTo(mark, to_s, label = null) {
    const to = Math.max(0, Math.min(this.variant.duration_s, to_s));
    const edits = moved(this.edits, mark, to);
    this.selected = { ...mark, time_s: onMillisecond(to) };
    this.commit(edits, label);
  }

  name({ what, heard_s }) {
    return `${what} ${heard_s ?? "added"}`;
  }

  type() {
    const to_s = at("to").valueAsNumber;
    if (this.selected && Number.isFinite(to_s)) this.moveTo(this.selected, to_s);
    else this.show();
  }

  // While a mark is held it goes along; where it is let go it stays.
  drag(mark, to_s) {
    mark.time_s = to_s;
    mark.edited = true;
    this.show();
  }

  drop(mark) {
    this.moveTo(mark, mark.time_s);
  }

  delete() {
    if (!this.selected) return;
    const gone = this.selected;
    const among = this.marks.filter(({ what }) => what === gone.what);
    const after = among[among.indexOf(gone) + 1] ?? among[among.indexOf(gone) - 1] ?? null;
    this.selected = after;
    this.commit(deleted(this.edits, gone), null);
    say(`${gone.what} deleted`);
  }

  add() {
    const at_s = this.does.position();
    this.selected = { what: "accent", heard_s: null, time_s: onMillisecond(at_s) };
    at("what").value = "accent";
    this.commit(added(this.edits, at_s), null);
  }

  undo() {
    if (this.history?.past.length) this.went(this.history.undo(this.edits), "undone");
  }

  redo() {
    if (this.history?.future.length) this.went(this.history.redo(this.edits), "redone");
  }

  went(edits, word) {
    this.take(edits);
    this.does.change(edits);
    say(`Edit ${word}`);
  }

  show() {
    const { selected } = this;
    for (const id of ["earlier", "later", "to", "delete"]) at(id).disabled = !selected;
    at("undo").disabled = !this.history?.past.length;
    at("redo").disabled = !this.history?.future.length;
    at("forget").disabled = !this.edits.length;
    if (document.activeElement !== at("to")) at("to").value = selected ? selected.time_s.toFixed(3) : "";
    at("to").max = this.variant ? this.variant.duration_s : "";
    at("picked").textContent = selected ? this.words(selected) : "Nothing selected";
    this.does.marked(this.marks, selected);
  }

  words(mark) {
    const among = this.marks.filter(({ what }) => what === mark.what);
    const what = mark.what === "beat" ? (mark.down ? "Downbeat" : "Beat") : "Accent";
    const place = `${what} ${among.indexOf(mark) + 1} of ${among.length}, ${mark.time_s.toFixed(3)} s`;
    if (!mark.edited) return place;
    return mark.heard_s === null ? `${place}, added by hand` : `${place}, heard at ${mark.heard_s.toFixed(3)} s`;
  }
}
