// Downloads: the studio makes the files when they are asked for.

import { fetched, variantPath } from "./api.js";
import { at, make, say } from "./dom.js";

const FILES = [
  ["mp4", "MP4", "video with the sound"],
  ["wav", "WAV", "the sound"],
  ["stems", "Stems", "a WAV for each track"],
  ["midi", "MIDI", "the notes"],
  ["report", "Report", "times and figures, JSON"],
  ["plot", "Plot", "movement and sound, PNG"],
];
const KEPT_MS = 60000;

export class Files {
  // `settled` waits until the studio knows all changes.
  constructor(settled) {
    this.settled = settled;
    this.rows = FILES.map(([what, name, words]) => this.row(what, name, words));
    at("files").replaceChildren(...this.rows.map(({ item }) => item));
  }

  open({ id, kind }, number) {
    for (const { link, what, trouble, item } of this.rows) {
      item.hidden = what === "stems" && kind === "performance"; // it has one track
      const path = `${variantPath(id, number)}/files/${what}`;
      if (link.getAttribute("href") === path) continue;
      link.href = path;
      trouble.hidden = true;
    }
  }

  row(what, name, words) {
    const busy = make("span", { className: "busy quiet", textContent: "being made …", hidden: true });
    const trouble = make("span", { className: "problem", role: "alert", hidden: true });
    const inside = [make("strong", { textContent: name }), make("small", { textContent: words })];
    const link = make("a", { download: "", className: "button" }, ...inside);
    const row = { what, name, link, busy, trouble, item: make("li", {}, link, busy, trouble) };
    link.addEventListener("click", (event) => {
      event.preventDefault();
      this.fetch(row);
    });
    return row;
  }

  async fetch({ link, busy, trouble, name }) {
    if (!busy.hidden) return;
    busy.hidden = false;
    trouble.hidden = true;
    link.setAttribute("aria-busy", "true");
    const address = link.getAttribute("href");
    say(`${name} is being made`);
    try {
      await this.settled();
      const answer = await fetched(address);
      const file = fileName(answer.headers.get("content-disposition")) ?? `kinebeat-${name.toLowerCase()}`;
      const url = URL.createObjectURL(await answer.blob());
      const saved = make("a", { href: url, download: file });
      saved.click();
      setTimeout(() => URL.revokeObjectURL(url), KEPT_MS);
      say(`${name} is ready`);
    } catch (error) {
      trouble.textContent = error.message;
      trouble.hidden = false;
    } finally {
      busy.hidden = true;
      link.removeAttribute("aria-busy");
    }
  }
}

// The name that the studio gives the file (RFC 6266).
function fileName(disposition) {
  if (!disposition) return null;
  const wide = /filename\*=utf-8''([^;]+)/i.exec(disposition);
  if (wide) return decodeURIComponent(wide[1]);
  return /filename="?([^";]+)"?/i.exec(disposition)?.[1] ?? null;
}
