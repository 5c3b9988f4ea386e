// A job that is not done yet: its stages, its bar, or why it failed.

import { ask, jobPath } from "./api.js";
import { at, make, notice } from "./dom.js";
import { removeJob } from "./removal.js";
import { jobWords, sentence, stageWords } from "./words.js";

export function jobBar(job) {
  const bar = make("progress", { max: 1, "aria-label": `Progress of ${job.name}` });
  if (job.state === "working") bar.value = job.done_share;
  return bar;
}

function button(words, does) {
  const made = make("button", { type: "button", textContent: words });
  made.addEventListener("click", () => does().catch((error) => notice(error.message)));
  return made;
}

export function showMaking(job) {
  const box = at("making");
  box.hidden = job.state === "done";
  if (job.state === "done") return;
  if (job.state === "failed") {
    const why = [job.problem ?? "it did not work", job.remedy].filter(Boolean).map(sentence).join(" ");
    const again = button("Try again", () => ask("POST", `${jobPath(job.id)}/retry`));
    again.className = "primary";
    const buttons = make("div", { className: "does" }, again, button("Remove", () => removeJob(job)));
    box.replaceChildren(make("p", { className: "problem", textContent: why }), buttons);
    return;
  }
  const now = job.stage ? job.stages.indexOf(job.stage) : -1;
  const stages = job.stages.map((stage, place) => {
    const state = place < now ? "past" : place === now ? "now" : "";
    const item = make("li", { className: state, textContent: stageWords(stage) });
    if (state === "now") item.setAttribute("aria-current", "step");
    if (state === "past") item.append(make("span", { className: "unseen", textContent: " (done)" }));
    return item;
  });
  const working = job.state === "working";
  const how = working ? `${Math.round(100 * job.done_share)} % in all` : "It begins when those before it are done.";
  box.replaceChildren(
    make("p", { className: "large", textContent: jobWords(job) }),
    jobBar(job),
    make("p", { className: "quiet", textContent: how }),
    make("ol", { className: "stages" }, ...stages),
  );
}
