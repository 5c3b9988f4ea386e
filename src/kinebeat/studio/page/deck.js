// The sound of one revision of a variant: its tracks side by side, laid on the clock of the sound card.

import { STRETCH_S } from "./stretches.js";

export const FADE_S = 0.03;
const AHEAD_S = 10; // browsers look at hidden tabs once a second; the sound must not notice
const AT_ONCE_S = 0.005;
const END_S = 1e-3;
const AGAIN_MS = 1000;

export class Deck {
  // `source` is {id, number, revision, duration_s}; `levels` a Map of track -> factor, 0 where it is not heard.
  constructor(source, stretches, levels) {
    this.source = source;
    this.stretches = stretches;
    this.levels = levels;
    this.lanes = new Map(); // track -> {gain, pieces: Map of place -> node}
    this.again_ms = 0; // not before this time of performance.now() what failed is tried again
    this.since = null; // when what it sounds was asked for, until it sounds
  }

  get audible() {
    return [...this.levels].filter(([, level]) => level > 0).map(([track]) => track);
  }

  place(at_s) {
    return Math.floor(Math.max(0, Math.min(at_s, this.source.duration_s - END_S)) / STRETCH_S);
  }

  // Whether all that is heard at a time of the clip is here.
  has(at_s) {
    return this.audible.every((track) => this.stretches.here(this.source, track, this.place(at_s)));
  }

  // Until it is.
  async ready(at_s) {
    await Promise.all(this.audible.map((track) => this.stretches.get(this.source, track, this.place(at_s), true)));
  }

  // Sound from `begin` on (time of `context`), at which time second 0 of the clip would have been at `zero`.
  begin(context, out, zero, begin) {
    this.context = context;
    this.zero = zero;
    this.from = begin;
    this.bus = new GainNode(context, { gain: 0 });
    this.bus.gain.setValueAtTime(0, begin);
    this.bus.gain.linearRampToValueAtTime(1, begin + FADE_S);
    this.bus.connect(out);
    this.lanes.clear();
    this.going = true;
    this.fill();
  }

  // End, fading from `at` on.
  stop(at) {
    if (!this.going) return;
    this.going = false;
    const { gain } = this.bus;
    gain.cancelScheduledValues(at);
    gain.setValueAtTime(at >= this.from + FADE_S ? 1 : gain.value, at);
    gain.linearRampToValueAtTime(0, at + FADE_S);
    for (const { pieces } of this.lanes.values()) for (const piece of pieces.values()) piece.stop(at + FADE_S);
    const bus = this.bus;
    setTimeout(() => bus.disconnect(), 1000 * (at + FADE_S - this.context.currentTime) + 200);
  }

  setLevels(levels) {
    this.levels = levels;
    if (!this.going) return;
    const now = this.context.currentTime;
    for (const [track, { gain }] of this.lanes) gain.gain.setTargetAtTime(levels.get(track) ?? 0, now, FADE_S / 3);
    this.fill();
  }

  get position_s() {
    return Math.max(this.context.currentTime, this.from) - this.zero;
  }

  // Lay out what is here, and fetch what is soon needed; the nearest first.
  fill() {
    if (!this.going) return;
    const first = this.place(this.position_s);
    const last = this.place(this.position_s + AHEAD_S);
    for (let place = first; place <= last; place += 1) {
      for (const track of this.audible) {
        const buffer = this.stretches.here(this.source, track, place);
        if (buffer) this.lay(track, place, buffer);
        else if (performance.now() > this.again_ms) this.fetch(track, place);
      }
    }
  }

  fetch(track, place) {
    this.stretches.get(this.source, track, place).then(
      () => this.fill(),
      () => {
        this.again_ms = performance.now() + AGAIN_MS; // whoever waits for it is told by `ready`
      },
    );
  }

  lane(track) {
    if (!this.lanes.has(track)) {
      const gain = new GainNode(this.context, { gain: 0 });
      const begin = Math.max(this.context.currentTime, this.from);
      // With the deck a track begins at its level, later it fades in.
      gain.gain.setValueAtTime(begin === this.from ? this.levels.get(track) : 0, begin);
      gain.gain.setTargetAtTime(this.levels.get(track), begin, FADE_S / 3);
      gain.connect(this.bus);
      this.lanes.set(track, { gain, pieces: new Map() });
    }
    return this.lanes.get(track);
  }

  lay(track, place, buffer) {
    const { gain, pieces } = this.lane(track);
    if (pieces.has(place)) return;
    const due = this.zero + place * STRETCH_S;
    const begin = Math.max(due, this.from, due < this.context.currentTime ? this.context.currentTime + AT_ONCE_S : 0);
    const piece = new AudioBufferSourceNode(this.context, { buffer });
    piece.connect(gain);
    piece.onended = () => piece.disconnect();
    if (begin - due < buffer.duration) piece.start(begin, begin - due);
    pieces.set(place, piece);
    for (const old of pieces.keys()) if (old < place - 2) pieces.delete(old);
  }

  // Whether a track that sounds will have nothing to sound in a moment.
  starving(at_s) {
    if (at_s >= this.source.duration_s - END_S) return false;
    const place = this.place(at_s);
    return this.audible.some((track) => this.lanes.has(track) && !this.lanes.get(track).pieces.has(place));
  }
}
