// Codec: pictures as codes. Swap a code, drag a region from one picture to another, see it decoded.

import { addJob, deleteJob, fileUrl, getForm, getJson } from "../shell/api.js";
import { h, loadStyle, showMessage } from "../shell/dom.js";
import { jobs } from "../shell/jobs.js";
import { t } from "../shell/strings.js";
import { makeCodebook } from "../components/codebook.js";
import { makeCodeMap } from "../components/code-map.js";
import { buildForm, makeModelSelect } from "../components/form.js";
import { makeJobView } from "../components/job-view.js";
import { makeLines } from "../components/lines.js";
import { fetchResult, makePicturePicker } from "../components/picture-picker.js";

const LETTERS = ["A", "B"];

class CodecPage {
  constructor(root, { signal }) {
    this.signal = signal;
    this.controls = h("form", { class: "panel controls form", "aria-label": t("codec.settings"), novalidate: true });
    this.stage = h("div", { class: "stage" });
    root.append(h("div", { class: "bench" }, this.controls, this.stage));
    this.controls.addEventListener("submit", (event) => { event.preventDefault(); this.encode(); });
  }

  async start() {
    const models = (await getJson("/api/models")).filter((model) => model.abilities.includes("encode"));
    this.models = new Map(models.map((model) => [model.name, model]));
    const last = sessionStorage.getItem("codec.model");
    const names = [...this.models.keys()];
    const { element, select } = makeModelSelect(names, names.includes(last) ? last : names.at(-1));
    this.select = select;
    this.about = h("p", { class: "help" });
    element.append(this.about);
    const onChange = () => this.encode();
    this.pickers = LETTERS.map((letter) => makePicturePicker({ title: t(`codec.picture_${letter.toLowerCase()}`), signal: this.signal, onChange }));
    this.fields = h("div", { class: "form" });
    this.controls.append(element, ...this.pickers.map((picker) => picker.element), this.fields,
      h("button", { class: "primary", type: "submit" }, t("codec.encode")));
    select.addEventListener("change", () => this.showForm().then(() => this.encode()));
    this.stage.append(h("div", { class: "empty" }, h("img", { src: "/static/icon.svg", alt: "", width: 64, height: 64 }), h("p", {}, t("codec.empty"))));
    await this.showForm();
    const latest = jobs.list(["encode_pictures"])[0];
    if (latest) this.showJob(latest.id);
  }

  async showForm() {
    const name = this.select.value;
    sessionStorage.setItem("codec.model", name);
    const form = await getForm("encode_pictures", name);
    if (this.select.value !== name) return; // another was chosen meanwhile
    this.about.textContent = this.models.get(name).summary;
    this.form = buildForm(form.fields, { skip: ["model", "pictures"] });
    this.fields.replaceChildren(this.form.element);
  }

  async encode() {
    const pictures = this.pickers.flatMap((picker) => picker.uploads.slice(0, 1)).map(({ upload }) => ({ upload }));
    if (!pictures.length || !this.form.isValid()) return;
    try {
      const asked = await addJob("encode_pictures", { model: this.select.value, pictures, ...this.form.read() });
      jobs.take(asked);
      this.showJob(asked.id);
    } catch (error) {
      showMessage(error.message);
    }
  }

  showJob(id) {
    const place = h("div", { class: "stage" });
    let shown = false;
    const view = makeJobView(id, {
      signal: this.signal,
      onUpdate: ({ job }) => {
        if (job.state !== "done" || shown) return;
        shown = true;
        this.showCodes(job, place).catch((error) => showMessage(error.message));
      },
    });
    this.stage.replaceChildren(h("div", { class: "stage" }, view.element, place));
  }

  /** The codebook of a model: an earlier result, or a new one. */
  async readCodebook(model) {
    let job = jobs.list(["draw_codebook"]).find((one) => one.state === "done" && one.arguments.model === model);
    if (!job) {
      const asked = await addJob("draw_codebook", { model });
      jobs.take(asked);
      job = await jobs.wait(asked.id, this.signal);
    }
    const image = new Image();
    image.src = fileUrl(job, "codebook.png");
    await image.decode();
    return { image, book: job.result, colors: await getJson(fileUrl(job, "colors.json")) };
  }

