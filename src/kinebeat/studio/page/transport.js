// Play, pause, loop, position and loudness.

import { at } from "./dom.js";
import { clockTime } from "./words.js";

const SLIDER_MS = 200;

export class Transport {
  constructor(player, timeline) {
    this.player = player;
    this.timeline = timeline;
    this.slid = 0;
    at("play").addEventListener("click", () => this.toggle());
    at("loop").addEventListener("click", () => {
      player.loop = !player.loop;
      at("loop").setAttribute("aria-pressed", String(player.loop));
    });
    at("position").addEventListener("input", () => {
      timeline.follow();
      player.seek(at("position").valueAsNumber);
    });
    player.addEventListener("state", () => this.show());
    player.addEventListener("moved", () => timeline.view.reveal(player.position_s));
    this.show();
  }

  open({ duration_s }) {
    at("position").max = duration_s;
    at("length").textContent = clockTime(duration_s);
    at("position").setAttribute("aria-valuetext", clockTime(this.player.position_s));
  }

  toggle() {
    if (this.player.state === "paused") {
      this.timeline.follow();
      this.player.play();
    } else {
      this.player.pause();
    }
  }

  show() {
    const { state } = this.player;
    at("play").dataset.state = state;
    at("play-said").textContent = state === "paused" ? "Play" : state === "loading" ? "Loading" : "Pause";
    document.body.dataset.sound = state;
  }

  // Once for each picture of the screen.
  draw(heard_s) {
    const said = clockTime(heard_s);
    at("clock").dataset.s = heard_s;
    if (said !== this.said) {
      this.said = said;
      at("clock").textContent = said;
    }
    at("loudness").value = this.player.loudness;
    const now = performance.now();
    if (this.player.state === "playing" && now - this.slid < SLIDER_MS) return;
    this.slid = now;
    at("position").value = heard_s;
    at("position").setAttribute("aria-valuetext", said);
  }
}
