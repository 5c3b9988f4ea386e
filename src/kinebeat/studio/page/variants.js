// The variants of a clip side by side: listen to one after the other, name, copy and delete them.

import { ask, jobPath, variantPath } from "./api.js";
import { at, make, notice, say, sure } from "./dom.js";
import { thumbnail } from "./timeline.js";
import { settingsWords } from "./words.js";

export class Variants {
  // `does` has go(number), gone(number), settled(), settings() and busy(whether).
  constructor(does) {
    this.does = does;
    this.known = new Map(); // number -> variant
    this.cards = new Map();
    at("keep").addEventListener("click", () => this.keep());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      for (const [number, card] of this.cards) {
        card.revision = null;
        if (this.known.has(number)) this.draw(card, this.known.get(number));
      }
    });
  }

  open(job, shown) {
    if (job.id !== this.job?.id) {
      this.known.clear();
      this.cards.clear();
      at("variants").replaceChildren();
    }
    this.job = job;
    this.shown = shown;
    for (const [number, card] of this.cards) {
      if (job.variants.some((variant) => variant.number === number)) continue;
      card.item.remove();
      this.cards.delete(number);
      this.known.delete(number);
      this.does.gone(number); // another may get its number
    }
    for (const variant of job.variants) this.card(variant);
  }

  // The whole of a variant; from the studio unless it is known.
  async get(number) {
    const { id } = this.job;
    const revision = this.job.variants.find((one) => one.number === number)?.revision;
    const known = this.known.get(number);
    if (known && known.revision === revision) return known;
    const variant = await ask("GET", variantPath(id, number));
    if (this.job?.id === id) this.learn(variant);
    return variant;
  }

  learn(variant) {
    this.known.set(variant.number, variant);
    const card = this.cards.get(variant.number);
    if (card) this.draw(card, variant);
  }

  card(summary) {
    if (!this.cards.has(summary.number)) this.cards.set(summary.number, this.blank(summary.number));
    const card = this.cards.get(summary.number);
    if (!card.item.isConnected) at("variants").append(card.item);
    const chosen = summary.number === this.shown;
    card.name.textContent = summary.name;
    card.summary = summary;
    card.item.classList.toggle("chosen", chosen);
    card.choose.setAttribute("aria-pressed", String(chosen));
    card.remove.hidden = this.job.variants.length < 2;
    card.rename.setAttribute("aria-label", `Rename ${summary.name}`);
    card.remove.setAttribute("aria-label", `Delete ${summary.name}`);
    const kept = this.known.get(summary.number);
    const known = kept?.revision === summary.revision ? kept : undefined;
    card.words.textContent = settingsWords(summary.settings, known);
    if (known) this.draw(card, known);
    else if (!chosen && card.revision !== summary.revision) this.get(summary.number).catch(() => {}); // a picture less
  }

  draw(card, variant) {
    card.words.textContent = settingsWords(variant.settings, variant);
    if (card.revision === variant.revision || !card.canvas.clientWidth) return;
    card.revision = variant.revision;
    thumbnail(card.canvas, variant, getComputedStyle(document.documentElement).getPropertyValue("--drums"));
  }

  blank(number) {
    const name = make("strong");
    const words = make("small");
    const canvas = make("canvas", { "aria-hidden": "true" });
    const go = () => this.does.go(number);
    const choose = make("button", { type: "button", className: "choose", onclick: go }, name, canvas, words);
    const rename = make("button", { type: "button", textContent: "Rename", onclick: () => this.rename(number) });
    const remove = make("button", { type: "button", textContent: "Delete", onclick: () => this.remove(number) });
    const does = make("div", { className: "does" }, rename, remove);
    return { item: make("li", {}, choose, does), choose, name, words, canvas, rename, remove, does };
  }

  async keep() {
    const { job } = this;
    at("keep").disabled = true;
    this.does.busy(true);
    try {
      await this.does.settled();
      const variant = await ask("POST", `${jobPath(job.id)}/variants`, this.does.settings());
      if (this.job?.id !== job.id) return;
      this.learn(variant);
      say(`${variant.name} is kept; changes are made to it from now on`);
      this.does.go(variant.number);
    } catch (error) {
      notice(error.message);
    } finally {
      at("keep").disabled = false;
      this.does.busy(false);
    }
  }

  rename(number) {
    const card = this.cards.get(number);
    const field = make("input", { value: card.name.textContent, maxLength: 60, "aria-label": "Name of the variant" });
    const form = make("form", { className: "rename" }, field, make("button", { textContent: "Save" }));
    const done = () => {
      form.replaceWith(card.does);
      card.rename.focus();
    };
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      const name = field.value.trim();
      try {
        if (name) await ask("PATCH", variantPath(this.job.id, number), { name });
        if (name) card.name.textContent = name;
        done();
      } catch (error) {
        notice(error.message);
      }
    });
    form.addEventListener("keydown", (event) => event.key === "Escape" && done());
    card.does.replaceWith(form);
    field.select();
  }

  async remove(number) {
    const { name } = this.cards.get(number).summary;
    if (!(await sure("Delete this variant?", `${name} will be gone; the others stay.`, "Delete"))) return;
    try {
      await ask("DELETE", variantPath(this.job.id, number));
      say(`${name} is deleted`);
      at("keep").focus();
    } catch (error) {
      notice(error.message);
    }
  }
}
