// The first view: a video comes in, and the list of what came before.

import { ask, jobPath, upload } from "./api.js";
import { at, choose, fill, make, problem, say } from "./dom.js";
import { jobBar } from "./making.js";
import { removeJob } from "./removal.js";
import { bytes, jobFacts, jobWords, sentence } from "./words.js";

export class StartView {
  constructor(jobs, { open }) {
    this.jobs = jobs;
    this.open = open;
    this.cards = new Map(); // id -> {item, told}
    at("file").addEventListener("change", () => {
      this.take(at("file").files);
      at("file").value = "";
    });
    at("form").addEventListener("submit", (event) => event.preventDefault());
    at("demo").addEventListener("click", () => this.demo());
    at("kind").addEventListener("change", () => this.kind());
    at("performer").addEventListener("change", () => this.kind());
    this.dropping();
    window.addEventListener("beforeunload", (event) => {
      if (at("uploads").childElementCount) event.preventDefault(); // what is half sent would be lost
    });
  }

  configure({ limits, performers }, keys) {
    const longest = limits.longest_s >= 120 ? `${Math.round(limits.longest_s / 60)} min` : `${limits.longest_s} s`;
    at("limits").textContent = `Up to ${bytes(limits.upload_bytes)}, ${longest}, ${limits.largest_side} pixels a side.`;
    fill(at("performer"), performers.map(({ name, experimental }) => [name, experimental ? `${name} (experimental)` : name]));
    fill(at("performer-sound"), [["", "the instrument itself"], ...performers.map(({ name }) => name)]);
    fill(at("performer-key"), [["", "as it is played"], ...keys]);
    this.experimental = new Set(performers.filter(({ experimental }) => experimental).map(({ name }) => name));
    this.most = limits.upload_bytes;
    choose(at("performer"), performers[0].name);
    this.kind();
  }

  kind() {
    const musician = this.chosen() === "performance";
    at("musician").hidden = !musician;
    at("experimental").hidden = !this.experimental?.has(at("performer").value);
  }

  chosen() {
    return document.querySelector("#kind input:checked").value;
  }

  options() {
    const kind = this.chosen();
    if (kind === "soundtrack") return { kind };
    const options = { kind, instrument: at("performer").value, transpose: String(Math.round(Number(at("transpose").value))) };
    if (at("performer-key").value) options.key = at("performer-key").value;
    if (at("performer-sound").value) options.sound = at("performer-sound").value;
    return options;
  }

  dropping() {
    const files = (event) => event.dataTransfer?.types.includes("Files");
    let inside = 0;
    const light = (change) => {
      inside = Math.max(0, change ? inside + change : 0);
      at("drop").classList.toggle("over", inside > 0);
    };
    document.addEventListener("dragenter", (event) => files(event) && light(1));
    document.addEventListener("dragleave", (event) => files(event) && light(-1));
    document.addEventListener("dragover", (event) => files(event) && event.preventDefault());
    document.addEventListener("drop", (event) => {
      if (!files(event)) return;
      event.preventDefault(); // else the browser would leave the page for the video
      light(0);
      if (at("start").hidden) location.hash = ""; // there it is seen on its way
      this.take(event.dataTransfer.files);
    });
  }

  trouble(text) {
    problem(at("start-problem"), text);
  }

  async demo() {
    this.trouble("");
    at("demo").disabled = true;
    try {
      this.open(await ask("POST", "api/demo"));
    } catch (error) {
      this.trouble(error.message);
    } finally {
      at("demo").disabled = false;
    }
  }

  async take(files) {
    this.trouble("");
    const alone = files.length === 1;
    const all = await Promise.all([...files].map((file) => this.send(file)));
    // Whoever sends one file wants to see it; of several, or where another clip has been opened, the list says more.
    if (alone && all[0] && !at("start").hidden) this.open(all[0]);
  }

