// Repair: paint over what should go, and fill it with patches of the picture or by a model.

import { addJob, fileUrl, getForm, getJson, uploadFile } from "../shell/api.js";
import { h, loadStyle, makeId, showMessage } from "../shell/dom.js";
import { jobs } from "../shell/jobs.js";
import { joinSentences, t, tOr } from "../shell/strings.js";
import { makeBrush } from "../components/brush.js";
import { makeCompareSlider } from "../components/compare-slider.js";
import { buildForm } from "../components/form.js";
import { makeJobView } from "../components/job-view.js";
import { makeDownloads, makeLines } from "../components/lines.js";
import { makeGrid, makeTile, paintPreview } from "../components/picture-grid.js";
import { fetchResult, makePicturePicker } from "../components/picture-picker.js";

const TASKS = ["inpaint", "complete"];
const COUNT = 4;

class RepairPage {
  constructor(root, { signal }) {
    this.signal = signal;
    this.controls = h("form", { class: "panel controls form", "aria-label": t("repair.settings"), novalidate: true });
    this.canvas = h("section", { class: "panel stage", "aria-label": t("repair.picture"), hidden: true });
    this.results = h("div", { class: "stage" });
    this.history = h("ul", { class: "history", "aria-label": t("repair.history"), hidden: true });
    root.append(h("div", { class: "bench" }, this.controls, h("div", { class: "stage" }, this.canvas, this.results, this.history)));
    this.controls.addEventListener("submit", (event) => { event.preventDefault(); this.fill(); });
  }

  async start() {
    const models = (await getJson("/api/models")).filter((model) => model.output === "picture" && model.accepted_inputs.includes("mask"));
    this.models = new Map(models.map((model) => [model.name, model]));
    this.picker = makePicturePicker({ title: t("repair.picture"), signal: this.signal, onChange: (uploads) => this.showPicture(uploads[0]) });
    this.brush = makeBrush();
    this.canvas.append(h("h2", {}, t("repair.paint")), this.brush.element);
    const id = makeId("method");
    const group = (label, fills) => h("optgroup", { label }, models.filter((model) => model.fills_holes === fills).map((model) => h("option", { value: model.name }, model.name)));
    this.method = h("select", { id }, h("option", { value: "" }, t("repair.patchmatch")), group(t("repair.repaint"), true), group(t("repair.complete"), false));
    const last = sessionStorage.getItem("repair.method");
    if (this.models.has(last)) this.method.value = last;
    this.about = h("p", { class: "help" });
    this.fields = h("div", { class: "form" });
    this.button = h("button", { class: "primary", type: "submit" }, t("repair.fill"));
    this.controls.append(this.picker.element,
      h("div", { class: "field", "data-field": "method" }, h("label", { for: id }, t("repair.method")), this.method, this.about),
      this.fields, this.button);
    this.method.addEventListener("change", () => this.showForm());
    await this.showForm();
    jobs.addEventListener("list", () => this.showHistory(), { signal: this.signal });
    this.showHistory();
    const latest = jobs.list(TASKS)[0];
    if (latest) this.showJob(latest.id);
    else this.results.replaceChildren(h("div", { class: "empty" }, h("img", { src: "/static/icon.svg", alt: "", width: 64, height: 64 }), h("p", {}, t("repair.empty"))));
  }

  get task() {
    const model = this.models.get(this.method.value);
    return model && !model.fills_holes ? "complete" : "inpaint";
  }

  async showForm() {
    const name = this.method.value;
    sessionStorage.setItem("repair.method", name);
    const form = await getForm(this.task, name);
    if (this.method.value !== name) return; // another was chosen meanwhile
    const model = this.models.get(name);
    this.about.textContent = model ? joinSentences(model.summary, t("repair.resized", { h: model.size[0], w: model.size[1] })) : t("repair.patchmatch_help");
    const count = form.fields.find((field) => field.name === "n");
    count.default = name ? COUNT : 1;
    const skip = ["model", "picture", "pictures", "mask", "keep_rows", name ? "patch" : "", name ? "" : "size"];
    const before = this.form?.read();
    this.form = buildForm(form.fields, { skip });
    if (before) this.form.write({ seed: before.seed });
    this.fields.replaceChildren(this.form.element);
  }

  /** Put a picture under the brush; strokes stay where they are. */
  showPicture(upload) {
    this.canvas.hidden = !upload;
    if (!upload) return;
    this.results.querySelector(".empty")?.remove();
    this.brush.element.style.setProperty("--ratio", upload.width / upload.height);
    this.brush.setPicture(upload.url, upload.width, upload.height);
  }

