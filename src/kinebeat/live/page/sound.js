// The drums, sounded by Web Audio: each stroke begins at its very sample.

import { Spread } from "./clock.js";

const CHOKE_S = 0.03;
const FOLLOWED = 0.1;
const LEAP_S = 0.03;
const FADE_S = 0.08;
const LATE_MS = 5;
const LATEST_MS = 500; // what comes even later is counted, but not heard

export class Sound {
  constructor() {
    this.context = null;
    this.kit = null;
    this.waves = [];
    this.ringing = [];
    this.came = 0;
    this.sounded = 0;
    this.tooLate = 0;
    this.lateness = new Spread();
    this.volume = 0.8;
  }

  // Begin; only after the user has pressed something does a browser let sound through. `kit` is the program's hello.
  async start(kit) {
    if (!this.context) {
      this.context = new AudioContext({ latencyHint: "interactive" });
      this.out = this.context.createGain();
      this.out.connect(this.context.destination);
    }
    await this.context.resume();
    this.out.gain.setTargetAtTime(this.volume, this.context.currentTime, FADE_S / 3);
    if (this.waves.length) return;
    this.kit = kit;
    const load = async (drum, layer) => {
      const answer = await fetch(`drums/${drum}/${layer}.wav`);
      if (!answer.ok) throw new Error("the drums cannot be loaded");
      return this.context.decodeAudioData(await answer.arrayBuffer());
    };
    const layers = kit.layers.map((_, layer) => layer);
    this.waves = await Promise.all(kit.drums.map((_, drum) => Promise.all(layers.map((layer) => load(drum, layer)))));
  }

  stop() {
    this.offset = undefined;
    if (!this.context) return;
    this.out.gain.setTargetAtTime(0, this.context.currentTime, FADE_S / 3);
    const now = this.context.currentTime;
    for (const voice of this.ringing) voice.source.stop(now + FADE_S);
    this.ringing = [];
  }

  setVolume(share) {
    this.volume = share * share;
    if (this.context) this.out.gain.setTargetAtTime(this.volume, this.context.currentTime, FADE_S / 3);
  }

  // The context's time at which something must begin to be heard at a time of performance.now().
  when(page_ms) {
    const { contextTime, performanceTime } = this.context.getOutputTimestamp();
    const said = performanceTime > 0;
    // Without word of the sound card, what is scheduled now is heard after the latency that the browser guesses.
    const offset = said
      ? contextTime - performanceTime / 1000
      : this.context.currentTime - (this.context.outputLatency || 0) - performance.now() / 1000;
    if (this.offset === undefined || Math.abs(offset - this.offset) > LEAP_S) this.offset = offset;
    else this.offset += FOLLOWED * (offset - this.offset);
    return page_ms / 1000 + this.offset;
  }

  // Let a drum sound at a time of performance.now(); at once if that is past.
  strike(drum, velocity, page_ms) {
    if (!this.waves.length || this.context.state !== "running") return;
    const wanted = this.when(page_ms);
    const now = this.context.currentTime;
    const begin = Math.max(now, wanted);
    const late = 1000 * (begin - wanted);
    this.lateness.add(late);
    this.came += 1;
    if (late > LATE_MS) this.tooLate += 1;
    if (late > LATEST_MS) return;
    const key = Math.min(127, Math.max(1, 127 * velocity));
    const layer = this.kit.layers.findIndex((own) => key <= own);
    const source = new AudioBufferSourceNode(this.context, { buffer: this.waves[drum][layer] });
    const gain = new GainNode(this.context, { gain: (key / this.kit.layers[layer]) ** 2 });
    source.connect(gain).connect(this.out);
    source.start(begin);
    if (this.kit.choking.includes(drum)) this.choke(begin);
    const voice = { drum, source, gain, begin };
    this.ringing.push(voice);
    source.onended = () => {
      this.ringing = this.ringing.filter((other) => other !== voice);
    };
    this.sounded += 1;
  }

  // A stroke on a hi-hat ends an open one.
  choke(at) {
    for (const voice of this.ringing) {
      if (!this.kit.choked.includes(voice.drum) || voice.begin >= at) continue;
      voice.gain.gain.setTargetAtTime(0, at, CHOKE_S / 3);
      voice.source.stop(at + CHOKE_S);
    }
  }
}
