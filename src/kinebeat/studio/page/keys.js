// Keys for the whole view of a clip. Fields and buttons keep the keys that they need themselves.

const STEP_S = 1;
const FINE_STEP_S = 0.1;
const NUDGE_S = 0.01;
const FINE_NUDGE_S = 0.001;
const ZOOM = 1.5;
const TYPED = "input:not([type=checkbox]):not([type=radio]):not([type=range]), textarea, select";
const OWN_SPACE = `${TYPED}, button, a, summary, input`;
const OWN_ARROWS = `${TYPED}, input`;

// `does` has toggle, seekBy, seekTo, zoom, select(by), nudge, remove, unselect, undo, redo, and selected().
export function listen(shown, axis, does) {
  document.addEventListener("keydown", (event) => {
    if (!shown() || event.defaultPrevented || document.querySelector("dialog[open]")) return;
    const act = event.ctrlKey || event.metaKey ? withControl(event, does) : alone(event, axis, does);
    if (!act) return;
    event.preventDefault();
    act();
  });
}

function withControl(event, does) {
  if (event.key.toLowerCase() !== "z" || event.altKey || event.target.closest(TYPED)) return null;
  return event.shiftKey ? does.redo : does.undo;
}

function alone(event, axis, does) {
  if (event.altKey) return null;
  const { key, shiftKey, target } = event;
  const own = (selector) => target.closest(selector) !== null;
  if (key === " ") return own(OWN_SPACE) ? null : does.toggle;
  if (key === "Escape") return does.selected() ? does.unselect : null;
  if (own(OWN_ARROWS)) return null;
  const way = { ArrowLeft: -1, ArrowRight: 1 }[key];
  if (way && does.selected()) return () => does.nudge(way * (shiftKey ? FINE_NUDGE_S : NUDGE_S));
  if (way) return () => does.seekBy(way * (shiftKey ? FINE_STEP_S : STEP_S));
  if (key === "Home") return () => does.seekTo(0);
  if (key === "End") return () => does.seekTo(Infinity);
  if ((key === "Delete" || key === "Backspace") && does.selected()) return does.remove;
  if (!axis.contains(target)) return null;
  const step = { ArrowUp: -1, ArrowDown: 1 }[key];
  if (step) return () => does.select(step);
  const zoom = { "+": 1 / ZOOM, "=": 1 / ZOOM, "-": ZOOM }[key];
  return zoom ? () => does.zoom(zoom) : null;
}
