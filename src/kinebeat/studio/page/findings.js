// What was heard, in words, and a table of beats and accents for those who do not see the time axis.

import { at, make } from "./dom.js";
import { alignmentWords, sentence } from "./words.js";

const counted = (count, one, many = `${one}s`) => `${count} ${count === 1 ? one : many}`;

export function showFindings(job, variant) {
  const lines = [];
  if (variant.tempo_bpm) lines.push(`${variant.tempo_bpm.toFixed(1)} beats a minute${variant.key ? `, in ${variant.key}` : ""}.`);
  else if (variant.key) lines.push(`In ${variant.key}.`);
  if (variant.alignment) lines.push(alignmentWords(variant.alignment));
  const warnings = [...new Set([...job.warnings, ...variant.warnings])];
  at("findings").replaceChildren(
    ...lines.map((line) => make("li", { textContent: line })),
    ...warnings.map((line) => make("li", { className: "warning", textContent: sentence(line) })),
  );
}

// What the time axis shows, for whoever cannot see it.
export function axisWords(variant, marks) {
  const of = (kind) => marks.filter(({ what }) => what === kind).length;
  const edited = marks.filter(({ edited }) => edited).length;
  const parts = variant.tracks.map(({ name, drum, notes }) => `${name} ${counted(notes.length, drum ? "stroke" : "note")}`);
  const heard = marks.length ? [counted(of("beat"), "beat"), counted(of("accent"), "accent")] : [];
  const more = [variant.chords.length ? counted(variant.chords.length, "chord") : "", edited ? `${edited} edited by hand` : ""];
  const what = [...heard, ...parts, ...more].filter(Boolean).join(", ");
  return marks.length ? `${what}. Up and down arrows select a beat or an accent, left and right move it.` : `${what}.`;
}

export class MarkTable {
  constructor() {
    this.marks = [];
    at("table").addEventListener("toggle", () => this.draw());
  }

  open(marks) {
    this.marks = marks;
    at("table").hidden = !marks.length;
    this.draw();
  }

  // Thousands of rows are made only for those who look.
  draw() {
    if (!at("table").open) {
      at("rows").replaceChildren();
      return;
    }
    const cell = (text) => make("td", { textContent: text });
    const head = ["What", "Played at", "Heard at", "Strength"].map((text) => make("th", { textContent: text, scope: "col" }));
    const rows = this.marks.map(({ what, time_s, heard_s, strength, down }) =>
      make("tr", {},
        cell(what === "beat" && down ? "downbeat" : what),
        cell(`${time_s.toFixed(3)} s`),
        cell(heard_s === null ? "added by hand" : `${heard_s.toFixed(3)} s`),
        cell(strength === undefined ? "" : strength.toFixed(2)),
      ),
    );
    at("rows").replaceChildren(make("table", {}, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows)));
  }
}
