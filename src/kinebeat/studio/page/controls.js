// The settings of a variant as a form.

import { at, choose, fill, make } from "./dom.js";

const SLIDE_MS = 150;
const TYPE_MS = 400;
const SEEDS = 10000; // as many as "another" draws from

export class Controls {
  // `change` is called with what has changed and how long to wait for more.
  constructor(change) {
    this.change = change;
    at("music").addEventListener("submit", (event) => event.preventDefault());
    at("density").addEventListener("input", () => {
      this.sayDensity();
      change({ density: at("density").valueAsNumber }, SLIDE_MS);
    });
    at("density").addEventListener("change", () => change({ density: at("density").valueAsNumber }, 0));
    at("seed").addEventListener("input", () => {
      if (at("seed").value !== "" && at("seed").checkValidity()) change({ seed: at("seed").valueAsNumber }, TYPE_MS);
    });
    at("another").addEventListener("click", () => {
      const seed = Math.floor(Math.random() * SEEDS);
      this.seed = seed === this.seed ? seed + 1 : seed;
      at("seed").value = this.seed;
      change({ seed: this.seed }, 0);
    });
    at("kit").addEventListener("change", () => change({ kit: at("kit").value }, 0));
    at("tempo").addEventListener("input", () => {
      if (!at("tempo").checkValidity()) return;
      const tempo = at("tempo").valueAsNumber;
      change({ tempo_bpm: Number.isFinite(tempo) ? tempo : null }, TYPE_MS);
    });
    at("tempo-auto").addEventListener("click", () => {
      at("tempo").value = "";
      change({ tempo_bpm: null }, 0);
    });
    at("with").addEventListener("change", () => change({ instruments: this.instruments() }, 0));
    at("key").addEventListener("change", () => change({ key: at("key").value || null }, 0));
  }

  configure({ kits, instruments }, keys) {
    fill(at("kit"), kits);
    fill(at("key"), [["", "drawn by the seed"], ...keys]);
    at("with").replaceChildren(
      ...instruments.map((name) => {
        const box = make("input", { type: "checkbox", value: name });
        return make("label", { className: "check" }, box, ` ${name}`);
      }),
    );
  }

  instruments() {
    return [...at("with").querySelectorAll("input:checked")].map(({ value }) => value);
  }

  sayDensity() {
    const density = at("density").valueAsNumber;
    at("density-said").textContent = density.toFixed(2);
    at("density").setAttribute("aria-valuetext", `${density.toFixed(2)}, 1 is a drummer's`);
  }

  // Show settings; a field that is being typed in is left alone.
  show(settings, variant) {
    const set = (id, value) => {
      if (document.activeElement !== at(id)) at(id).value = value;
    };
    set("density", settings.density);
    this.sayDensity();
    set("seed", settings.seed);
    this.seed = settings.seed;
    set("tempo", settings.tempo_bpm ?? "");
    at("tempo-auto").disabled = settings.tempo_bpm === null;
    choose(at("kit"), settings.kit);
    choose(at("key"), settings.key ?? "");
    for (const box of at("with").querySelectorAll("input")) box.checked = settings.instruments.includes(box.value);
    at("key").disabled = !settings.instruments.length;
    if (variant.tempo_bpm === null) return; // a performance has no beat
    const sure = variant.beat_source === "movement" ? `, ${Math.round(100 * variant.beat_confidence)} % sure` : "";
    const tempo = `${variant.tempo_bpm.toFixed(1)} BPM`;
    at("tempo-said").textContent = settings.tempo_bpm === null ? `${tempo} heard${sure}` : `${tempo}, as you say`;
  }
}
