// What is drawn on the time axis: lanes from top to bottom, each with its height and its pen.

import { clockTime } from "./words.js";

const STEPS_S = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120];
const LABEL_PX = 70; // between two times on the ruler
const DRUM_PX = 13;
const SHORTEST_PX = 1.5;

// The lanes of a variant; `curves` is the clip's movement.
export function lanesOf(variant, curves) {
  const lanes = [{ name: "", height: 20, draw: ruler }];
  if (curves) lanes.push({ name: "Movement", height: 54, draw: movement, curves });
  if (variant.beats.length) lanes.push({ name: "Beats", height: 22, draw: beats, what: "beat" });
  if (variant.beats.length || variant.accents.length) {
    lanes.push({ name: "Accents", height: 46, draw: accents, what: "accent" });
  }
  for (const track of variant.tracks) {
    if (track.drum) lanes.push({ name: track.name, rows: track.lanes, height: DRUM_PX * track.lanes.length + 6, draw: drums, track });
  }
  if (variant.chords.length) lanes.push({ name: "Chords", height: 22, draw: chords });
  for (const track of variant.tracks) {
    if (!track.drum) lanes.push({ name: track.name, height: 84, draw: notes, track });
  }
  let top = 0;
  for (const lane of lanes) {
    lane.top = top;
    top += lane.height + 6;
  }
  return { lanes, height: top };
}

// First of sorted `items` whose time is not before `time_s`.
export function firstAt(items, time_s, time = (item) => item[0]) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (time(items[middle]) < time_s) low = middle + 1;
    else high = middle;
  }
  return low;
}

function ruler({ pen, view, colours, lane }) {
  const step = STEPS_S.find((s) => (s / view.span_s) * view.width >= LABEL_PX) ?? 300;
  pen.fillStyle = colours.quiet;
  pen.strokeStyle = colours.grid;
  pen.textAlign = "left";
  for (let n = Math.ceil(view.start_s / step); n * step <= view.end_s + 1e-9; n += 1) {
    const x = Math.round(view.x(n * step)) + 0.5;
    pen.beginPath();
    pen.moveTo(x, lane.top + 2);
    pen.lineTo(x, pen.canvas.height);
    pen.stroke();
    const words = clockTime(n * step, step < 1 ? 1 : 0);
    if (x + 4 + pen.measureText(words).width <= view.left + view.width) pen.fillText(words, x + 4, lane.top + 9);
  }
}

function movement({ pen, view, colours, lane }) {
  const { step_s, deceleration, speed } = lane.curves;
  const low = lane.top + lane.height;
  const per = Math.max(1, Math.floor(view.span_s / step_s / view.width));
  const trace = (values, base) => {
    const last = Math.min(values.length, Math.ceil(view.end_s / step_s) + per);
    pen.beginPath();
    if (base) pen.moveTo(view.x(Math.max(0, view.start_s)), low);
    for (let i = Math.max(0, Math.floor(view.start_s / step_s) - per); i < last; i += per) {
      let value = 0; // of points that fall together the highest is seen
      for (let k = i; k < Math.min(i + per, values.length); k += 1) value = Math.max(value, values[k]);
      pen.lineTo(view.x(i * step_s), low - value * (lane.height - 2));
    }
    if (base) pen.lineTo(view.x(Math.min(view.end_s, view.duration_s)), low);
  };
  pen.fillStyle = colours.speed;
  trace(speed, true);
  pen.fill();
  if (lane.curves.still) return;
  pen.strokeStyle = colours.accent;
  pen.lineWidth = 1.5;
  trace(deceleration, false);
  pen.stroke();
  pen.lineWidth = 1;
}

// Marks that can be taken hold of: beats and accents.
function marks({ pen, view, colours, lane, marks: all, selected }, draw) {
  for (const mark of all) {
    if (mark.what !== lane.what || mark.time_s < view.start_s - 0.1 || mark.time_s > view.end_s + 0.1) continue;
    const x = view.x(mark.time_s);
    if (mark.edited && mark.heard_s !== null) {
      pen.strokeStyle = colours.quiet;
      pen.setLineDash([2, 2]);
      pen.beginPath();
      pen.moveTo(view.x(mark.heard_s), lane.top + 2);
      pen.lineTo(view.x(mark.heard_s), lane.top + lane.height);
      pen.stroke();
      pen.setLineDash([]);
    }
    const chosen = mark === selected;
    if (chosen) {
      pen.fillStyle = colours.chosen;
      pen.fillRect(x - 7, lane.top, 14, lane.height);
    }
    draw(mark, x, chosen ? colours.ink : mark.edited ? colours.edited : null);
    if (mark.edited) {
      pen.fillStyle = colours.edited;
      pen.beginPath();
      pen.moveTo(x - 4, lane.top);
      pen.lineTo(x + 4, lane.top);
      pen.lineTo(x, lane.top + 6);
      pen.fill();
    }
  }
}

