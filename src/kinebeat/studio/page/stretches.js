// The sound of tracks in stretches, fetched when they are needed and forgotten when others were needed since.

import { fetched, variantPath } from "./api.js";

export const STRETCH_S = 4; // what a listener waits for after a change
const MOST_BYTES = 120e6; // a minute and a half of three tracks
const MOST_AT_ONCE = 3; // a browser has six connections: changes must not queue behind sound that is being rendered

// A 16 bit WAV as an AudioBuffer. Read by hand: a browser's decoder may resample, and its stretches would not join.
function fromWav(bytes) {
  const view = new DataView(bytes);
  const name = (place) => String.fromCharCode(...new Uint8Array(bytes, place, 4));
  let channels = 2;
  let rate = 48000;
  for (let place = 12; place + 8 <= bytes.byteLength; ) {
    const size = view.getUint32(place + 4, true);
    if (name(place) === "fmt ") {
      channels = view.getUint16(place + 10, true);
      rate = view.getUint32(place + 12, true);
    }
    if (name(place) === "data") {
      const length = Math.floor(Math.min(size, bytes.byteLength - place - 8) / 2 / channels);
      const samples = new Int16Array(bytes.slice(place + 8, place + 8 + 2 * channels * length));
      const buffer = new AudioBuffer({ length: Math.max(1, length), numberOfChannels: channels, sampleRate: rate });
      for (let channel = 0; channel < channels; channel += 1) {
        const to = buffer.getChannelData(channel);
        for (let i = 0; i < length; i += 1) to[i] = samples[i * channels + channel] / 32768;
      }
      return buffer;
    }
    place += 8 + size + (size % 2);
  }
  throw new Error("a sound without samples");
}

export class Stretches {
  constructor() {
    this.kept = new Map(); // address -> buffer, the least lately used first
    this.coming = new Map(); // address -> {sound: promise, stop: AbortController}
    this.waiting = []; // functions that begin to fetch, the next one first
    this.busy = 0;
    this.bytes = 0;
  }

  address({ id, number, revision, duration_s }, track, place) {
    const to_s = Math.min(duration_s, (place + 1) * STRETCH_S);
    const words = new URLSearchParams({ from_s: String(place * STRETCH_S), to_s: String(to_s) });
    return `${soundPath({ id, number, revision })}/${encodeURIComponent(track)}?${words}`;
  }

  // Forget what came from addresses below this one.
  forget(path) {
    for (const [address, buffer] of this.kept) {
      if (!address.startsWith(`${path}/`)) continue;
      this.kept.delete(address);
      this.bytes -= size(buffer);
    }
  }

  // The stretch if it is here.
  here(source, track, place) {
    const address = this.address(source, track, place);
    const buffer = this.kept.get(address);
    if (buffer) {
      this.kept.delete(address);
      this.kept.set(address, buffer);
    }
    return buffer;
  }

  // A promise of the stretch; urgent ones are fetched before others.
  async get(source, track, place, urgent = false) {
    const here = this.here(source, track, place);
    if (here) return here;
    const address = this.address(source, track, place);
    if (!this.coming.has(address)) {
      const stop = new AbortController();
      const sound = this.free(urgent).then(() => this.fetch(address, stop.signal)).finally(() => {
        this.coming.delete(address);
        this.busy -= 1;
        this.waiting.shift()?.();
      });
      this.coming.set(address, { sound, stop });
    }
    return this.coming.get(address).sound;
  }

  // Until another may be fetched.
  async free(urgent) {
    if (this.busy >= MOST_AT_ONCE) {
      await new Promise((go) => (urgent ? this.waiting.unshift(go) : this.waiting.push(go)));
    }
    this.busy += 1;
  }

  // Stop fetching what is below an address: it has been made anew.
  forsake(path) {
    for (const [address, { stop }] of this.coming) if (address.startsWith(`${path}/`)) stop.abort();
  }

  async fetch(address, signal) {
    const answer = await fetched(address, { signal });
    const buffer = fromWav(await answer.arrayBuffer());
    this.kept.set(address, buffer);
    this.bytes += size(buffer);
    for (const [oldest, old] of this.kept) {
      if (this.bytes <= MOST_BYTES) break;
      this.kept.delete(oldest);
      this.bytes -= size(old);
    }
    return buffer;
  }
}

// Where the sound of a revision is.
export function soundPath({ id, number, revision }) {
  return `${variantPath(id, number)}/sound/${encodeURIComponent(revision)}`;
}

const size = (buffer) => 4 * buffer.length * buffer.numberOfChannels;
