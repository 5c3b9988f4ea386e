// Puts the page together: which of its two views is shown, and what the studio tells.

import { ask } from "./api.js";
import { at, say } from "./dom.js";
import { Events } from "./events.js";
import { JobView } from "./job.js";
import { Progress } from "./progress.js";
import { StartView } from "./start.js";
import { KEYS } from "./words.js";

const jobs = new Map(); // in the order in which they are shown
const progress = new Progress(say);
let known = false; // whether the studio has said which jobs there are

const start = new StartView(jobs, { open });
const view = new JobView({ go });

// A job that has just come in: word of it may be on its way yet.
function open(job) {
  if (!jobs.has(job.id)) told({ t: "job", job });
  go(job.id);
}

// The address of a view: a reload and the way back lead to it.
function go(id, number) {
  const words = new URLSearchParams();
  if (id) words.set("job", id);
  if (id && number) words.set("variant", number);
  location.hash = words.toString();
}

function wanted() {
  const words = new URLSearchParams(location.hash.slice(1));
  return { id: words.get("job"), number: Number(words.get("variant")) || null };
}

let shown; // id of the job that is shown, null for the list
function show() {
  if (!known) return;
  const { id, number } = wanted();
  const job = id === null ? null : jobs.get(id);
  if (id !== null && !job) {
    view.leave();
    start.trouble("This clip is not here any more.");
    history.replaceState(null, "", "#");
    show();
    return;
  }
  at("start").hidden = job !== null;
  at("job").hidden = job === null;
  const moved = shown !== undefined && shown !== id;
  shown = id;
  if (job === null) {
    view.leave();
    start.show();
    document.title = "Kinebeat studio";
    document.body.dataset.state = "start";
  } else {
    start.trouble("");
    const share = job.state === "working" ? `${Math.round(100 * job.done_share)} % – ` : "";
    document.title = `${share}${job.name} – Kinebeat studio`;
    document.body.dataset.state = job.state;
    view.show(job, number);
  }
  if (moved) {
    window.scrollTo(0, 0);
    at(job === null ? "start-head" : "job-name").focus({ preventScroll: true });
  }
}

function told(message) {
  if (message.t === "jobs") {
    jobs.clear();
    for (const job of message.jobs) jobs.set(job.id, job);
    known = true;
  } else if (message.t === "job") {
    const fresh = !jobs.has(message.job.id);
    const others = fresh ? [...jobs] : [];
    if (fresh) jobs.clear();
    jobs.set(message.job.id, message.job);
    for (const [id, job] of others) jobs.set(id, job);
    progress.tell(message.job, wanted().id);
  } else if (message.t === "gone") {
    jobs.delete(message.id);
  }
  show();
}

async function begin() {
  try {
    const state = await ask("GET", "api/state");
    start.configure(state, KEYS);
    view.configure(state, KEYS);
    at("live").hidden = !state.live;
  } catch {
    setTimeout(begin, 2000); // the banner says that the studio does not answer
    return;
  }
  new Events(told, (there) => {
    at("lost").hidden = there;
    document.body.classList.toggle("lost", !there);
    view.connected(there);
    if (!there) ask("GET", "api/state").catch(() => {}); // is it gone, or does it want the password anew?
  });
}

at("keys").addEventListener("click", () => at("help").showModal());
window.addEventListener("hashchange", show);
begin();
