// Train: a folder of pictures, a recipe and minutes; curves and samples while it runs; stop and resume.

import { addJob, deleteJob, deleteRun, fileUrl, getForm } from "../shell/api.js";
import { h, loadStyle, makeId, showMessage } from "../shell/dom.js";
import { isOver, jobs } from "../shell/jobs.js";
import { t } from "../shell/strings.js";
import { makeFolderZone } from "../components/folder-zone.js";
import { drawCurves, makeLegend } from "../components/curves.js";
import { makeJobView } from "../components/job-view.js";
import { makeLines } from "../components/lines.js";

const TASKS = ["train", "resume"];
const RECIPE = "ddpm";
const MINUTES = 10;
const SECONDS = 4; // between looks at a run, at least
const SHARE = 0.2; // of the time that goes into looking, at most
const FRAME_SECONDS = 0.5;

const wait = (seconds) => new Promise((resolve) => { setTimeout(resolve, seconds * 1000); });

class TrainPage {
  constructor(root, { signal, studio }) {
    this.isLocal = studio.local;
    this.limits = studio.limits;
    this.signal = signal;
    this.controls = h("form", { class: "panel controls form", "aria-label": t("train.settings"), novalidate: true });
    this.stage = h("div", { class: "stage" });
    this.earlier = h("div", { class: "stage" });
    root.append(h("div", { class: "bench" }, this.controls, h("div", { class: "stage" }, this.stage, this.earlier)));
    this.controls.addEventListener("submit", (event) => { event.preventDefault(); this.train(); });
  }

  async start() {
    const form = await getForm("train");
    const recipes = form.fields.find((field) => field.name === "recipe").choices;
    const field = (name, control) => {
      const here = !this.isLocal && ["data", "out"].includes(name) ? "_elsewhere" : "";
      control.id = makeId(name);
      control.setAttribute("aria-describedby", `${control.id}-help`);
      return h("div", { class: "field", "data-field": name }, h("label", { for: control.id }, t(`train.${name}${here}`)), control, h("p", { class: "help", id: `${control.id}-help` }, t(`train.${name}${here}_help`)));
    };
    this.data = this.isLocal
      ? h("input", { type: "text", required: true, spellcheck: "false", value: localStorage.getItem("train.data") ?? "" })
      : makeFolderZone({ bytes: this.limits.archive_bytes, label: t("train.data") });
    const place = this.isLocal ? "runs/" : "";
    this.recipe = h("select", {}, recipes.map((name) => h("option", { value: name, selected: name === RECIPE }, name)));
    this.minutes = h("input", { type: "number", min: 0.1, max: this.limits.train_minutes, step: "any", required: true, value: MINUTES });
    this.out = h("input", { type: "text", required: true, spellcheck: "false", value: place + RECIPE });
    this.recipe.addEventListener("change", () => { this.out.value = place + this.recipe.value; });
    this.controls.append(this.isLocal ? field("data", this.data) : this.data.element,
      h("button", { type: "button", onclick: () => this.audit() }, t("train.audit")),
      field("recipe", this.recipe), field("minutes", this.minutes), field("out", this.out),
      h("button", { type: "button", class: "quiet", onclick: () => this.resume(this.out.value) }, t("train.resume_folder")),
      h("button", { class: "primary", type: "submit" }, t("train.train")));
    jobs.addEventListener("list", () => this.showEarlier(), { signal: this.signal });
    this.showEarlier();
    const latest = jobs.list(TASKS)[0];
    if (latest) this.showJob(latest.id);
    else this.stage.append(h("div", { class: "empty" }, h("img", { src: "/static/icon.svg", alt: "", width: 64, height: 64 }), h("p", {}, t("train.empty"))));
  }

  async ask(task, values, show) {
    try {
      const asked = await addJob(task, values);
      jobs.take(asked);
      show(asked.id);
    } catch (error) {
      showMessage(error.message);
    }
  }

  /** The pictures: a path, or an upload; undefined, said on the page, while there are none. */
  readData() {
    if (!this.isLocal) {
      const upload = this.data.read();
      if (!upload) showMessage(t("train.no_data"));
      return upload;
    }
    if (!this.data.reportValidity()) return undefined;
    localStorage.setItem("train.data", this.data.value);
    return this.data.value;
  }

  audit() {
    const pictures = this.readData();
    if (pictures) this.ask("audit", { pictures }, (id) => this.showAudit(id));
  }

  train() {
    const data = this.readData();
    if (!data) return;
    const wrong = [this.minutes, this.out].find((input) => !input.checkValidity());
    if (wrong) { wrong.reportValidity(); return; }
    this.ask("train", { recipe: this.recipe.value, data, minutes: this.minutes.valueAsNumber, out: this.out.value }, (id) => this.showJob(id));
  }

  resume(run) {
    this.ask("resume", { out: run }, (id) => this.showJob(id));
  }

