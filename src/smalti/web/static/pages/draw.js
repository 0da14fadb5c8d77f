// Draw: pictures from a model, seed by seed; two settings side by side; between two pictures.

import { addJob, deleteJob, fileUrl, getForm, getJson } from "../shell/api.js";
import { h, makeId, showMessage } from "../shell/dom.js";
import { isOver, jobs } from "../shell/jobs.js";
import { t, tOr } from "../shell/strings.js";
import { buildForm, makeModelSelect } from "../components/form.js";
import { makeJobView } from "../components/job-view.js";
import { makeDownloads, makeLines } from "../components/lines.js";
import { makeGrid, makeTile, makeTool, paintPreview } from "../components/picture-grid.js";

const TASKS = ["draw_samples", "interpolate"];
const DEFAULT_COUNT = 8;

/** The page's state while it is shown. */
class DrawPage {
  constructor(root, { studio, signal }) {
    Object.assign(this, { root, studio, signal });
    this.picked = [];
    this.controls = h("form", { class: "panel controls form", "aria-label": t("draw.settings"), novalidate: true });
    this.stage = h("div", { class: "stage" });
    this.history = h("ul", { class: "history", "aria-label": t("draw.history") });
    root.append(h("div", { class: "bench" }, this.controls, h("div", { class: "stage" }, this.stage, this.history)));
    this.controls.addEventListener("submit", (event) => { event.preventDefault(); this.draw(); });
  }

  async start() {
    const models = await getJson("/api/models");
    this.models = new Map(models.map((model) => [model.name, model]));
    const names = models.filter((model) => model.abilities.includes("draw pictures")).map((model) => model.name);
    const last = sessionStorage.getItem("draw.model");
    const first = [last, "ddpm-digits", names[0]].find((name) => names.includes(name));
    const { element, select } = makeModelSelect(names, first);
    this.modelSelect = select;
    this.about = h("p", { class: "help" });
    element.append(this.about);
    this.fields = h("div", { class: "form" });
    this.pairId = makeId("pair");
    this.pair = h("input", { type: "checkbox", id: this.pairId });
    this.second = h("div", { class: "form", hidden: true });
    this.button = h("button", { class: "primary", type: "submit" }, t("draw.draw"));
    this.controls.append(element, this.fields,
      h("div", { class: "field switch" }, this.pair, h("label", { for: this.pairId }, t("draw.compare")), h("p", { class: "help" }, t("draw.compare_help"))),
      this.second, this.button);
    this.pair.addEventListener("change", () => { this.second.hidden = !this.pair.checked; });
    select.addEventListener("change", () => this.showForm());
    await this.showForm();
    jobs.addEventListener("list", () => this.showHistory(), { signal: this.signal });
    this.showHistory();
    const latest = jobs.list(["draw_samples"])[0];
    if (latest) this.showJobs([latest.id]);
    else this.showEmpty();
  }

  async showForm() {
    const name = this.modelSelect.value;
    sessionStorage.setItem("draw.model", name);
    const form = await getForm("draw_samples", name);
    if (this.modelSelect.value !== name) return; // another was chosen meanwhile
    if (this.shown === name) return; // chosen again: what was filled in stays
    this.shown = name;
    this.about.textContent = this.models.get(name).summary;
    const count = form.fields.find((field) => field.name === "n");
    count.default = Math.min(DEFAULT_COUNT, count.high);
    count.always = true;
    const film = form.fields.find((field) => field.name === "gif");
    if (film) film.default = false;
    const before = this.form?.read();
    this.form = buildForm(form.fields, { skip: ["model"] });
    if (before) this.form.write({ seed: before.seed, n: before.n });
    const extra = ["pictures", "strength"].map((one) => this.form.controls.get(one)?.element).filter(Boolean);
    this.fields.replaceChildren(this.form.element);
    const needsPicture = this.models.get(name).conditions.some((one) => one.is_picture);
    if (extra.length && !needsPicture) { // one to begin with, not one that the model draws from
      this.form.element.append(h("details", { class: "more" }, h("summary", {}, t("draw.from_picture")), h("div", { class: "form" }, extra)));
    }
    const sampler = form.fields.filter((field) => field.name === "sampler");
    this.secondForm = buildForm(sampler);
    this.secondForm.element.querySelectorAll("details").forEach((one) => { one.open = true; });
    this.second.replaceChildren(h("h2", {}, t("draw.second")), this.secondForm.element);
  }

  readValues() {
    const values = { model: this.modelSelect.value, ...this.form.read() };
    values.n ??= DEFAULT_COUNT;
    values.seed ??= 0;
    return values;
  }

  async draw() {
    if (!this.form.isValid() || (this.pair.checked && !this.secondForm.isValid())) return;
    const values = this.readValues();
    this.button.disabled = true;
    try {
      const wanted = [values];
      if (this.pair.checked) {
        const { sampler, ...rest } = values;
        wanted.push({ ...rest, ...this.secondForm.read() });
      }
      const asked = [];
      for (const one of wanted) asked.push(await addJob("draw_samples", one));
      asked.forEach((job) => jobs.take(job));
      this.showJobs(asked.map((job) => job.id));
    } catch (error) {
      showMessage(error.message);
    } finally {
      this.button.disabled = false;
    }
  }

