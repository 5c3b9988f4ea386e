"use strict";

// The page of a survey. It knows versions by code alone; which is whose is in the key that stays with whoever asks.

const survey = JSON.parse(document.getElementById("survey").textContent);
const at = (id) => document.getElementById(id);
const COLUMNS = [
  "survey", "session", "person", "sheet", "place", "trial", "question", "video", "shown", "chosen", "position",
  "plays", "seconds", "time",
];
const STORE = `kinebeat-survey-${survey.survey}`;
const WATCHED_SHARE = 0.9; // a video whose sound stops a moment before its picture is watched all the same

let session = null; // {session, person, sheet, answers, asked}
let plays = [];
let begun = 0;

// Some browsers keep nothing for pages from a disk: then a reload begins anew, and all else works.
const keep = () => { try { localStorage.setItem(STORE, JSON.stringify(session)); } catch { /* as said */ } };
const kept = () => { try { return JSON.parse(localStorage.getItem(STORE)); } catch { return null; } };
const forget = () => { try { localStorage.removeItem(STORE); } catch { /* as said */ } };

// The same as `Plan.sheet`.
function order(sheet) {
  const first = sheet % survey.blocks.length;
  const blocks = [...survey.blocks.slice(first), ...survey.blocks.slice(0, first)];
  return blocks.flatMap((trials) => {
    const turns = survey.designs[trials.length];
    return turns[Math.floor(sheet / survey.blocks.length) % turns.length].map((place) => {
      const trial = trials[place];
      const rows = survey.designs[trial.codes.length];
      return { ...trial, shown: rows[(sheet + place) % rows.length].map((i) => trial.codes[i]) };
    });
  });
}

function chance() {
  return crypto.getRandomValues(new Uint32Array(1))[0];
}

// ?sheet=3 in the address gives the order; so does a person's number; else it is drawn.
function sheetOf(person) {
  const given = new URLSearchParams(location.search).get("sheet");
  const number = /^\d{1,9}$/.test(given ?? "") ? Number(given) : /^\d{1,9}$/.test(person) ? Number(person) : chance();
  return number % survey.sheets;
}

function show(name) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== name;
  at("progress").hidden = name !== "trial";
  document.body.dataset.state = name;
  document.querySelector(`#${name} h2`).focus();
  window.scrollTo(0, 0);
}

function begin() {
  const person = at("person").value.replace(/[^\p{L}\p{N} ._-]/gu, "").trim();
  const name = Array.from({ length: 3 }, () => chance().toString(16).padStart(8, "0")).join("");
  session = { session: name, person, sheet: sheetOf(person), answers: [] };
  keep();
  ask();
}

function ask() {
  const asked = order(session.sheet);
  const place = session.answers.length;
  if (place >= asked.length) {
    end();
    return;
  }
  const trial = asked[place];
  at("progress").textContent = `${place + 1} of ${asked.length}`;
  at("question").textContent = survey.questions[trial.question];
  at("missing").textContent = "";
  at("versions").replaceChildren(...trial.shown.map((code, i) => version(code, i)));
  plays = trial.shown.map(() => 0);
  begun = performance.now();
  show("trial");
}

function version(code, i) {
  const letter = String.fromCharCode(65 + i);
  const box = document.createElement("div");
  box.className = "version";
  const video = document.createElement("video");
  video.controls = true;
  video.preload = "auto";
  video.playsInline = true;
  video.src = survey.media[code];
  video.setAttribute("aria-label", `Video ${letter}`);
  const label = document.createElement("label");
  const choice = document.createElement("input");
  choice.type = "radio";
  choice.name = "choice";
  choice.value = code;
  const words = document.createElement("span");
  words.textContent = `Choose ${letter}`;
  const watched = document.createElement("span");
  watched.className = "watched";
  label.append(choice, words, watched);
  box.append(video, label);
  video.addEventListener("play", () => {
    for (const other of document.querySelectorAll("video")) if (other !== video) other.pause();
  });
  // What was skipped was not watched: the browser keeps the stretches that were played.
  const look = () => {
    const { played, duration } = video;
    let seen = 0;
    for (let n = 0; n < played.length; n += 1) seen += played.end(n) - played.start(n);
    if (plays[i] < 1 && duration > 0 && seen >= WATCHED_SHARE * duration) {
      plays[i] = 1;
      watched.textContent = "watched";
    }
  };
  let ends = 0;
  video.addEventListener("timeupdate", look);
  video.addEventListener("ended", () => {
    look();
    ends += 1;
    plays[i] = plays[i] > 0 ? Math.max(plays[i], ends) : plays[i];
  });
  video.addEventListener("error", () => {
    if (plays[i] === 0) plays[i] = -1; // -1: it could not be played; whoever takes part is not held up
    watched.textContent = "cannot be played";
  });
  return box;
}

function answer(event) {
  event.preventDefault();
  const unseen = plays.map((n, i) => (n === 0 ? String.fromCharCode(65 + i) : "")).filter(Boolean);
  const chosen = document.querySelector("input[name=choice]:checked");
  if (unseen.length || !chosen) {
    at("missing").textContent = unseen.length
      ? `Please watch ${unseen.join(", ")} to the end first.`
      : "Please choose one of them.";
    return;
  }
  const trial = order(session.sheet)[session.answers.length];
  session.answers.push({
    place: session.answers.length + 1,
    trial: trial.name,
    question: trial.question,
    video: trial.video,
    shown: trial.shown.join(" "),
    chosen: chosen.value,
    position: trial.shown.indexOf(chosen.value) + 1,
    plays: plays.join(" "),
    seconds: ((performance.now() - begun) / 1000).toFixed(1),
    time: new Date().toISOString(),
  });
  keep();
  ask();
}

function csv() {
  const cell = (value) => `"${String(value).replaceAll('"', '""')}"`;
  const rows = session.answers.map((one) => COLUMNS.map((name) => cell({ survey: survey.survey, ...session, ...one }[name])));
  return [COLUMNS.join(","), ...rows.map((row) => row.join(","))].join("\r\n") + "\r\n";
}

function end() {
  const content = csv();
  at("answers").value = content;
  at("save").href = URL.createObjectURL(new Blob([content], { type: "text/csv" }));
  at("save").download = `answers-${survey.survey}-${session.session.slice(0, 8)}.csv`;
  at("versions").replaceChildren();
  show("end");
}

function intro() {
  session = null;
  at("person").value = "";
  const before = kept();
  const useful = before && Array.isArray(before.answers) && before.answers.length > 0;
  at("resume").hidden = !useful;
  at("resume").onclick = () => {
    session = before;
    ask();
  };
  at("count").textContent = String(survey.blocks.flat().length);
  show("intro");
}

at("start").addEventListener("click", begin);
at("form").addEventListener("submit", answer);
at("again").addEventListener("click", () => {
  forget();
  intro();
});
intro();
