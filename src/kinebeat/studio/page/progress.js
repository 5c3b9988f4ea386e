// Progress for those who listen: when a stage begins, at each quarter, and at the end; not more.

import { jobWords, timeLeft } from "./words.js";

export class Progress {
  constructor(say) {
    this.say = say;
    this.before = new Map(); // id -> what was said last
  }

  // Only the job that is looked at is spoken of, or any if the list is.
  tell(job, shown) {
    const quarter = job.state === "working" ? Math.floor(4 * job.done_share) : 0;
    const now = `${job.state} ${job.stage ?? ""} ${quarter}`;
    if (this.before.get(job.id) === now) return;
    const first = !this.before.has(job.id);
    const [state] = (this.before.get(job.id) ?? "").split(" ");
    this.before.set(job.id, now);
    if (shown !== null && shown !== job.id) return;
    if (first && job.state === "done") return;
    if (job.state === "done" && state === "done") return; // only its variants have changed
    const share = job.state === "working" ? `, ${Math.round(100 * job.done_share)} % in all` : "";
    this.say(`${job.name}: ${jobWords({ ...job, left_s: null })}${share}${quarterLeft(job)}`);
  }
}

function quarterLeft(job) {
  const left = job.state === "working" ? timeLeft(job.left_s) : "";
  return left ? `, ${left}` : "";
}
