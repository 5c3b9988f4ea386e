// Beats and accents moved, deleted and added by hand. An edit is {what, at_s, to_s}: where it was heard (null: added)
// and where it goes (null: deleted).

const SAME_S = 2e-3;
const UNMOVED_S = 5e-4;
const same = (a, b) => a !== null && b !== null && Math.abs(a - b) < SAME_S;
export const onMillisecond = (time_s) => Math.round(1000 * time_s) / 1000;

function findEdit(edits, { what, heard_s, was_s }) {
  return edits.findIndex(
    (edit) => edit.what === what && (heard_s === null ? edit.at_s === null && same(edit.to_s, was_s) : same(edit.at_s, heard_s)),
  );
}

function replaced(edits, mark, edit) {
  const place = findEdit(edits, mark);
  const kept = edits.filter((_, i) => i !== place);
  return edit ? [...kept, edit] : kept;
}

export function moved(edits, mark, to_s) {
  const { what, heard_s } = mark;
  const to = onMillisecond(to_s);
  return replaced(edits, mark, heard_s !== null && Math.abs(heard_s - to) < UNMOVED_S ? null : { what, at_s: heard_s, to_s: to });
}

export function deleted(edits, mark) {
  const { what, heard_s } = mark;
  return replaced(edits, mark, heard_s === null ? null : { what, at_s: heard_s, to_s: null });
}

export function added(edits, at_s) {
  return [...edits, { what: "accent", at_s: null, to_s: onMillisecond(at_s) }];
}

// Beats and accents of a variant as they are with these edits, which may be newer than it.
export function marksOf(variant, edits) {
  const marks = [];
  const put = (what, time_s, more) => marks.push({ what, time_s, was_s: time_s, ...more });
  const all = [...variant.beats.map((beat) => ["beat", beat]), ...variant.accents.map((accent) => ["accent", accent])];
  const present = [];
  for (const [what, { time_s, heard_s, down, strength }] of all) {
    if (heard_s === null && what === "beat") {
      put(what, time_s, { heard_s, down, fixed: true }); // it only fills a bar: there is nothing to move
      continue;
    }
    if (heard_s === null) {
      present.push(time_s);
      if (findEdit(edits, { what, heard_s, was_s: time_s }) >= 0) put(what, time_s, { heard_s, strength, edited: true });
      continue;
    }
    const edit = edits[findEdit(edits, { what, heard_s })];
    if (edit?.to_s === null) continue;
    const undone = !edit && findEdit(variant.settings.edits, { what, heard_s }) >= 0;
    put(what, edit ? edit.to_s : undone ? heard_s : time_s, { heard_s, down, strength, edited: Boolean(edit) });
  }
  for (const { what, at_s, to_s } of edits) {
    if (at_s === null && !present.some((time_s) => same(time_s, to_s))) {
      put(what, to_s, { heard_s: null, strength: 0.7, edited: true });
    }
  }
  return marks.sort((a, b) => a.time_s - b.time_s);
}

// The same mark among others.
export function found(marks, mark) {
  if (!mark) return null;
  const alike = marks.filter(({ what, heard_s }) => what === mark.what && (heard_s === null) === (mark.heard_s === null));
  const hit = alike.find(({ heard_s, time_s }) => (heard_s === null ? same(time_s, mark.time_s) : same(heard_s, mark.heard_s)));
  return hit ?? null;
}

const TOGETHER_MS = 900; // nudges that follow each other so soon are undone as one

export class History {
  constructor() {
    this.past = [];
    this.future = [];
  }

  add(before, what) {
    const now = performance.now();
    const together = what !== null && what === this.what && now - this.at < TOGETHER_MS;
    if (!together) this.past.push(before);
    this.future = [];
    this.what = what;
    this.at = now;
  }

  undo(now) {
    this.what = null;
    this.future.push(now);
    return this.past.pop();
  }

  redo(now) {
    this.what = null;
    this.past.push(now);
    return this.future.pop();
  }

  // What was done last was refused.
  drop() {
    this.past.pop();
    this.what = null;
  }
}
