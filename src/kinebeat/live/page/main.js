// Puts the page together: camera and controls on one side, what the program says on the other.

import { Camera } from "./camera.js";
import { Spread } from "./clock.js";
import { Link } from "./link.js";
import { Drums, Skeleton } from "./picture.js";
import { situation } from "./situation.js";
import { Sound } from "./sound.js";

const NOTICE_MS = 8000;
const FIGURES_MS = 500;
const UNSEEN_MS = 700;
const KEPT_FRAMES = 90;

const at = (id) => document.getElementById(id);
const facts = {
  link: "connecting", // connecting, open, busy, taken, gone
  camera: null, // asking, on, refused, nocamera, inuse, unplugged
  on: false, // whether Start was pressed
  drums: false, // whether they can sound
  hidden: document.hidden,
  looked: false, // whether a frame has come back
  seen: false, // whether somebody is in it
  mood: "waiting",
  mode: "groove",
};

let kit = null;
let drums = null;
let joints = null;
let lastSeen = -Infinity;
let pending = []; // events to be shown when they are due
const taken = new Map(); // number of a frame -> when it was taken
const latency = new Spread();
const sent = new Spread(40);

const sound = new Sound();
const skeleton = new Skeleton(at("overlay"), at("video"));
const camera = new Camera(at("video"), unplugged);
const link = new Link(told, (state) => {
  facts.link = state;
  if (state !== "open") {
    facts.looked = facts.seen = false;
    facts.mood = "waiting";
    joints = null;
    pending = [];
    beat(null);
  }
  show();
});

function show() {
  const { state, headline, detail, kind } = situation(facts);
  if (document.body.dataset.state !== state) {
    document.body.dataset.state = state;
    document.body.dataset.kind = kind;
    at("headline").textContent = headline;
    at("detail").textContent = detail;
    at("here").hidden = state !== "busy" && state !== "taken";
    document.title = kind || facts.hidden ? `${headline} – Kinebeat live` : "Kinebeat live";
  }
  at("picture").classList.toggle("on", facts.camera === "on");
  at("start").textContent = facts.on ? "Stop" : "Start";
  at("start").disabled = facts.link !== "open" && !facts.on;
  const steady = facts.link === "open";
  for (const input of document.querySelectorAll("#modes input, #sensitivity")) input.disabled = !steady;
}

function notice(text) {
  at("notice").textContent = text;
  at("notice").hidden = false;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => {
    at("notice").hidden = true;
  }, NOTICE_MS);
}

function told(message) {
  const hear = hearing[message.t];
  if (hear) hear(message);
}

const hearing = {
  hello(message) {
    kit = message;
    if (!drums) drums = new Drums(at("drums"), kit.drums);
    settings(message);
    if (facts.on) sendFrames();
  },
  settings,
  seen({ number, joints: found, idle }) {
    const began = taken.get(number);
    if (!idle && began !== undefined) {
      latency.add(performance.now() - began);
      for (const older of taken.keys()) {
        if (older <= number) taken.delete(older);
      }
    }
    if (!idle) facts.looked = true;
    if (found) {
      lastSeen = performance.now();
      facts.seen = true;
    }
    joints = found;
  },
  hit(message) {
    const due = link.clock.page(message.at);
    if (facts.on) sound.strike(message.drum, message.velocity, due);
    pending.push({ due, show: () => drums.strike(message.drum, message.velocity, performance.now()) });
  },
  beat(message) {
    pending.push({ due: link.clock.page(message.at), show: () => beat(message) });
  },
  change(message) {
    pending.push({
      due: link.clock.page(message.at),
      show: () => {
        facts.mood = message.mood;
        if (message.mood === "waiting") beat(null);
        show();
      },
    });
  },
  notice: ({ text }) => notice(text),
  problem: ({ text }) => notice(text),
};

function settings({ mode, sensitivity }) {
  facts.mode = mode;
  document.querySelector(`#modes input[value="${mode}"]`).checked = true;
  at("sensitivity").value = sensitivity;
  at("sensitivity-said").textContent = Number(sensitivity).toFixed(1);
  show();
}

