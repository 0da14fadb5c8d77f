// Any size: a canvas of any shape, watched while a window moves over it, and seamless tiles.

import { addJob, fileUrl, getForm, getJson } from "../shell/api.js";
import { h, loadStyle, makeId, showMessage } from "../shell/dom.js";
import { jobs } from "../shell/jobs.js";
import { joinSentences, t } from "../shell/strings.js";
import { buildForm, makeModelSelect } from "../components/form.js";
import { makeJobView } from "../components/job-view.js";
import { makeDownloads, makeLines } from "../components/lines.js";
import { paintPreview } from "../components/picture-grid.js";

const SHAPES = [["1 : 1", 2, 2], ["2 : 1", 2, 4], ["1 : 2", 4, 2], ["4 : 1", 1, 4], ["1 : 4", 4, 1]]; // rows and columns of the model's size
const SKIP = ["model", "n", "size", "gif", "pictures", "strength"];
const MOST = 8; // rem of the sketch of the canvas's shape

class CanvasPage {
  constructor(root, { studio, signal }) {
    Object.assign(this, { studio, signal });
    this.controls = h("form", { class: "panel controls form", "aria-label": t("canvas.settings"), novalidate: true });
    this.stage = h("div", { class: "stage" });
    this.history = h("ul", { class: "history", "aria-label": t("canvas.history"), hidden: true });
    root.append(h("div", { class: "bench" }, this.controls, h("div", { class: "stage" }, this.stage, this.history)));
    this.controls.addEventListener("submit", (event) => { event.preventDefault(); this.draw(); });
  }

  async start() {
    const models = (await getJson("/api/models")).filter((model) => model.output === "picture" && model.free_size);
    this.models = new Map(models.map((model) => [model.name, model]));
    const last = sessionStorage.getItem("canvas.model");
    const names = [...this.models.keys()];
    const { element, select } = makeModelSelect(names, names.includes(last) ? last : names.at(-1));
    this.select = select;
    this.about = h("p", { class: "help" });
    element.append(this.about);
    this.seamless = h("input", { type: "checkbox", id: makeId("seamless") });
    this.seamlessField = h("div", { class: "field switch" }, this.seamless, h("label", { for: this.seamless.id }, t("canvas.seamless")), h("p", { class: "help" }, t("canvas.seamless_help")));
    this.fields = h("div", { class: "form" });
    this.button = h("button", { class: "primary", type: "submit" }, t("canvas.draw"));
    this.controls.append(element, this.makeShape(), this.seamlessField, this.fields, this.button);
    select.addEventListener("change", () => this.showForm());
    await this.showForm();
    jobs.addEventListener("list", () => this.showHistory(), { signal: this.signal });
    this.showHistory();
    const latest = this.listJobs()[0];
    if (latest) this.showJob(latest.id);
    else this.stage.append(h("div", { class: "empty" }, h("img", { src: "/static/icon.svg", alt: "", width: 64, height: 64 }), h("p", {}, t("canvas.empty"))));
  }

  /** Canvases among the drawings: one picture whose size was chosen. */
  listJobs() {
    return jobs.list(["draw_samples"]).filter((job) => job.arguments.n === 1 && job.arguments.size);
  }

  makeShape() {
    const one = (name) => h("input", { type: "number", min: 4, max: this.studio.limits.side, step: 1, required: true, id: makeId(name) });
    [this.height, this.width] = [one("height"), one("width")];
    this.sketch = h("span");
    const chips = SHAPES.map(([words, rows, columns]) => h("button", { type: "button", onclick: () => {
      const [height, width] = this.models.get(this.select.value).size;
      this.setSize(height * rows, width * columns);
    } }, words));
    for (const input of [this.height, this.width]) input.addEventListener("input", () => this.showShape());
    return h("fieldset", { class: "field" }, h("legend", {}, t("canvas.shape")),
      h("div", { class: "shape", "aria-hidden": "true" }, this.sketch), h("div", { class: "chips" }, chips),
      h("div", { class: "beside two" },
        h("div", { class: "field" }, h("label", { for: this.height.id }, t("form.height")), this.height),
        h("span", { "aria-hidden": "true" }, "×"),
        h("div", { class: "field" }, h("label", { for: this.width.id }, t("form.width")), this.width)));
  }

  setSize(height, width) {
    this.height.value = height;
    this.width.value = width;
    this.showShape();
  }

  showShape() {
    const [height, width] = [this.height.valueAsNumber || 1, this.width.valueAsNumber || 1];
    const scale = MOST / Math.max(height, width / 1.6);
    this.sketch.style.setProperty("--h", `${height * scale}rem`);
    this.sketch.style.setProperty("--w", `${width * scale}rem`);
  }