  async send(file) {
    if (file.size > this.most) {
      this.trouble(`${file.name} has ${bytes(file.size)}; ${bytes(this.most)} can be taken. Cut it or make it smaller.`);
      return null;
    }
    const stop = new AbortController();
    const bar = make("progress", { max: 1, value: 0, "aria-label": `Sending ${file.name}` });
    const words = make("span", { className: "quiet", textContent: "Sending" });
    const cancel = make("button", { type: "button", textContent: "Cancel", onclick: () => stop.abort() });
    cancel.setAttribute("aria-label", `Cancel sending ${file.name}`);
    const head = make("div", { className: "head" }, make("strong", { textContent: file.name }), words);
    const item = make("li", { className: "card" }, head, bar, make("div", { className: "does" }, cancel));
    at("uploads").append(item);
    say(`Sending ${file.name}`);
    const report = (share) => {
      bar.value = share;
      words.textContent = share < 1 ? `Sending, ${Math.floor(100 * share)} % of ${bytes(file.size)}` : "Sent, being looked at";
    };
    try {
      return await upload(file, this.options(), report, stop.signal);
    } catch (error) {
      if (error.name === "AbortError") say(`${file.name} is not sent`);
      else this.trouble(`${file.name}: ${error.message}`);
      return null;
    } finally {
      item.remove();
    }
  }

  show() {
    at("none").hidden = this.jobs.size > 0;
    for (const [id, { item }] of this.cards) {
      if (this.jobs.has(id)) continue;
      item.remove();
      this.cards.delete(id);
    }
    let after = null;
    for (const job of this.jobs.values()) {
      const item = this.card(job);
      const place = after ? after.nextSibling : at("jobs").firstChild;
      if (place !== item) at("jobs").insertBefore(item, place);
      after = item;
    }
  }

  // A card is only made anew where its buttons would change: nobody loses the focus to a moving bar.
  card(job) {
    const told = `${job.state} ${job.name}`;
    const before = this.cards.get(job.id);
    const item = before?.item ?? make("li", { className: "card" });
    if (before?.told !== told) item.replaceChildren(...this.inside(job));
    this.cards.set(job.id, { item, told });
    item.dataset.state = job.state;
    item.querySelector(".facts").textContent = [jobFacts(job), jobWords(job)].join(" · ");
    item.querySelector(".bar")?.replaceChildren(jobBar(job));
    const why = item.querySelector(".problem");
    if (why) why.textContent = [job.problem, job.remedy].filter(Boolean).map(sentence).join(" ");
    return item;
  }

  inside(job) {
    const button = (words, does) => {
      const made = make("button", { type: "button", textContent: words, onclick: does });
      made.setAttribute("aria-label", `${words}: ${job.name}`);
      return made;
    };
    const name = make("a", { href: `#job=${job.id}`, textContent: job.name });
    const does = make("div", { className: "does" });
    if (job.state === "failed") does.append(button("Try again", () => this.again(job.id)));
    does.append(button("Remove", () => this.remove(job)));
    return [
      job.state === "done" ? still(job) : null,
      make("div", { className: "head" }, name, make("span", { className: "facts quiet" })),
      job.state === "waiting" || job.state === "working" ? make("div", { className: "bar" }) : null,
      job.state === "failed" ? make("p", { className: "problem" }) : null,
      does,
    ].filter(Boolean);
  }

  async again(id) {
    try {
      await ask("POST", `${jobPath(id)}/retry`);
    } catch (error) {
      this.trouble(error.message);
    }
  }

  async remove(job) {
    try {
      await removeJob(job);
    } catch (error) {
      this.trouble(error.message);
    }
  }
}

// A picture of a clip, for the eye alone.
function still({ id, duration_s }) {
  const src = `${jobPath(id)}/video#t=${(0.2 * duration_s).toFixed(1)}`;
  return make("video", { className: "still", src, muted: true, preload: "metadata", tabIndex: -1, "aria-hidden": "true" });
}
