// Where the session's clock is on this page's: answers to pings, of which the quickest is believed.

const KEPT = 30;

export class SessionClock {
  constructor() {
    this.forget();
  }

  forget() {
    this.answers = [];
  }

  // A ping went out at `sent` and came back at `received` (ms of performance.now()); the session's clock said `now_s`.
  heard(sent, received, now_s) {
    const trip = received - sent;
    this.answers.push({ trip, offset: now_s - (sent + received) / 2000 });
    if (this.answers.length > KEPT) this.answers.shift();
  }

  get best() {
    return this.answers.reduce((a, b) => (a && a.trip <= b.trip ? a : b), null);
  }

  get known() {
    return this.answers.length >= 3;
  }

  // Seconds of the session at a time of performance.now().
  session(page_ms) {
    return page_ms / 1000 + this.best.offset;
  }

  // Time of performance.now() at a second of the session.
  page(session_s) {
    return (session_s - this.best.offset) * 1000;
  }
}

// The last values of something, and how they are spread.
export class Spread {
  constructor(kept = 150) {
    this.kept = kept;
    this.values = [];
  }

  add(value) {
    this.values.push(value);
    if (this.values.length > this.kept) this.values.shift();
  }

  at(share) {
    if (!this.values.length) return null;
    const sorted = [...this.values].sort((a, b) => a - b);
    return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
  }
}
