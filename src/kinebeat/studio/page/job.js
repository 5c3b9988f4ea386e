// The view of one clip: what is made of it, played, drawn, changed and saved.

import { ask, jobPath, variantPath } from "./api.js";
import { Controls } from "./controls.js";
import { at, notice, problem } from "./dom.js";
import { Editor } from "./editor.js";
import { Files } from "./files.js";
import { axisWords, MarkTable, showFindings } from "./findings.js";
import { listen } from "./keys.js";
import { Maker } from "./maker.js";
import { showMaking } from "./making.js";
import { Mixer } from "./mixer.js";
import { Picture } from "./picture.js";
import { Player } from "./player.js";
import { Timeline } from "./timeline.js";
import { Transport } from "./transport.js";
import { Variants } from "./variants.js";
import { jobFacts } from "./words.js";

const EDIT_MS = 150;
const LOST_AGAIN_MS = 5000;

// The curves of a clip, and whether nothing in it brakes: hands on an instrument are known by their speed alone.
const known = (curves) => ({ ...curves, still: !curves.deceleration.some((value) => value > 0) });

export class JobView {
  constructor({ go }) {
    this.go = go;
    this.job = this.variant = this.maker = null;
    this.player = new Player();
    this.picture = new Picture(at("video"));
    this.controls = new Controls((settings, wait_ms) => this.maker?.change(settings, wait_ms));
    this.mixer = new Mixer({ mixed: (levels) => this.maker?.mix(levels), heard: () => this.heard() });
    this.editor = new Editor({
      change: (edits) => this.maker?.change({ edits }, EDIT_MS),
      marked: (marks, selected) => this.marked(marks, selected),
      position: () => this.player.position_s,
    });
    this.timeline = new Timeline(this.player, {
      seek: (time_s) => this.player.seek(time_s),
      select: (mark) => this.editor.select(mark),
      drag: (mark, to_s) => this.editor.drag(mark, to_s),
      drop: (mark) => this.editor.drop(mark),
    });
    this.transport = new Transport(this.player, this.timeline);
    this.table = new MarkTable();
    this.files = new Files(() => this.maker?.settled());
    this.variants = new Variants({
      go: (number) => this.go(this.job.id, number),
      gone: (number) => this.player.stretches.forget(variantPath(this.job.id, number)),
      settled: () => this.maker?.settled(),
      settings: () => this.maker.settings,
      busy: (busy) => this.busy(busy),
    });
    this.player.addEventListener("trouble", ({ detail }) => notice(`The sound does not come. ${detail.message}`));
    this.player.addEventListener("lost", ({ detail }) => this.lost(detail));
    this.listen();
    const frame = () => {
      this.draw();
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  }

  configure(state, keys) {
    this.controls.configure(state, keys);
  }

  connected(there) {
    if (there && this.job && !this.variant && this.job.state === "done") this.load(this.number);
  }

  listen() {
    const { player, editor, timeline } = this;
    listen(() => this.variant !== null, at("axis"), {
      toggle: () => this.transport.toggle(),
      seekBy: (by_s) => player.seek(player.position_s + by_s),
      seekTo: (to_s) => player.seek(to_s),
      zoom: (factor) => timeline.zoom(factor),
      select: (by) => editor.step(by),
      selected: () => editor.selected !== null,
      unselect: () => editor.select(null),
      nudge: (by_s) => editor.nudge(by_s),
      remove: () => editor.delete(),
      undo: () => editor.undo(),
      redo: () => editor.redo(),
    });
  }

  // A job as it is now, and which of its variants is wanted.
  show(job, number) {
    if (job.id !== this.job?.id) this.leave();
    this.job = job;
    at("job-name").textContent = job.name;
    at("job-facts").textContent = jobFacts(job);
    showMaking(job);
    const done = job.state === "done" && job.variants.length > 0;
    at("studio").hidden = !done;
    at("studio").dataset.kind = job.kind;
    if (!done) return;
    const known = job.variants.find((variant) => variant.number === number) ?? job.variants[0];
    this.picture.open(`${jobPath(job.id)}/video`);
    if (known.number !== this.number) {
      this.load(known.number);
    } else if (this.variant && this.maker.idle && known.revision !== this.variant.revision) {
      this.reload(); // changed from another tab
    }
    this.variants.open(job, this.number);
  }

  leave() {
    this.maker?.settled();
    this.maker = null;
    this.player.eject();
    this.picture.close();
    this.timeline.close();
    this.job = this.variant = this.curves = null;
    this.number = undefined;
    problem(at("refused"), "");
  }

  async load(number) {
    const since = performance.now();
    this.number = number;
    this.maker?.settled();
    const { job } = this;
    this.variants.open(job, number);
    problem(at("refused"), "");
    try {
      const curves = this.curves ?? ask("GET", `${jobPath(job.id)}/movement`).then(known, () => null);
      const variant = await this.variants.get(number);
      this.curves = await curves;
      if (this.job?.id !== job.id || this.number !== number) return;
      this.maker = this.makerOf(job.id, variant);
      this.take(variant, since);
    } catch (error) {
      if (this.job?.id === job.id && this.number === number) problem(at("refused"), error.message);
    }
  }

  // The sound of what is shown is not there any more: take it as it is now, unless that was just done.
  lost(error) {
    const now = performance.now();
    if (now - (this.lost_ms ?? -Infinity) > LOST_AGAIN_MS) {
      this.lost_ms = now;
      this.reload();
    } else {
      this.player.pause();
      notice(error.message);
    }
  }

  // The same variant, as the studio has it now.
  reload() {
    this.variants.known.clear();
    if (this.job && this.number !== undefined) this.load(this.number);
  }

  makerOf(id, variant) {
    const maker = new Maker(id, variant.number, variant.settings, {
      made: (made, since) => {
        if (this.job?.id === id) this.variants.learn(made);
        if (this.maker !== maker) return;
        problem(at("refused"), "");
        this.take(made, since ?? undefined);
      },
      refused: (error) => {
        if (this.maker !== maker) {
          notice(error.message);
          return;
        }
        problem(at("refused"), error.message);
        maker.settings = { ...this.variant.settings, levels: maker.settings.levels };
        this.controls.show(maker.settings, this.variant);
        this.editor.refused(maker.settings.edits);
      },
      busy: (busy) => this.maker === maker && this.busy(busy),
    });
    return maker;
  }

  busy(busy) {
    at("studio").setAttribute("aria-busy", String(busy));
    document.body.classList.toggle("busy", busy);
  }

  // Show and play what has come; what was changed meanwhile stays as it was changed.
  take(variant, since) {
    const { job, maker } = this;
    const settings = maker.remake ? maker.settings : { ...variant.settings, levels: maker.settings.levels };
    maker.settings = settings;
    this.variant = variant;
    const tracks = [...variant.tracks.map(({ name }) => name), ...(job.has_sound ? ["original"] : [])];
    this.mixer.open(tracks, settings.levels);
    this.controls.show(settings, variant);
    this.timeline.open(variant, this.curves);
    this.editor.open(`${job.id}/${variant.number}`, variant, settings.edits);
    this.timeline.hush(this.mixer.silent);
    this.variants.open(job, variant.number);
    this.files.open(job, variant.number);
    this.transport.open(variant);
    showFindings(job, variant);
    const { number, revision, duration_s } = variant;
    this.player.use({ id: job.id, number, revision, duration_s }, this.mixer.factors, since);
  }

  heard() {
    this.player.setLevels(this.mixer.factors);
    this.timeline.hush(this.mixer.silent);
  }

  marked(marks, selected) {
    this.timeline.mark(marks, selected);
    at("timeline-said").textContent = axisWords(this.variant, marks);
    this.table.open(marks);
  }

  draw() {
    if (!this.variant) return;
    const heard_s = this.player.heard_s;
    const playing = this.player.state === "playing";
    this.picture.follow(playing, heard_s);
    this.timeline.draw(heard_s, playing);
    this.transport.draw(heard_s);
  }
}
