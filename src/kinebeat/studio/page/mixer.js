// Level, mute and solo of each track.

import { at, make } from "./dom.js";
import { decibels } from "./words.js";

const LOWEST_DB = -40;
const HIGHEST_DB = 6;
const WORDS = { original: "original sound" };

export class Mixer {
  // `does` has mixed(levels) when the levels have changed, heard() when what is heard has.
  constructor(does) {
    this.does = does;
    this.tracks = [];
    this.levels = {};
    this.solo = new Set();
    this.before = new Map(); // track -> level before it was muted
    this.rows = new Map();
  }

  open(tracks, levels) {
    this.levels = levels;
    if (tracks.join() !== this.tracks.join()) {
      this.tracks = tracks;
      this.solo = new Set([...this.solo].filter((track) => tracks.includes(track)));
      this.rows = new Map(tracks.map((track) => [track, this.row(track)]));
      at("mixer").replaceChildren(...[...this.rows.values()].map(({ item }) => item));
    }
    this.show();
  }

  // Silent ones are null; a track that nothing is said of sounds as it is.
  level(track) {
    const level = this.levels[track];
    return level === undefined ? (track === "original" ? null : 0) : level;
  }

  // Factor by which each track sounds now.
  get factors() {
    const audible = (track) => this.level(track) !== null && (!this.solo.size || this.solo.has(track));
    return new Map(this.tracks.map((track) => [track, audible(track) ? 10 ** (this.level(track) / 20) : 0]));
  }

  get silent() {
    return new Set([...this.factors].filter(([, factor]) => !factor).map(([track]) => track));
  }

  set(track, level) {
    this.levels = { ...this.levels, [track]: level };
    this.show();
    this.does.heard();
    this.does.mixed(this.levels);
  }

  mute(track) {
    const level = this.level(track);
    if (level !== null) this.before.set(track, level);
    this.set(track, level === null ? (this.before.get(track) ?? 0) : null);
  }

  toggleSolo(track) {
    if (!this.solo.delete(track)) {
      this.solo.add(track);
      if (this.level(track) === null) this.mute(track); // whoever wants it alone wants to hear it
    }
    this.show();
    this.does.heard();
  }

  row(track) {
    const words = WORDS[track] ?? track;
    const button = (text, label, does) => {
      const made = make("button", { type: "button", textContent: text, title: label, onclick: does });
      made.setAttribute("aria-label", `${label} ${words}`);
      made.className = label.toLowerCase();
      return made;
    };
    const mute = button("M", "Mute", () => this.mute(track));
    const solo = button("S", "Solo", () => this.toggleSolo(track));
    const slider = make("input", { type: "range", min: LOWEST_DB, max: HIGHEST_DB, step: 1, "aria-label": `Level of ${words}` });
    slider.addEventListener("input", () => this.set(track, slider.valueAsNumber));
    const said = make("output", { className: "level" });
    const name = make("span", { className: "track", textContent: track });
    return { item: make("li", {}, name, mute, solo, slider, said), mute, solo, slider, said };
  }

  show() {
    for (const [track, { item, mute, solo, slider, said }] of this.rows) {
      const level = this.level(track);
      mute.setAttribute("aria-pressed", String(level === null));
      solo.setAttribute("aria-pressed", String(this.solo.has(track)));
      slider.value = level ?? this.before.get(track) ?? 0;
      const words = level === null ? "muted" : decibels(level);
      slider.setAttribute("aria-valuetext", words);
      said.textContent = words;
      item.classList.toggle("silent", this.silent.has(track));
    }
  }
}
