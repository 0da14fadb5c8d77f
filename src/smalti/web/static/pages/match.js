// Match: for every patch of A a patch of B; the field, the distance, and A made of B's patches.

import { addJob, fileUrl, getForm } from "../shell/api.js";
import { h, loadStyle, showMessage } from "../shell/dom.js";
import { jobs } from "../shell/jobs.js";
import { parseNpy } from "../shell/npy.js";
import { t } from "../shell/strings.js";
import { buildForm } from "../components/form.js";
import { makeJobView } from "../components/job-view.js";
import { makeDownloads, makeLines } from "../components/lines.js";
import { makeLayered, makeMatchView } from "../components/match-view.js";
import { makePicturePicker } from "../components/picture-picker.js";

const DEFAULT_PATCH = 3;

class MatchPage {
  constructor(root, { signal }) {
    this.signal = signal;
    this.controls = h("form", { class: "panel controls form", "aria-label": t("match.settings"), novalidate: true });
    this.stage = h("div", { class: "stage" });
    this.history = h("ul", { class: "history", "aria-label": t("match.history"), hidden: true });
    root.append(h("div", { class: "bench" }, this.controls, h("div", { class: "stage" }, this.stage, this.history)));
    this.controls.addEventListener("submit", (event) => { event.preventDefault(); this.match(); });
  }

  async start() {
    const { signal } = this;
    this.a = makePicturePicker({ title: t("match.a"), signal, multiple: true });
    this.b = makePicturePicker({ title: t("match.b"), signal });
    const form = await getForm("match");
    form.fields.find((field) => field.name === "patch").default = DEFAULT_PATCH;
    this.form = buildForm(form.fields, { skip: ["a", "b", "mask"] });
    this.mask = buildForm(form.fields.filter((field) => field.name === "mask"));
    this.button = h("button", { class: "primary", type: "submit" }, t("match.match"));
    this.controls.append(this.a.element, this.b.element, this.form.element,
      h("details", { class: "more" }, h("summary", {}, t("match.leave_out")), h("div", { class: "form" }, this.mask.element)), this.button);
    jobs.addEventListener("list", () => this.showHistory(), { signal });
    this.showHistory();
    const latest = jobs.list(["match"])[0];
    if (latest) this.showJob(latest.id);
    else this.stage.append(h("div", { class: "empty" }, h("img", { src: "/static/icon.svg", alt: "", width: 64, height: 64 }), h("p", {}, t("match.empty"))));
  }

  async match() {
    if (!this.a.uploads.length) return showMessage(t("match.first"));
    if (!this.form.isValid()) return;
    const refer = ({ upload }) => ({ upload });
    const frames = this.a.uploads.map(refer);
    const values = { ...this.form.read(), ...this.mask.read(), a: frames.length === 1 ? frames[0] : frames };
    if (this.b.uploads.length) values.b = refer(this.b.uploads[0]);
    this.button.disabled = true;
    try {
      const asked = await addJob("match", values);
      jobs.take(asked);
      this.showJob(asked.id);
    } catch (error) {
      showMessage(error.message);
    } finally {
      this.button.disabled = false;
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
        const show = job.result.frames.length ? showClip : showPair;
        show(job, place).catch((error) => showMessage(error.message));
      },
    });
    this.stage.replaceChildren(h("section", { class: "panel stage fade", "aria-label": t("match.result") }, view.element, place));
  }

  showHistory() {
    const earlier = jobs.list(["match"]).filter((job) => job.state === "done").slice(0, 24);
    this.history.hidden = earlier.length === 0;
    this.history.replaceChildren(...earlier.map((job) => {
      const name = job.result.frames.length ? "field.gif" : "field.png";
      const words = t("match.earlier", { patch: job.arguments.patch ?? DEFAULT_PATCH });
      return h("li", {}, h("button", { type: "button", title: words, "aria-label": words, onclick: () => this.showJob(job.id) }, h("img", { src: fileUrl(job, name), alt: "", loading: "lazy" })));
    }));
  }
}