  async showForm() {
    const name = this.select.value;
    sessionStorage.setItem("canvas.model", name);
    const form = await getForm("draw_samples", name);
    if (this.select.value !== name) return; // another was chosen meanwhile
    const model = this.models.get(name);
    this.about.textContent = joinSentences(model.summary, t("canvas.own", { h: model.size[0], w: model.size[1] }));
    const before = this.form?.read();
    this.form = buildForm(form.fields, { skip: SKIP });
    if (before) this.form.write({ seed: before.seed });
    this.fields.replaceChildren(this.form.element);
    const variants = form.fields.find((field) => field.name === "sampler")?.variants ?? [];
    this.seamlessField.hidden = !variants.some((one) => one.fields.some((field) => field.name === "seamless"));
    this.setSize(model.size[0] * 2, model.size[1] * 4);
  }

  async draw() {
    const wrong = [this.height, this.width].find((input) => !input.checkValidity());
    if (wrong) { wrong.reportValidity(); return; }
    if (!this.form.isValid()) return;
    const values = { model: this.select.value, n: 1, size: [this.height.valueAsNumber, this.width.valueAsNumber], ...this.form.read() };
    if (!this.seamlessField.hidden && this.seamless.checked) values.sampler = { ...values.sampler, seamless: true };
    this.button.disabled = true;
    try {
      const asked = await addJob("draw_samples", values);
      jobs.take(asked);
      this.showJob(asked.id);
    } catch (error) {
      showMessage(error.message);
    } finally {
      this.button.disabled = false;
    }
  }

  showJob(id) {
    const canvas = h("canvas", { width: 1, height: 1, role: "img", "aria-label": t("canvas.making") });
    const place = h("div", { class: "live", hidden: true }, canvas);
    const after = h("div", { class: "stage" });
    let shown = false;
    const view = makeJobView(id, {
      signal: this.signal,
      onUpdate: ({ job, preview }) => {
        const [height, width] = job.arguments.size;
        place.style.setProperty("--most", `min(${Math.max(16, width / 5)}rem, ${(72 * width) / height}vh)`);
        if (preview && job.state === "running") { place.hidden = false; paintPreview(preview, [canvas]); }
        if (job.state === "failed" || job.state === "cancelled") place.hidden = canvas.width === 1;
        if (job.state !== "done" || shown) return;
        shown = true;
        place.remove();
        after.replaceChildren(...this.makeResult(job));
      },
    });
    this.stage.replaceChildren(h("section", { class: "panel stage fade", "aria-label": t("canvas.result") },
      h("h2", {}, jobs.byId.get(id)?.arguments.model ?? ""), view.element, place, after));
  }

  /** The picture, once or as tiles. */
  makeResult(job) {
    const [height, width] = job.arguments.size;
    const { file } = job.result.pictures[0];
    const isSeamless = job.result.sampler.seamless === true;
    const picture = h("div", { class: "tiled", role: "img" });
    picture.style.setProperty("--picture", `url("${fileUrl(job, file)}")`);
    picture.style.setProperty("--ratio", width / height);
    picture.style.setProperty("--most", `${Math.max(24, width / 5)}rem`);
    const id = makeId("tiles");
    const range = h("input", { id, type: "range", min: 1, max: 4, value: isSeamless ? 2 : 1 });
    const label = h("label", { for: id });
    const show = () => {
      const n = Number(range.value);
      picture.style.setProperty("--tiles", n);
      picture.setAttribute("aria-label", t("canvas.picture", { h: height, w: width, n }));
      label.textContent = n === 1 ? t("canvas.once") : t("canvas.tiles", { n });
    };
    range.addEventListener("input", show);
    show();
    return [picture, h("div", { class: "field tiles" }, label, range, isSeamless ? null : h("p", { class: "help" }, t("canvas.seams"))), makeDownloads(job, [file]), makeLines(job)];
  }

  showHistory() {
    const earlier = this.listJobs().filter((job) => job.state === "done").slice(0, 24);
    this.history.hidden = earlier.length === 0;
    this.history.replaceChildren(...earlier.map((job) => {
      const { model, size, seed = 0 } = job.arguments;
      const words = t("canvas.earlier", { model, h: size[0], w: size[1], seed });
      return h("li", {}, h("button", { type: "button", title: words, "aria-label": words, onclick: () => this.showJob(job.id) },
        h("img", { src: fileUrl(job, job.result.pictures[0].file), alt: "", loading: "lazy" })));
    }));
  }
}

/** Show the page in `root`. context: {studio, signal}. */
export async function mount(root, context) {
  loadStyle("pictures");
  await new CanvasPage(root, context).start();
}