  showEmpty() {
    this.stage.replaceChildren(h("div", { class: "empty" }, h("img", { src: "/static/icon.svg", alt: "", width: 64, height: 64 }), h("p", {}, t("draw.empty"))));
  }

  /** Show one job, or two side by side. */
  showJobs(ids) {
    this.picked = [];
    this.between = h("div", { class: "panel", hidden: true });
    const panels = ids.map((id, k) => this.makePanel(id, ids.length > 1 ? t("draw.setting", { letter: "AB"[k] }) : ""));
    this.stage.replaceChildren(
      ids.length > 1 ? h("div", { class: "two-up" }, panels) : panels[0], this.between);
    this.stage.scrollIntoView({ block: "nearest" });
  }

  makePanel(id, title) {
    const after = h("div", { class: "stage" });
    const place = h("div");
    const heading = h("div", { class: "row spread" }, h("h2", {}, title || (jobs.byId.get(id)?.arguments.model ?? "")));
    let tiles = null;
    let shown = "";
    const view = makeJobView(id, {
      signal: this.signal,
      onUpdate: ({ job, preview }) => {
        if (!tiles) {
          tiles = this.makeTiles(job);
          place.replaceChildren(makeGrid(tiles, { wide: tiles.length < 4 }));
        }
        if (preview && !isOver(job)) paintPreview(preview, tiles.map((tile) => tile.canvas));
        if (job.state === shown) return;
        shown = job.state;
        if (job.state === "done") this.finishPanel(job, tiles, after, heading);
        if (job.state === "failed" || job.state === "cancelled") place.hidden = !tiles.some((tile) => tile.canvas.width > 1);
      },
    });
    return h("section", { class: "panel stage fade", "aria-label": title || t("draw.result") }, heading, view.element, place, after);
  }

  makeTiles(job) {
    const { n = 16, seed = 0 } = job.arguments;
    return Array.from({ length: n }, (_, k) => makeTile({ caption: t("grid.seed", { seed: seed + k }), alt: t("grid.seed", { seed: seed + k }) }));
  }

  finishPanel(job, tiles, after, heading) {
    job.result.pictures.forEach((picture, k) => this.showPicture(job, picture, tiles[k]));
    const film = job.files.find((file) => file.name.endsWith(".gif"));
    const filmView = film ? h("details", { class: "more" }, h("summary", {}, t("draw.film")), h("img", { class: "pixels", src: fileUrl(job, film.name), alt: t("draw.film") })) : null;
    const named = job.files.map((file) => file.name).filter((name) => /^grid\.png$|\.gif$/.test(name));
    after.replaceChildren(...[filmView, makeDownloads(job, named), makeLines(job)].filter(Boolean));
    heading.append(h("button", { type: "button", class: "quiet", onclick: () => this.reuse(job) }, t("draw.reuse")));
  }

  /** Take a job's settings into the form. */
  async reuse(job) {
    this.modelSelect.value = job.arguments.model;
    await this.showForm();
    this.form.write(job.arguments);
    showMessage(t("draw.reused"), 3);
  }

  showPicture(job, picture, tile) {
    const words = describePicture(picture);
    tile.setCaption(words);
    tile.showFile(fileUrl(job, picture.file), `${job.arguments.model}, ${words}`);
    const canInterpolate = this.models.get(job.arguments.model)?.accepted_inputs.includes("initial_noise");
    const tools = [makeTool("↻", t("draw.redraw"), () => this.redraw(job, picture, tile))];
    if (canInterpolate) {
      const pick = makeTool("◇", t("draw.pick"), () => this.pick(job, picture, tile, pick), { "aria-pressed": "false" });
      tools.push(pick);
    }
    tools.push(h("a", { class: "button quiet", href: fileUrl(job, picture.file, true), download: true, title: t("draw.save"), "aria-label": t("draw.save_seed", { seed: picture.seed }) }, "↓"));
    tile.setTools(tools);
    tile.element.classList.remove("picked");
  }

  /** Draw one picture again from another seed, with the same class, text and sampler. */
  async redraw(job, picture, tile) {
    const seed = Math.floor(Math.random() * 1e6);
    const values = { ...job.arguments, n: 1, seed };
    delete values.gif;
    if (picture.class !== null) values.classes = [picture.class];
    if (picture.text !== null) values.text = [picture.text];
    try {
      const asked = await addJob("draw_samples", values);
      jobs.take(asked);
      tile.setCaption(t("grid.drawing", { seed }));
      tile.setTools([makeTool("×", t("job.cancel"), () => deleteJob(asked.id))]);
      jobs.watch(asked.id, ({ job: now, preview }) => {
        if (preview) { tile.showCanvas(); paintPreview(preview, [tile.canvas]); }
        if (now?.state === "done") this.showPicture(now, now.result.pictures[0], tile);
        if (now?.state === "failed" || now?.state === "cancelled") {
          if (now.error) showMessage(now.error);
          this.showPicture(job, picture, tile);
        }
      }, this.signal);
    } catch (error) {
      showMessage(error.message);
    }
  }