/** The numbers of a result. */
function makeFacts(metrics) {
  const dB = (value) => (value === null ? t("match.identical") : `${value} dB`);
  const facts = [
    [t("match.distance_mean"), metrics.mean_distance],
    [t("match.psnr_voted"), dB(metrics.psnr_voted)],
    [t("match.psnr_copied"), dB(metrics.psnr_copied)],
  ];
  if (metrics.consistent !== null) facts.push([t("match.consistent"), `${(metrics.consistent * 100).toFixed(1)} %`]);
  return h("dl", { class: "facts" }, facts.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, String(value)))));
}

async function readArray(job, name) {
  const response = await fetch(fileUrl(job, name));
  if (!response.ok) throw new Error(t("picker.gone"));
  return parseNpy(await response.arrayBuffer());
}

/** Two pictures, with the match under the pointer. */
async function showPair(job, place) {
  const layered = (name, title) => makeLayered(fileUrl(job, name), title, title);
  const a = layered("a.png", t("match.a_short"));
  const b = layered("b.png", t("match.b_short"));
  const others = [layered("voted.png", t("match.voted")), layered("field.png", t("match.field")), layered("distance.png", t("match.distance"))];
  const names = job.files.map((file) => file.name);
  if (names.includes("consistent.png")) others.push(layered("consistent.png", t("match.consistent")));
  const [field, distance] = await Promise.all([readArray(job, "field.npy"), readArray(job, "distance.npy")]);
  const view = makeMatchView({ a, b, others, field, distance, patch: job.arguments.patch ?? DEFAULT_PATCH });
  place.replaceChildren(makeFacts(job.result.metrics), h("div", { class: "sheet" }, [a, b].map((one) => one.element)), view.element,
    h("div", { class: "sheet" }, others.map((one) => one.element)), h("p", { class: "small soft" }, t("match.colors")),
    makeDownloads(job, ["field.png", "voted.png", "field.npy"]), makeLines(job));
}

/** A clip: its films, and each frame with its matches under the pointer. */
async function showClip(job, place) {
  const { frames } = job.result;
  const figure = (title, url) => h("figure", {}, h("figcaption", {}, title), h("img", { src: url, alt: title }));
  const films = ["voted", "field", "distance"].map((name) => figure(t(`match.${name}`), fileUrl(job, `${name}.gif`)));
  const words = h("p", { class: "small", role: "status" });
  const range = h("input", { type: "range", min: 0, max: frames.length - 1, value: 0, "aria-label": t("match.frame_label") });
  const shown = h("div", { class: "stage" });
  const patchPlace = {}; // where the patch is, which stays from frame to frame
  async function show() {
    const k = Number(range.value);
    const name = (part) => `${String(k).padStart(5, "0")}-${part}`;
    const psnr = frames[k].psnr_voted === null ? t("match.identical") : `${frames[k].psnr_voted} dB`;
    words.textContent = t("match.frame", { k: k + 1, n: frames.length, psnr });
    const [field, distance] = await Promise.all([readArray(job, name("field.npy")), readArray(job, name("distance.npy"))]);
    if (k !== Number(range.value)) return;
    const layered = (file, title) => makeLayered(fileUrl(job, file), title, title);
    const [a, b, voted] = [layered(name("a.png"), t("match.a_short")), layered("b.png", t("match.b_short")), layered(name("voted.png"), t("match.voted"))];
    const view = makeMatchView({ a, b, others: [voted], field, distance, patch: job.arguments.patch ?? DEFAULT_PATCH, place: patchPlace });
    shown.replaceChildren(h("div", { class: "sheet" }, [a, b, voted].map((one) => one.element)), view.element);
  }
  range.addEventListener("input", () => show().catch((error) => showMessage(error.message)));
  place.replaceChildren(makeFacts(job.result.metrics), h("div", { class: "sheet" }, films),
    h("div", { class: "stage" }, h("h3", {}, t("match.frames")), range, words, shown),
    h("p", { class: "small soft" }, t("match.colors")), makeDownloads(job, ["voted.gif", "field.gif", "distance.gif"]), makeLines(job));
  await show();
}

/** Show the page in `root`. context: {studio, signal}. */
export async function mount(root, context) {
  loadStyle("pictures");
  await new MatchPage(root, context).start();
}
