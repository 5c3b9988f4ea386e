// Small helps with the document.

export const at = (id) => document.getElementById(id);

// An element with properties, some of them attributes (aria-..., role), and what is in it.
export function make(tag, properties = {}, ...inside) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name.includes("-") || name === "role" || name === "for") element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...inside.filter((child) => child !== null && child !== undefined));
  return element;
}

// Options of a select: values, or [value, words].
export function fill(select, choices) {
  select.replaceChildren(
    ...choices.map((choice) => {
      const [value, words] = Array.isArray(choice) ? choice : [choice, choice];
      return make("option", { value, textContent: words });
    }),
  );
}

// Choose a value, adding it if it is not among the options.
export function choose(select, value, words = value) {
  if (![...select.options].some((option) => option.value === value)) {
    select.append(make("option", { value, textContent: words }));
  }
  select.value = value;
}

const NOTICE_MS = 9000;

// A sentence in the corner for a while; screen readers say it at once.
export function notice(text) {
  if (at("notice").hidden || at("notice").textContent !== text) at("notice").textContent = text;
  at("notice").hidden = false;
  clearTimeout(notice.timer);
  notice.timer = setTimeout(() => {
    at("notice").hidden = true;
  }, NOTICE_MS);
}

// A sentence for screen readers alone.
export function say(text) {
  at("said").textContent = text;
}

// Ask before something is lost.
export function sure(question, text, yes = "Remove") {
  const dialog = at("sure");
  at("sure-head").textContent = question;
  at("sure-text").textContent = text;
  at("sure-yes").textContent = yes;
  dialog.showModal();
  return new Promise((answered) => {
    dialog.querySelector("form").onsubmit = ({ submitter }) => answered(submitter.value === "yes");
    dialog.oncancel = () => answered(false);
  });
}

export function problem(element, text) {
  element.textContent = text ?? "";
  element.hidden = !text;
}
