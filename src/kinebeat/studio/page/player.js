// Plays a variant: one position in the clip, one clock, decks that take over from each other while it goes on.

import { Deck, FADE_S } from "./deck.js";
import { soundPath, Stretches } from "./stretches.js";

const RATE_HZ = 48000;
const LEAD_S = 0.05;
const TAKE_OVER_S = 0.01;
const TURN_MS = 100;
const SEEK_MS = 60; // whoever drags the position passes many stretches
const AGAIN_MS = 1000;
const LOOP_S = 1.5; // so early the way back to the beginning is laid: hidden tabs are looked at once a second
const LIMIT_DB = -2;
const RATIO = 20;

const pause_ms = (ms) => new Promise((done) => setTimeout(done, ms));

export class Player extends EventTarget {
  constructor() {
    super();
    this.stretches = new Stretches();
    this.state = "paused"; // paused, loading, playing
    this.loop = false;
    this.rest_s = 0; // the position while it does not play
    this.duration_s = 0;
    this.deck = null; // what sounds
    this.wanted = null; // what is to sound; the same, but for a moment
    this.again = null; // the same once more, from the beginning, laid after the end of the clip
    this.turn = 0; // what was asked for last wins
    this.levels = new Map();
    setInterval(() => this.tick(), TURN_MS);
  }

  get position_s() {
    if (this.state !== "playing") return this.rest_s;
    return Math.max(0, Math.min(this.duration_s, this.deck.position_s));
  }

  // What is heard just now: the sound card is a little behind.
  get heard_s() {
    if (this.state !== "playing") return this.rest_s;
    const { contextTime, performanceTime } = this.context.getOutputTimestamp();
    const now = this.context.currentTime;
    const told = performanceTime > 0 ? contextTime + (performance.now() - performanceTime) / 1000 : now;
    const out = Math.abs(told - now) < 0.5 ? told : now - (this.context.outputLatency || 0);
    return Math.max(0, Math.min(this.duration_s, out - this.deck.zero));
  }

  become(state) {
    if (this.state === state) return;
    this.state = state;
    this.dispatchEvent(new Event("state"));
  }

  tell(name, detail) {
    this.dispatchEvent(new CustomEvent(name, { detail }));
  }

  wake() {
    if (!this.context) {
      this.context = new AudioContext({ sampleRate: RATE_HZ, latencyHint: "interactive" });
      // Together the tracks may be louder than any of them is allowed to be.
      const limiter = new DynamicsCompressorNode(this.context, {
        threshold: LIMIT_DB, knee: 0, ratio: RATIO, attack: 0.002, release: 0.12,
      });
      // A browser's limiter also turns up, by 0.6 of what it would take away at full scale (Web Audio API, 1.19).
      const back = new GainNode(this.context, { gain: 10 ** ((0.6 * LIMIT_DB * (1 - 1 / RATIO)) / 20) });
      this.meter = new AnalyserNode(this.context, { fftSize: 1024 });
      this.out = limiter;
      limiter.connect(back).connect(this.meter).connect(this.context.destination);
    }
    return this.context.resume();
  }

  // How loud it is just now, 0 to 1 over 60 dB.
  get loudness() {
    if (!this.meter || this.state !== "playing") return 0;
    this.samples ??= new Float32Array(this.meter.fftSize);
    this.meter.getFloatTimeDomainData(this.samples);
    const power = this.samples.reduce((sum, value) => sum + value * value, 0) / this.samples.length;
    return Math.max(0, Math.min(1, 1 + Math.log10(power + 1e-12) / 6));
  }

  async play() {
    if (this.state !== "paused" || !this.wanted) return;
    if (this.rest_s >= this.duration_s - 0.05) this.rest_s = 0;
    await this.start();
  }

  // Begin at `rest_s` as soon as the sound is here.
  async start(wait_ms = 0) {
    const turn = ++this.turn;
    this.become("loading");
    const awake = this.wake();
    if (wait_ms) await pause_ms(wait_ms);
    const here = await this.fetched(() => this.rest_s, turn);
    await awake;
    if (!here || turn !== this.turn) return;
    this.deck = this.wanted;
    const now = this.context.currentTime + LEAD_S;
    this.deck.begin(this.context, this.out, onSample(now - this.rest_s), now);
    this.become("playing");
    this.began(this.deck, LEAD_S);
  }

