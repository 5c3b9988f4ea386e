// What is going on, in words. The first that holds is shown.

const TROUBLE = "trouble";

const SITUATIONS = [
  ["taken", (now) => now.link === "taken", "Another tab has taken over", "Kinebeat plays there now.", TROUBLE],
  ["busy", (now) => now.link === "busy", "Kinebeat is open in another tab", "Only one can play at a time.", TROUBLE],
  ["gone", (now) => now.link === "gone", "The program does not answer", "Start it again with: kinebeat live. This page comes back by itself.", TROUBLE],
  ["connecting", (now) => now.link === "connecting", "Connecting", "", ""],
  ["refused", (now) => now.camera === "refused", "The camera was refused", "Allow it beside the address of this page, then press Start.", TROUBLE],
  ["nocamera", (now) => now.camera === "nocamera", "No camera is found", "Plug one in, then press Start.", TROUBLE],
  ["inuse", (now) => now.camera === "inuse", "The camera does not start", "Close the program that uses it, then press Start.", TROUBLE],
  ["unplugged", (now) => now.camera === "unplugged", "The camera is gone", "Plug it in again; the drums come back by themselves.", TROUBLE],
  ["starting", (now) => now.camera === "asking", "Starting", "Allow the camera if the browser asks.", ""],
  ["loading", (now) => now.on && !now.drums, "Starting", "The drums are being set up.", ""],
  ["idle", (now) => !now.on, "Ready", "Press Start and allow the camera.", ""],
  ["hidden", (now) => now.hidden, "This tab was hidden", "The drums wait until it is seen again.", ""],
  ["loading", (now) => !now.looked, "Starting", "The program begins to look for you.", ""],
  ["nobody", (now) => !now.seen, "Nobody is seen", "Step back until your head and hips are in the picture, in good light.", ""],
  ["playing", (now) => now.mood === "playing", "Playing", "", ""],
  ["ending", (now) => now.mood === "ending", "Coming to an end", "Move on, and the drums go on.", ""],
  ["instrument", (now) => now.mode === "instrument", "Strike", "Stop a hand or a foot sharply: each has its drum.", ""],
  ["waiting", () => true, "Waiting", "Move, and the drums begin.", ""],
];

// State, headline, detail and kind for the facts in `now`.
export function situation(now) {
  const [state, , headline, detail, kind] = SITUATIONS.find(([, holds]) => holds(now));
  return { state, headline, detail, kind };
}
