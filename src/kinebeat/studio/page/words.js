// Times, stages and figures in words.

const STAGES = {
  checking: "Checking the file",
  drawing: "Drawing the figure",
  pose: "Looking for the person",
  movement: "Reading the movement",
  beats: "Hearing the beat",
  drums: "Playing the drums",
  sound: "Preparing the sound",
  picture: "Preparing the picture",
  keyboard: "Looking for the keyboard",
  keypoints: "Following hands and body",
  listening: "Hearing the notes",
};

const MAJORS = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"];
const MINORS = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"];
export const KEYS = [...MAJORS.map((name) => `${name} major`), ...MINORS.map((name) => `${name} minor`)];

export const stageWords = (stage) => STAGES[stage] ?? `${stage.charAt(0).toUpperCase()}${stage.slice(1)}`;

export function sentence(text) {
  const trimmed = text.trim();
  const first = trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?]$/.test(first) ? first : `${first}.`;
}

// 62.345 with 1 digit is 1:02.3
export function clockTime(seconds, digits = 1) {
  const unit = 10 ** digits;
  const whole = Math.floor(Math.max(0, seconds) * unit + 1e-6);
  const minutes = Math.floor(whole / (60 * unit));
  const rest = (whole - minutes * 60 * unit) / unit;
  return `${minutes}:${rest.toFixed(digits).padStart(digits ? digits + 3 : 2, "0")}`;
}

export function timeLeft(seconds) {
  if (seconds === null || seconds === undefined) return "";
  if (seconds < 1.5) return "a moment left";
  if (seconds < 55) return `about ${Math.ceil(seconds / (seconds < 10 ? 1 : 5)) * (seconds < 10 ? 1 : 5)} s left`;
  const minutes = Math.round(seconds / 60);
  return minutes < 60 ? `about ${Math.max(1, minutes)} min left` : `about ${(seconds / 3600).toFixed(1)} h left`;
}

export function bytes(count) {
  const [size, unit] = count >= 2 ** 30 ? [count / 2 ** 30, "GB"] : [count / 2 ** 20, "MB"];
  return `${Number(size.toFixed(size < 10 ? 1 : 0))} ${unit}`;
}

export function decibels(level) {
  return `${level > 0 ? "+" : level < 0 ? "−" : ""}${Math.abs(level)} dB`;
}

export function jobFacts(job) {
  const kind = { soundtrack: "soundtrack", performance: "performance", demo: "demo" }[job.kind] ?? job.kind;
  const size = job.width && job.height ? `${job.width} × ${job.height}` : "";
  return [kind, job.duration_s ? clockTime(job.duration_s) : "", size].filter(Boolean).join(" · ");
}

// What is going on with a job.
export function jobWords(job) {
  if (job.state === "waiting") return job.place ? `Waiting, number ${job.place} in the queue` : "Waiting";
  if (job.state === "working") {
    const stage = job.stage ? stageWords(job.stage) : "Beginning";
    const left = timeLeft(job.left_s);
    return left ? `${stage}, ${left}` : stage;
  }
  if (job.state === "failed") return "Did not work";
  return job.variants.length > 1 ? `Done, ${job.variants.length} variants` : "Done";
}

// How well drums and movement agree, with what chance would give.
export function alignmentWords({ score, null_mean, null_sd, z }) {
  const verdict =
    z >= 5 ? "The sound lands on the movement far more often than by chance"
    : z >= 2 ? "The sound lands on the movement more often than by chance"
    : "The sound lands on the movement hardly more often than by chance";
  const chance = `${null_mean.toFixed(2)} ± ${null_sd.toFixed(2)}`;
  return `${verdict}: alignment ${score.toFixed(2)}, where the same sound moved about at random gets ${chance}.`;
}

export function settingsWords(settings, variant) {
  const tempo = settings.tempo_bpm ?? variant?.tempo_bpm;
  return [
    tempo ? `${Math.round(tempo * 10) / 10} BPM` : "",
    `density ${settings.density.toFixed(2).replace(/0$/, "")}`,
    settings.kit,
    `seed ${settings.seed}`,
    ...settings.instruments,
    settings.instruments.length ? (settings.key ?? variant?.key ?? "") : "",
    settings.edits.length ? `${settings.edits.length} edit${settings.edits.length > 1 ? "s" : ""}` : "",
  ].filter(Boolean).join(" · ");
}