function beat(message) {
  [...at("beats").children].forEach((dot, place) => dot.classList.toggle("on", message?.in_bar === place));
  at("tempo").textContent = message ? message.tempo_bpm.toFixed(0) : "–";
  at("confidence").value = message ? message.confidence : 0;
}

async function start() {
  facts.on = true;
  facts.camera = "asking";
  show();
  const drumsReady = sound.start(kit).then(
    () => {
      facts.drums = true;
    },
    (error) => notice(`${error.message}; press Stop and Start`),
  );
  const why = await camera.start();
  if (!facts.on) {
    camera.stop();
    return;
  }
  if (why) {
    stop();
    facts.camera = why;
    show();
    return;
  }
  facts.camera = "on";
  const { videoWidth, videoHeight } = at("video");
  if (videoWidth) at("picture").style.aspectRatio = `${videoWidth} / ${videoHeight}`;
  sendFrames();
  await drumsReady;
  show();
}

function sendFrames() {
  if (!camera.stream) return;
  const stream = camera.stream;
  if (sendFrames.stream === stream) return;
  sendFrames.stream = stream;
  camera.each(
    () => link.free,
    (jpeg, when) => {
      taken.set(link.sendFrame(jpeg, when), when);
      if (taken.size > KEPT_FRAMES) taken.delete(taken.keys().next().value);
      sent.add(performance.now());
    },
  );
}

function stop() {
  facts.on = false;
  facts.camera = null;
  facts.looked = facts.seen = false;
  camera.stop();
  sound.stop();
  joints = null;
  pending = [];
  beat(null);
  show();
}

function unplugged() {
  camera.stop();
  facts.camera = "unplugged";
  joints = null;
  show();
}

navigator.mediaDevices?.addEventListener("devicechange", async () => {
  if (facts.camera !== "unplugged") return;
  const cameras = (await navigator.mediaDevices.enumerateDevices()).filter(({ kind }) => kind === "videoinput");
  if (cameras.length) start();
});

at("start").addEventListener("click", () => (facts.on ? stop() : start()));
at("here").addEventListener("click", () => link.take());
at("mirror").addEventListener("change", mirror);
at("volume").addEventListener("input", volume);
at("sensitivity").addEventListener("input", ({ target }) => {
  at("sensitivity-said").textContent = Number(target.value).toFixed(1);
});
at("sensitivity").addEventListener("change", ({ target }) => {
  link.send({ t: "set", sensitivity: Number(target.value) });
});
at("modes").addEventListener("change", ({ target }) => link.send({ t: "set", mode: target.value }));

function mirror() {
  at("picture").classList.toggle("mirrored", at("mirror").checked);
}

function volume() {
  at("volume-said").textContent = `${at("volume").value} %`;
  sound.setVolume(at("volume").value / 100);
}

document.addEventListener("visibilitychange", () => {
  facts.hidden = document.hidden;
  if (!facts.hidden && facts.on) notice("Welcome back: the drums waited while this tab was hidden.");
  show();
});

function draw(now) {
  const due = pending.filter((event) => event.due <= now);
  if (due.length) pending = pending.filter((event) => event.due > now);
  for (const event of due) event.show();
  skeleton.draw(joints, kit?.bones ?? []);
  drums?.draw(now);
  requestAnimationFrame(draw);
}

function figures() {
  const now = performance.now();
  const middle = latency.at(0.5);
  at("latency").textContent = middle === null ? "–" : `${middle.toFixed(0)} ms (95 %: ${latency.at(0.95).toFixed(0)} ms)`;
  const late = sound.lateness.at(0.95);
  at("late").textContent = late === null ? "–" : `${sound.tooLate} of ${sound.came} (95 %: ${late.toFixed(0)} ms)`;
  at("sounded").textContent = String(sound.sounded);
  const lately = sent.values.filter((when) => now - when < 1000).length;
  at("rate").textContent = facts.on ? String(lately) : "–";
  if (facts.seen && now - lastSeen > UNSEEN_MS) facts.seen = false;
  show();
}

mirror();
volume();
setInterval(figures, FIGURES_MS);
requestAnimationFrame(draw);
