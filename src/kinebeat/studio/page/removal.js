// Taking a clip away for good, once that is sure.

import { ask, jobPath } from "./api.js";
import { at, say, sure } from "./dom.js";
import { clockTime } from "./words.js";

// Throws a Refusal if the studio does not do it.
export async function removeJob(job) {
  const length = job.duration_s ? ` (${clockTime(job.duration_s)})` : "";
  const text = `${job.name}${length} and all its variants will be gone. The file on your disk stays.`;
  if (!(await sure("Remove this clip?", text))) return;
  if (location.hash) location.hash = ""; // what is shown is about to go
  await ask("DELETE", jobPath(job.id));
  say(`${job.name} is removed`);
  at("clips-head").setAttribute("tabindex", "-1");
  at("clips-head").focus();
}