  // A change is about to be heard: note how long that took.
  began(deck, soon_s) {
    if (deck.since === null) return;
    const startTime = performance.now() + 1000 * soon_s;
    const { number, revision } = deck.source;
    performance.mark("kinebeat:heard", { startTime, detail: { number, revision, after_ms: startTime - deck.since } });
    deck.since = null;
  }

  // Whether the sound at a position is here, after waiting for it; false if something else was asked for meanwhile.
  async fetched(position, turn) {
    while (turn === this.turn && !this.wanted.has(position())) {
      try {
        await this.wanted.ready(position());
      } catch (error) {
        if (turn !== this.turn) return false;
        if (error.name === "AbortError") continue;
        if (error.status === 410 || error.status === 404) {
          this.tell("lost", error); // made anew meanwhile: another deck will come
          return false;
        }
        this.tell("trouble", error);
        await pause_ms(AGAIN_MS);
      }
    }
    return turn === this.turn;
  }

  pause() {
    this.turn += 1;
    this.rest();
    this.become("paused");
  }

  rest() {
    if (this.state !== "playing") return;
    this.rest_s = this.position_s;
    this.deck.stop(this.context.currentTime);
    this.stay();
  }

  // Do not go back to the beginning after all.
  stay() {
    this.again?.stop(this.context.currentTime);
    this.again = null;
  }

  seek(to_s) {
    const going = this.state !== "paused";
    this.rest();
    this.rest_s = Math.max(0, Math.min(this.duration_s, to_s));
    this.tell("moved");
    if (going) this.start(SEEK_MS);
  }

  // Play another revision or variant from the very place; `since` is when it was asked for (ms of performance.now()).
  async use(source, levels, since = performance.now()) {
    this.levels = levels;
    this.duration_s = source.duration_s;
    const deck = new Deck(source, this.stretches, levels);
    const old = this.wanted?.source;
    if (old?.number === source.number && old.revision !== source.revision) this.stretches.forsake(soundPath(old));
    deck.since = this.state === "paused" ? null : since;
    this.wanted = deck;
    if (this.state !== "playing") {
      this.deck = deck;
      this.rest_s = Math.min(this.rest_s, this.duration_s);
      if (this.state === "loading") this.start();
      return;
    }
    const turn = ++this.turn;
    const soon = () => Math.min(this.duration_s, this.position_s + TAKE_OVER_S);
    if (!(await this.fetched(soon, turn)) || this.state !== "playing") return;
    const now = this.context.currentTime + TAKE_OVER_S;
    deck.begin(this.context, this.out, this.deck.zero, now);
    this.deck.stop(now);
    this.stay();
    this.deck = deck;
    this.began(deck, TAKE_OVER_S);
  }

  setLevels(levels) {
    this.levels = levels;
    for (const deck of new Set([this.deck, this.wanted, this.again])) deck?.setLevels(levels);
  }

  // Let go of everything: another clip comes.
  eject() {
    this.pause();
    this.deck = this.wanted = null;
    this.rest_s = 0;
  }

  tick() {
    if (this.state !== "playing") return;
    const left_s = this.duration_s - this.position_s;
    if (!this.loop) this.stay();
    else if (left_s < LOOP_S) this.layAgain(left_s);
    if (left_s <= 0) {
      this.end();
      return;
    }
    this.deck.fill();
    if (this.deck.starving(this.position_s + 2 * FADE_S)) {
      this.rest();
      this.start();
    }
  }

  // Lay the beginning after the end, so that the loop has no gap.
  layAgain(left_s) {
    if (this.again) return;
    if (!this.deck.has(0)) {
      this.deck.ready(0).catch(() => {}); // then the loop will have a gap
    } else if (left_s > LEAD_S) {
      this.again = new Deck(this.deck.source, this.stretches, this.levels);
      const begin = this.deck.zero + onSample(this.duration_s);
      this.again.begin(this.context, this.out, begin, begin);
    }
  }

  end() {
    if (this.again) {
      if (this.wanted === this.deck) this.wanted = this.again;
      this.deck = this.again;
      this.again = null;
      return;
    }
    this.deck.stop(this.context.currentTime);
    this.rest_s = this.loop ? 0 : this.duration_s;
    if (this.loop) this.start();
    else this.become("paused");
  }
}

// Stretches that follow each other join only if they begin on samples.
const onSample = (seconds) => Math.round(seconds * RATE_HZ) / RATE_HZ;
