// The connection to the program: it comes back by itself, and keeps the clocks together.

import { SessionClock } from "./clock.js";

const AGAIN_MS = [300, 600, 1000, 2000];
const PING_MS = 1000;
const QUICK_PINGS = 6;
const QUICK_PING_MS = 60;
const SILENT_MS = 4000; // a program that leaves a ping unanswered for so long is gone
const TAKEN_OVER = 4001;
const BEHIND_BYTES = 96 * 1024;

export class Link {
  // `told` is called with each message, `changed` when `state` changes: connecting, open, busy, taken, gone.
  constructor(told, changed) {
    this.told = told;
    this.changed = changed;
    this.clock = new SessionClock();
    this.state = "connecting";
    this.tries = 0;
    this.frames = 0;
    this.pings = new Map();
    this.open();
  }

  open() {
    this.clock.forget();
    this.pings.clear();
    const socket = new WebSocket(`ws://${location.host}/live`);
    socket.binaryType = "arraybuffer";
    socket.onmessage = ({ data }) => {
      if (socket === this.socket) this.hear(JSON.parse(data));
    };
    socket.onclose = ({ code }) => this.closed(socket, code);
    this.socket = socket;
  }

  become(state) {
    if (this.state === state) return;
    this.state = state;
    this.changed(state);
  }

  closed(socket, code) {
    if (socket !== this.socket) return;
    this.socket = null;
    clearTimeout(this.pinging);
    if (code === TAKEN_OVER) {
      this.become("taken");
      return;
    }
    this.become("gone");
    const wait = AGAIN_MS[Math.min(this.tries++, AGAIN_MS.length - 1)];
    setTimeout(() => this.open(), wait);
  }

  // Play here rather than in the other tab.
  take() {
    if (this.state === "busy") {
      this.socket.send('{"t":"take"}');
    } else if (this.state === "taken") {
      this.wanted = true;
      this.open();
    }
  }

  hear(message) {
    if (message.t === "pong") {
      const sent = this.pings.get(message.id);
      this.pings.delete(message.id);
      if (sent !== undefined) this.clock.heard(sent, performance.now(), message.now);
      return;
    }
    if (message.t === "busy") {
      this.become("busy");
      if (this.wanted) this.take();
      return;
    }
    if (message.t === "hello") {
      this.tries = 0;
      this.wanted = false;
      this.ping(0);
      this.become("open");
    }
    this.told(message);
  }

  ping(number) {
    if (this.socket?.readyState !== WebSocket.OPEN) return;
    if (performance.now() - Math.min(...this.pings.values()) > SILENT_MS) {
      const silent = this.socket;
      silent.close();
      this.closed(silent, 0);
      return;
    }
    this.pings.set(number, performance.now());
    this.send({ t: "ping", id: number });
    this.pinging = setTimeout(() => this.ping(number + 1), number < QUICK_PINGS ? QUICK_PING_MS : PING_MS);
  }

  send(message) {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify(message));
  }

  // Whether a frame that is sent now would be there soon.
  get free() {
    return this.state === "open" && this.clock.known && this.socket.bufferedAmount < BEHIND_BYTES;
  }

  // Send a JPEG that was taken at `taken` (ms of performance.now()); gives its number.
  sendFrame(jpeg, taken) {
    this.frames = (this.frames + 1) >>> 0;
    const message = new Uint8Array(12 + jpeg.byteLength);
    const head = new DataView(message.buffer);
    head.setFloat64(0, this.clock.session(taken), true);
    head.setUint32(8, this.frames, true);
    message.set(new Uint8Array(jpeg), 12);
    this.socket.send(message);
    return this.frames;
  }
}