  showAudit(id) {
    const place = h("div", { class: "stage audit" });
    const view = makeJobView(id, {
      signal: this.signal,
      onUpdate: ({ job }) => {
        if (job.state !== "done" || place.childElementCount) return;
        const { pictures, classes, training } = job.result;
        const facts = [
          [t("train.pictures"), Array.isArray(pictures) ? pictures.length : typeof pictures === "object" ? JSON.stringify(pictures) : pictures],
          [t("train.classes"), Array.isArray(classes) ? classes.length : Object.keys(classes ?? {}).length],
          [t("train.needed"), t("train.needed_time", { minutes: training.minutes.toPrecision(2), epochs: training.epochs, recipe: training.recipe })],
        ];
        const sheets = job.files.filter((file) => file.name.endsWith(".png"));
        place.append(h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value))))),
          ...sheets.map((file) => h("figure", {}, h("figcaption", {}, t(`train.${file.name.replace(".png", "")}`)), h("img", { src: fileUrl(job, file.name), alt: t(`train.${file.name.replace(".png", "")}`) }))), makeLines(job));
      },
    });
    this.stage.replaceChildren(h("section", { class: "panel stage fade", "aria-label": t("train.audit_result") }, h("h2", {}, t("train.audit_result")), view.element, place));
  }

  showJob(id) {
    const place = h("div", { class: "stage" });
    const after = h("div", { class: "stage" });
    this.shown = id;
    let shown = "";
    const view = makeJobView(id, {
      signal: this.signal,
      onUpdate: ({ job }) => {
        if (job.state === shown) return;
        shown = job.state;
        if (isOver(job)) this.finish(job, after);
        if (job.state === "running" || isOver(job)) this.follow(job, place);
      },
    });
    const run = jobs.byId.get(id)?.arguments.out ?? "";
    this.stage.replaceChildren(h("section", { class: "panel stage fade", "aria-label": t("train.run") }, h("h2", {}, run), view.element, place, after));
  }

  finish(job, after) {
    const run = job.arguments.out;
    const isPart = job.state !== "done" || job.result.interrupted;
    const words = job.state === "done" ? t(job.result.interrupted ? "train.stopped" : "train.finished", { step: job.result.step, minutes: job.result.minutes }) : "";
    after.replaceChildren(words ? h("p", {}, words) : "",
      isPart ? h("div", { class: "row" }, h("button", { type: "button", class: "primary", onclick: () => this.resume(run) }, t("train.resume"))) : "",
      this.isLocal ? "" : h("div", { class: "row" }, h("button", { type: "button", class: "quiet", onclick: () => this.remove(run) }, t("train.remove"))),
      makeLines(job));
  }

  async remove(run) {
    try {
      await deleteRun(run);
      showMessage(t("train.removed", { run }));
    } catch (error) {
      showMessage(error.message);
    }
  }

  /** Look at a run's curves and samples again and again, and once more when it is over. */
  async follow(job, place) {
    const { signal } = this;
    if (place.isFollowed) return;
    place.isFollowed = true;
    while (!signal.aborted && this.shown === job.id) {
      const wasOver = isOver(jobs.byId.get(job.id) ?? job);
      const seconds = await this.look(job, place);
      if (wasOver) return;
      await wait(Math.max(SECONDS, seconds / SHARE));
    }
  }

  async look(job, place) {
    const begun = performance.now();
    try {
      const asked = await addJob("report", { run: job.arguments.out });
      jobs.take(asked);
      const found = await jobs.wait(asked.id, this.signal);
      this.showRun(found, place);
      if (this.latest) deleteJob(this.latest).catch(() => {}); // it would push other results out
      this.latest = found.id;
    } catch (error) {
      if (isOver(jobs.byId.get(job.id) ?? job)) place.replaceChildren(h("p", { class: "soft" }, error.message));
    }
    return (performance.now() - begun) / 1000;
  }

  showRun(found, place) {
    const { curves, grids, steps, step, verdict } = found.result;
    const shown = [
      { name: t("train.loss"), points: curves.loss, kind: "first" },
      { name: t("train.valid"), points: curves.valid, kind: "second" },
    ];
    const figure = h("figure", {}, h("figcaption", {}, t("train.curves")), drawCurves(shown, steps, t("train.curves_label", { step, steps })), makeLegend(shown));
    place.replaceChildren(figure, grids.length ? this.makeFilm(found, grids) : h("p", { class: "soft" }, t("train.no_samples")), h("p", { class: "soft" }, verdict));
  }

  /** The sample grids over time, with a slider, and as a film. */
  makeFilm(found, grids) {
    const image = h("img", {});
    const words = h("span", { role: "status" });
    const range = h("input", { type: "range", min: 0, max: grids.length - 1, value: grids.length - 1, "aria-label": t("train.film") });
    const play = h("button", { type: "button", disabled: grids.length < 2 }, t("train.play"));
    const show = () => {
      const one = grids[Number(range.value)];
      image.src = fileUrl(found, one.file);
      image.alt = words.textContent = t("train.samples", { step: one.step });
    };
    range.addEventListener("input", show);
    play.addEventListener("click", async () => {
      play.disabled = true;
      for (let k = 0; k < grids.length && play.isConnected; k += 1) {
        range.value = k;
        show();
        await wait(FRAME_SECONDS);
      }
      play.disabled = false;
    });
    show();
    return h("div", { class: "film" }, h("h3", {}, t("train.film")), image, range, h("div", { class: "row spread" }, words, play));
  }

  showEarlier() {
    const runs = jobs.list(TASKS).slice(0, 12);
    this.earlier.replaceChildren(runs.length ? h("section", { class: "panel stage", "aria-label": t("train.earlier") }, h("h2", {}, t("train.earlier")), h("div", { class: "row" },
      runs.map((job) => h("button", { type: "button", onclick: () => this.showJob(job.id) }, `${job.arguments.out} · ${t(`train.state_${job.state}`)}`)))) : "");
  }
}

/** Show the page in `root`. context: {studio, signal}. */
export async function mount(root, context) {
  loadStyle("train");
  loadStyle("pictures");
  await new TrainPage(root, context).start();
}
