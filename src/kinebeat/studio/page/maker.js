// Has one variant made anew with other settings: one request at a time, what was wanted last wins.

import { ask, variantPath } from "./api.js";

const LEVELS_MS = 250;

export class Maker {
  // `does` has made(variant, since), refused(error), busy(whether).
  constructor(id, number, settings, does) {
    this.path = variantPath(id, number);
    this.settings = settings;
    this.does = does;
    this.since = null; // when the oldest change that is not heard yet was made
    this.work = null;
    this.remake = this.remix = false;
  }

  get idle() {
    return !this.work && !this.timer && !this.remake && !this.remix;
  }

  // Change settings; made after `wait_ms` without another change.
  change(settings, wait_ms) {
    const wanted = { ...this.settings, ...settings };
    if (JSON.stringify(wanted) === JSON.stringify(this.settings)) {
      if (this.timer && !wait_ms) this.go(); // a slider that is let go where it was
      return;
    }
    this.settings = wanted;
    this.since ??= performance.now();
    performance.mark("kinebeat:changed");
    this.remake = true;
    this.soon(wait_ms);
  }

  // Change the mix alone: nothing is made anew.
  mix(levels) {
    this.settings = { ...this.settings, levels };
    this.remix = true;
    if (!this.timer) this.soon(LEVELS_MS);
  }

  soon(wait_ms) {
    clearTimeout(this.timer);
    this.timer = null;
    if (wait_ms) this.timer = setTimeout(() => this.go(), wait_ms);
    else this.go();
  }

  go() {
    clearTimeout(this.timer);
    this.timer = null;
    this.work ??= this.run().finally(() => {
      this.work = null;
    });
    return this.work;
  }

  // Until all that was changed has reached the studio.
  async settled() {
    while (!this.idle) await this.go();
  }

  async run() {
    while (this.remake || this.remix) {
      const { remake, since } = this;
      this.remake = this.remix = false;
      if (remake) this.since = null;
      if (remake) this.does.busy(true);
      try {
        if (remake) this.does.made(await ask("PUT", this.path, this.settings), since);
        else await ask("PATCH", this.path, { levels: this.settings.levels });
      } catch (error) {
        if (this.remake) continue; // a newer wish may be fine
        this.does.refused(error);
      } finally {
        if (remake && !this.remake) this.does.busy(false);
      }
    }
  }
}