  async fill() {
    const upload = this.picker.uploads[0];
    if (!upload) return showMessage(t("repair.picture_first"));
    if (this.brush.isEmpty()) return showMessage(t("repair.paint_first"));
    if (!this.form.isValid()) return;
    this.button.disabled = true;
    try {
      const mask = await uploadFile(await this.brush.toBlob(), "mask.png");
      const values = { ...this.form.read(), mask: { upload: mask.upload } };
      values.n ??= this.method.value ? COUNT : 1;
      if (this.method.value) values.model = this.method.value;
      values[this.task === "complete" ? "pictures" : "picture"] = { upload: upload.upload };
      const asked = await addJob(this.task, values);
      jobs.take(asked);
      this.showJob(asked.id);
      this.results.scrollIntoView({ block: "nearest", behavior: "smooth" });
    } catch (error) {
      showMessage(error.message);
    } finally {
      this.button.disabled = false;
    }
  }

  showJob(id) {
    const place = h("div");
    let tiles = null;
    let shown = "";
    const view = makeJobView(id, {
      signal: this.signal,
      onUpdate: ({ job, preview }) => {
        if (preview && job.state === "running") {
          if (!tiles) {
            tiles = Array.from({ length: job.arguments.n ?? 1 }, (_, k) => makeTile({ caption: t("grid.seed", { seed: (job.arguments.seed ?? 0) + k }) }));
            place.replaceChildren(makeGrid(tiles, { wide: tiles.length < 3 }));
          }
          paintPreview(preview, tiles.map((tile) => tile.canvas));
        }
        if (job.state === shown) return;
        shown = job.state;
        if (job.state === "done") place.replaceChildren(this.makeResult(job));
        else if (job.state !== "running") place.replaceChildren();
      },
    });
    const title = jobs.byId.get(id)?.arguments.model ?? "PatchMatch";
    this.results.replaceChildren(h("section", { class: "panel stage fade", "aria-label": t("repair.result") }, h("h2", {}, title), view.element, place));
  }

  /** Before and after with a slider, and the other results to choose from. */
  makeResult(job) {
    const { pictures, before, notes } = job.result;
    const slider = makeCompareSlider(fileUrl(job, before), fileUrl(job, pictures[0].file));
    slider.element.classList.add("fit");
    const first = slider.element.querySelector("img");
    first.addEventListener("load", () => slider.element.style.setProperty("--ratio", first.naturalWidth / first.naturalHeight));
    let current = pictures[0];
    const buttons = pictures.map((picture) => {
      const words = [t("grid.seed", { seed: picture.seed }), picture.class ? tOr(`class.${picture.class}`, picture.class) : ""].filter(Boolean).join(" · ");
      const button = h("button", { type: "button", "aria-pressed": String(picture === current) }, h("img", { src: fileUrl(job, picture.file), alt: "" }), words);
      button.addEventListener("click", () => {
        current = picture;
        slider.setAfter(fileUrl(job, picture.file));
        buttons.forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
      });
      return button;
    });
    const again = h("button", { type: "button", onclick: () => fetchResult(job, current.file).then((file) => this.takeResult(file)).catch((error) => showMessage(error.message)) }, t("repair.go_on"));
    return h("div", { class: "stage" }, slider.element,
      buttons.length > 1 ? h("ul", { class: "choices", "aria-label": t("repair.results") }, buttons.map((button) => h("li", {}, button))) : null,
      (notes ?? []).map((note) => h("p", { class: "small soft" }, note)),
      h("div", { class: "row" }, again, makeDownloads(job, pictures.length === 1 ? [pictures[0].file] : ["grid.png"])), makeLines(job));
  }

  /** Go on with a result: it comes under the brush, without strokes. */
  async takeResult(file) {
    this.brush.clear();
    await this.picker.take([file]);
    this.canvas.scrollIntoView({ block: "nearest", behavior: "smooth" });
  }

  showHistory() {
    const earlier = jobs.list(TASKS).filter((job) => job.state === "done").slice(0, 24);
    this.history.hidden = earlier.length === 0;
    this.history.replaceChildren(...earlier.map((job) => {
      const words = t("repair.earlier", { method: job.arguments.model ?? "PatchMatch", seed: job.arguments.seed ?? 0 });
      const picture = h("img", { src: fileUrl(job, job.result.pictures[0].file), alt: "", loading: "lazy" });
      return h("li", {}, h("button", { type: "button", title: words, "aria-label": words, onclick: () => this.showJob(job.id) }, picture));
    }));
  }
}

/** Show the page in `root`. context: {studio, signal}. */
export async function mount(root, context) {
  loadStyle("pictures");
  await new RepairPage(root, context).start();
}