function beats(drawing) {
  const { pen, lane, colours } = drawing;
  marks(drawing, (mark, x, colour) => {
    pen.fillStyle = colour ?? (mark.down ? colours.ink : colours.beat);
    const [width, height] = mark.down ? [4, lane.height] : [2, lane.height * 0.6];
    pen.fillRect(x - width / 2, lane.top + lane.height - height, width, height);
  });
}

function accents(drawing) {
  const { pen, lane, colours } = drawing;
  marks(drawing, (mark, x, colour) => {
    const height = (lane.height - 8) * (0.15 + 0.85 * mark.strength);
    const top = lane.top + lane.height - height;
    pen.fillStyle = colour ?? colours.accent;
    pen.fillRect(x - 1.25, top, 2.5, height);
    pen.beginPath();
    pen.arc(x, top, 3.5, 0, 2 * Math.PI);
    pen.fill();
  });
}

function drums({ pen, view, colours, lane, silent }) {
  pen.globalAlpha = silent.has(lane.track.name) ? 0.3 : 1;
  const { notes: all } = lane.track;
  lane.rows.forEach((_, row) => {
    if (row % 2) return;
    pen.fillStyle = colours.stripe;
    pen.fillRect(view.left, lane.top + 3 + row * DRUM_PX, view.width, DRUM_PX);
  });
  pen.fillStyle = colours.drums;
  for (let i = firstAt(all, view.start_s - 0.2); i < all.length && all[i][0] <= view.end_s; i += 1) {
    const [time_s, row, velocity] = all[i];
    const height = 3 + (DRUM_PX - 4) * velocity;
    pen.fillRect(view.x(time_s), lane.top + 3 + (row + 0.5) * DRUM_PX - height / 2, 4, height);
  }
  pen.globalAlpha = 1;
}

function chords({ pen, view, colours, lane, variant }) {
  pen.textAlign = "left";
  let free = -Infinity;
  variant.chords.forEach(({ time_s, chord }, i) => {
    const end_s = variant.chords[i + 1]?.time_s ?? view.duration_s;
    if (end_s < view.start_s || time_s > view.end_s) return;
    const x = view.x(Math.max(time_s, view.start_s));
    const width = view.x(Math.min(end_s, view.end_s)) - x;
    if (i % 2 === 0) {
      pen.fillStyle = colours.stripe;
      pen.fillRect(x, lane.top, width, lane.height);
    }
    if (chord === variant.chords[i - 1]?.chord && time_s > view.start_s) return;
    if (x < free || chord === "N") return;
    pen.fillStyle = colours.ink;
    pen.fillText(chord, x + 4, lane.top + lane.height / 2);
    free = x + pen.measureText(chord).width + 8;
  });
}

function notes({ pen, view, colours, lane, silent }) {
  const { lowest, highest, notes: all, name } = lane.track;
  const low = Math.min(lowest, highest - 11);
  const row = lane.height / (highest - low + 1);
  pen.fillStyle = colours.stripe;
  pen.fillRect(view.left, lane.top, view.width, lane.height);
  pen.fillStyle = name === "guitar" ? colours.guitar : colours.piano;
  // Notes are sorted by their beginnings: a long one that began before the view is looked for some way back.
  for (let i = firstAt(all, view.start_s - 8); i < all.length && all[i][0] <= view.end_s; i += 1) {
    const [time_s, duration_s, pitch, velocity] = all[i];
    if (time_s + duration_s < view.start_s) continue;
    pen.globalAlpha = (0.45 + 0.55 * velocity) * (silent.has(name) ? 0.35 : 1);
    const width = Math.max(SHORTEST_PX, view.x(time_s + duration_s) - view.x(time_s) - 1);
    pen.fillRect(view.x(time_s), lane.top + (highest - pitch) * row, width, Math.max(2, row - 0.5));
  }
  pen.globalAlpha = 1;
}
