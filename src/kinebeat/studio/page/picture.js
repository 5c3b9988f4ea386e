// The picture follows the sound: nudged while it is near, moved when it is not.

import { notice } from "./dom.js";

const NEAR_S = 0.012;
const FAR_S = 0.3;
const NUDGED = 0.12; // at most so much faster or slower
const CATCH_UP_S = 0.5; // a lag is to be gone within so long

export class Picture {
  constructor(video) {
    this.video = video;
    this.shown = null;
    video.addEventListener("error", () => {
      if (this.shown !== null) notice("This browser cannot show the picture. The sound can be heard all the same.");
    });
  }

  open(address) {
    if (this.shown === address) return;
    this.shown = address;
    this.video.src = address;
  }

  close() {
    if (this.shown === null) return;
    this.shown = null;
    this.video.removeAttribute("src");
    this.video.load();
  }

  follow(playing, heard_s) {
    const { video } = this;
    if (video.readyState < 1) return;
    const last_s = Number.isFinite(video.duration) ? video.duration - 0.02 : Infinity;
    const want_s = Math.max(0, Math.min(heard_s, last_s));
    if (!playing) {
      if (!video.paused) video.pause();
      if (Math.abs(video.currentTime - want_s) > 0.005 && !video.seeking) video.currentTime = want_s;
      return;
    }
    if (heard_s >= last_s) return; // it stands on its last picture
    if (video.paused) video.play().catch(() => {}); // a tab in the background is not allowed to; it will be
    if (video.seeking) return;
    const ahead_s = video.currentTime - want_s;
    if (Math.abs(ahead_s) > FAR_S) {
      video.currentTime = want_s;
      video.playbackRate = 1;
    } else if (Math.abs(ahead_s) < NEAR_S) {
      if (video.playbackRate !== 1) video.playbackRate = 1;
    } else {
      const rate = 1 - Math.max(-NUDGED, Math.min(NUDGED, ahead_s / CATCH_UP_S));
      if (Math.abs(rate - video.playbackRate) > 0.01) video.playbackRate = rate;
    }
  }
}