  /** Pick a picture; two picked ones can be interpolated. */
  pick(job, picture, tile, button) {
    const found = this.picked.findIndex((one) => one.tile === tile);
    if (found >= 0) this.picked.splice(found, 1);
    else this.picked.push({ job, picture, tile, button });
    const gone = this.picked.length > 2 ? this.picked.shift() : found >= 0 ? { tile, button } : null;
    if (gone) { gone.tile.element.classList.remove("picked"); gone.button.setAttribute("aria-pressed", "false"); }
    for (const one of this.picked) { one.tile.element.classList.add("picked"); one.button.setAttribute("aria-pressed", "true"); }
    this.showBetween();
  }

  showBetween() {
    this.between.hidden = this.picked.length === 0;
    if (this.picked.length < 2) {
      this.between.replaceChildren(h("p", { class: "soft" }, t("draw.pick_another")));
      return;
    }
    const [a, b] = this.picked;
    const button = h("button", { type: "button", class: "primary", onclick: () => this.interpolate(a, b) },
      t("draw.interpolate", { a: a.picture.seed, b: b.picture.seed }));
    this.between.replaceChildren(h("div", { class: "row" }, button));
  }

  async interpolate(a, b) {
    const values = { model: a.job.arguments.model, first: a.picture.seed, last: b.picture.seed, frames: 12, gif: true };
    const classes = [...new Set([a.picture.class, b.picture.class].filter((one) => one !== null))];
    if (classes.length) values.classes = classes;
    if (classes.length === 2) values.blend = true;
    const { steps, guidance, sampler } = a.job.arguments.sampler ?? {};
    if (steps && (!sampler || sampler === "ddim")) values.steps = steps;
    if (guidance !== undefined) values.guidance = guidance;
    try {
      const asked = await addJob("interpolate", values);
      jobs.take(asked);
      const after = h("div", { class: "stage" });
      const view = makeJobView(asked.id, {
        signal: this.signal,
        onUpdate: ({ job }) => { if (job.state === "done" && !after.childElementCount) this.showInterpolation(job, after); },
      });
      this.between.replaceChildren(h("div", { class: "stage" }, h("h2", {}, t("draw.between", { a: values.first, b: values.last })),
        classes.length === 0 && this.models.get(values.model).conditions.some((one) => one.name === "class") ? h("p", { class: "soft small" }, t("draw.one_class", { a: values.first })) : "", view.element, after));
      this.between.scrollIntoView({ block: "nearest" });
    } catch (error) {
      showMessage(error.message);
    }
  }

  showInterpolation(job, after) {
    for (const [r, row] of job.result.rows.entries()) {
      const name = job.result.classes?.[r];
      const large = h("img", { class: "pixels", src: fileUrl(job, row[0]), alt: t("draw.frame", { k: 1, n: row.length }) });
      const range = h("input", { type: "range", min: 0, max: row.length - 1, value: 0, "aria-label": t("draw.morph") });
      range.addEventListener("input", () => {
        large.src = fileUrl(job, row[Number(range.value)]);
        large.alt = t("draw.frame", { k: Number(range.value) + 1, n: row.length });
      });
      const strip = h("div", { class: "strip", tabindex: 0, role: "group", "aria-label": t("draw.strip") }, row.map((file) => h("img", { src: fileUrl(job, file), alt: "" })));
      after.append(h("div", { class: "between" }, h("div", { class: "stage" }, large, range), h("div", { class: "stage" }, name ? h("h3", {}, t("grid.class", { name })) : null, strip)));
    }
    after.append(makeDownloads(job, ["strip.png", "interpolation.gif"]), makeLines(job));
  }

  /** Earlier results, as small pictures. */
  showHistory() {
    const earlier = jobs.list(["draw_samples"]).filter((job) => job.state === "done").slice(0, 24);
    this.history.replaceChildren(...earlier.map((job) => {
      const { model, n = 16, seed = 0 } = job.arguments;
      const words = t("draw.earlier", { model, n, seed });
      const file = job.result.pictures.length === 1 ? job.result.pictures[0].file : "grid.png";
      return h("li", {}, h("button", { type: "button", title: words, "aria-label": words, onclick: () => this.showJobs([job.id]) }, h("img", { src: fileUrl(job, file), alt: "", loading: "lazy" })));
    }));
    this.history.hidden = earlier.length === 0;
  }
}

/** What stands under a picture: its seed, and its class or text. */
function describePicture(picture) {
  const words = [t("grid.seed", { seed: picture.seed })];
  if (picture.class !== null) words.push(tOr(`class.${picture.class}`, picture.class));
  if (picture.text !== null) words.push(picture.text);
  return words.join(" · ");
}

/** Show the page in `root`. context: {studio, signal}. */
export async function mount(root, context) {
  const page = new DrawPage(root, context);
  await page.start();
}