  async showCodes(job, place) {
    const { model } = job.arguments;
    const { image, book, colors } = await this.readCodebook(model);
    const each = await Promise.all(job.result.pictures.map((one) => getJson(fileUrl(job, one.codes))));
    this.active = null;
    this.clipboard = null;
    this.job = job;
    this.codebook = makeCodebook({ image, book, onChoose: (code) => this.put(code) });
    this.panels = job.result.pictures.map((one, k) => this.makePanel(job, one, each[k], colors, LETTERS[k]));
    place.replaceChildren(
      ...this.panels.map((panel) => panel.element),
      h("section", { class: "panel stage" }, h("h2", {}, t("codec.codebook_of", { n: job.result.codebook_size })), h("p", { class: "soft small" }, t("codec.codebook_help")), this.codebook.element),
      makeLines(job));
  }

  makePanel(job, one, codes, colors, letter) {
    const decoded = h("img", { src: fileUrl(job, one.reconstruction), alt: t("codec.decoded") });
    const words = h("p", { class: "small", role: "status" }, t("codec.select"));
    const lines = h("div");
    const save = h("a", { class: "button", href: fileUrl(job, one.reconstruction, true), download: `codes-${letter}.png` }, t("codec.save"));
    const panel = { decoded, lines, save, isBusy: false, isStale: false };
    const map = makeCodeMap({
      label: t("codec.map_help", { letter }), codes, colors,
      onEdit: () => { this.showState(panel); this.decode(panel); },
      onSelect: () => { this.choosePanel(panel); this.showState(panel); },
      findMap: (x, y) => this.panels.find((other) => other.map.canvas === document.elementFromPoint(x, y))?.map ?? null,
    });
    const tool = (key, onclick) => h("button", { type: "button", disabled: true, onclick }, t(`codec.${key}`));
    panel.buttons = {
      undo: tool("undo", () => map.undo()),
      reset: tool("reset", () => map.reset()),
      copy: tool("copy", () => { this.clipboard = map.copy(); this.panels.forEach((other) => this.showState(other)); }),
      paste: tool("paste", () => map.paste(this.clipboard)),
    };
    panel.map = map;
    panel.words = words;
    const figure = (title, content, note = "") => h("figure", {}, h("figcaption", {}, title, " ", h("span", { class: "soft" }, note)), content);
    const error = one.psnr === null ? t("codec.identical") : `${one.psnr} dB`;
    panel.element = h("section", { class: "panel stage", "aria-label": t("codec.panel", { letter }) }, h("h2", {}, job.result.pictures.length > 1 ? letter : job.arguments.model),
      h("div", { class: "sheet" },
        figure(t("codec.picture"), h("img", { src: fileUrl(job, one.picture), alt: t("codec.picture") })),
        figure(t("codec.codes"), map.element, t("codec.used", { h: codes.length, w: codes[0].length, n: one.codes_used })),
        figure(t("codec.decoded"), decoded, error)),
      words, h("div", { class: "row" }, Object.values(panel.buttons), save), lines);
    return panel;
  }

  choosePanel(panel) {
    this.panels.forEach((other) => { if (other !== panel) { other.map.unselect(); this.showState(other); } });
    this.active = panel;
    const { r, c } = panel.map.selection;
    this.codebook.mark(panel.map.codes[r][c]);
  }

  showState(panel) {
    const { map, words, buttons } = panel;
    words.textContent = map.describe();
    buttons.undo.disabled = buttons.reset.disabled = !map.canUndo;
    buttons.copy.disabled = !map.selection;
    buttons.paste.disabled = !map.selection || !this.clipboard;
  }

  /** Put a code of the codebook into the selected cells. */
  put(code) {
    if (this.active?.map.selection) this.active.map.fill(code);
    else showMessage(t("codec.select_first"));
  }

  /** Decode a panel's codes; while one is decoded, only the latest state waits. */
  async decode(panel) {
    panel.isStale = true;
    if (panel.isBusy) return;
    panel.isBusy = true;
    const { model } = this.job.arguments;
    try {
      while (panel.isStale && !this.signal.aborted) {
        panel.isStale = false;
        const asked = await addJob("decode_codes", { model, codes: panel.map.codes, size: this.job.result.size });
        jobs.take(asked);
        const job = await jobs.wait(asked.id, this.signal);
        const file = await fetchResult(job, job.result.picture);
        URL.revokeObjectURL(panel.url);
        panel.url = URL.createObjectURL(file);
        panel.decoded.src = panel.save.href = panel.url;
        panel.lines.replaceChildren(makeLines(job));
        await deleteJob(job.id); // it would push other results out
      }
    } catch (error) {
      showMessage(error.message);
    } finally {
      panel.isBusy = false;
    }
  }
}

/** Show the page in `root`. context: {studio, signal}. */
export async function mount(root, context) {
  loadStyle("pictures");
  await new CodecPage(root, context).start();
}
