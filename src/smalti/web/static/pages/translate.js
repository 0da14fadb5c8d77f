// Translate: a text, as it is translated; other translations; which words led to which.

import { addJob, getForm, getJson } from "../shell/api.js";
import { h, loadStyle, makeId, showMessage } from "../shell/dom.js";
import { isOver, jobs } from "../shell/jobs.js";
import { t } from "../shell/strings.js";
import { buildForm, makeModelSelect } from "../components/form.js";
import { makeJobView } from "../components/job-view.js";
import { makeDownloads, makeLines } from "../components/lines.js";

const TASK = "explain_translation";
const SEPARATOR = /\t|\s*[=＝]\s*/;

/** Lines of "term = translation" as an object; throws an Error with the first line that is none. */
function readTerms(text) {
  const terms = {};
  for (const line of text.split("\n").map((one) => one.trim()).filter(Boolean)) {
    const [term, ...rest] = line.split(SEPARATOR);
    if (!term || rest.length !== 1 || !rest[0]) throw new Error(t("translate.bad_term", { line }));
    terms[term] = rest[0];
  }
  return terms;
}

class TranslatePage {
  constructor(root, { signal }) {
    this.signal = signal;
    const ids = [makeId("source"), makeId("glossary")];
    this.source = h("textarea", { id: ids[0], rows: 6, required: true, placeholder: t("translate.example") });
    this.glossary = h("textarea", { id: ids[1], rows: 3, placeholder: t("translate.glossary_example") });
    this.options = h("div", { class: "form" });
    this.models = h("div", { class: "form" });
    this.button = h("button", { class: "primary", type: "submit" }, t("translate.translate"));
    const controls = h("form", { class: "panel controls form", "aria-label": t("translate.settings"), novalidate: true },
      h("div", { class: "field" }, h("label", { for: ids[0] }, t("field.source")), this.source),
      this.models,
      h("div", { class: "field" }, h("label", { for: ids[1] }, t("translate.glossary")), this.glossary, h("p", { class: "help" }, t("translate.glossary_help"))),
      h("details", { class: "more" }, h("summary", {}, t("translate.search")), this.options),
      this.button);
    controls.addEventListener("submit", (event) => { event.preventDefault(); this.translate(); });
    this.source.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) controls.requestSubmit();
    });
    this.stage = h("div", { class: "stage" });
    root.append(h("div", { class: "bench" }, controls, this.stage));
  }

  async start() {
    const models = await getJson("/api/models");
    const names = models.filter((model) => model.abilities.includes("translate")).map((model) => model.name);
    if (!names.length) {
      this.button.disabled = true;
      this.stage.replaceChildren(h("p", { class: "empty" }, t("translate.no_model")));
      return;
    }
    const { element, select } = makeModelSelect(names, names[0]);
    this.modelSelect = select;
    this.models.append(element);
    const { fields } = await getForm(TASK, names[0]);
    this.form = buildForm(fields, { skip: ["model", "source"] });
    this.options.append(this.form.element);
    const last = jobs.list([TASK])[0];
    if (last) this.showJob(last.id);
    else this.stage.replaceChildren(h("p", { class: "empty" }, t("translate.empty")));
  }

  async translate() {
    const source = this.source.value.trim();
    if (!source) { this.source.reportValidity(); return; }
    if (!this.form.isValid()) return;
    this.button.disabled = true;
    try {
      const terms = readTerms(this.glossary.value);
      const values = { source, model: this.modelSelect.value, ...this.form.read() };
      if (Object.keys(terms).length) values.glossary = terms;
      const job = await addJob(TASK, values);
      jobs.take(job);
      this.showJob(job.id);
    } catch (error) {
      showMessage(error.message);
    } finally {
      this.button.disabled = false;
    }
  }

  showJob(id) {
    const before = jobs.byId.get(id).arguments.source;
    const text = h("p", { class: "translation", lang: "zh", "aria-live": "polite" });
    const after = h("div", { class: "stage" });
    let shown = false;
    const view = makeJobView(id, {
      signal: this.signal,
      onUpdate: ({ job }) => {
        if (!isOver(job)) text.textContent = job.progress?.detail ?? "";
        text.classList.toggle("growing", job.state === "running");
        if (job.state !== "done" || shown) return;
        shown = true;
        text.textContent = job.result.translations[0].text;
        this.finish(job, after);
      },
    });
    this.stage.replaceChildren(h("section", { class: "panel stage fade translating", "aria-label": t("translate.result") },
      h("p", { class: "soft source" }, before), text, view.element, after));
  }

  finish(job, after) {
    const { translations, alignments, notices } = job.result;
    const others = translations.slice(1).map((one) =>
      h("li", {}, h("span", { lang: "zh" }, one.text), " ", h("span", { class: "soft small" }, t("translate.score", { score: one.score.toFixed(3) }))));
    after.replaceChildren(...[
      ...notices.map((notice) => h("p", { class: "fault" }, notice)),
      others.length ? h("div", {}, h("h2", {}, t("translate.others")), h("ol", { class: "others", start: 2 }, others)) : null,
      h("div", { class: "stage" }, h("h2", {}, t("translate.attention")), h("p", { class: "soft small" }, t("translate.attention_help")), alignments.map(makeAlignment)),
      makeDownloads(job), makeLines(job),
    ].filter(Boolean));
  }
}

/** Two rows of symbols; pointing at one, or focusing it, shades those of the other row by weight. */
function makeAlignment({ source, target, weights }) {
  const shade = (element, weight) => element.style.setProperty("--weight", weight);
  const describe = (symbol, row, names) => {
    const best = row.indexOf(Math.max(...row));
    return t("translate.led", { symbol, other: names[best], share: Math.round(100 * row[best]) });
  };
  const columns = source.map((_, k) => weights.map((row) => row[k]));
  const make = (symbol, row, names) => h("button", { type: "button", class: "symbol", "aria-label": describe(symbol, row, names) }, symbol);
  const above = source.map((symbol, k) => make(symbol, columns[k], target));
  const below = target.map((symbol, i) => make(symbol, weights[i], source));
  const link = (elements, others, rows) => elements.forEach((element, k) => {
    const largest = Math.max(...rows[k], 1e-9);
    const point = () => { others.forEach((other, j) => shade(other, rows[k][j] / largest)); element.classList.add("chosen"); };
    const leave = () => { others.forEach((other) => shade(other, 0)); element.classList.remove("chosen"); };
    for (const name of ["pointerenter", "focus"]) element.addEventListener(name, point);
    for (const name of ["pointerleave", "blur"]) element.addEventListener(name, leave);
  });
  link(above, below, columns);
  link(below, above, weights);
  return h("div", { class: "alignment" },
    h("div", { class: "symbols" }, above), h("div", { class: "symbols", lang: "zh" }, below),
    h("details", { class: "more" }, h("summary", {}, t("translate.map")), makeMap(source, target, weights)));
}

/** All weights as a table: a row for each symbol of the translation. */
function makeMap(source, target, weights) {
  const head = h("tr", {}, h("td"), source.map((symbol) => h("th", { scope: "col" }, h("span", {}, symbol))));
  const rows = target.map((symbol, i) => h("tr", {}, h("th", { scope: "row", lang: "zh" }, symbol),
    weights[i].map((weight) => {
      const cell = h("td", { title: `${Math.round(100 * weight)}%` });
      cell.style.setProperty("--weight", weight);
      return cell;
    })));
  return h("div", { class: "map", tabindex: 0, role: "group", "aria-label": t("translate.map") }, h("table", {}, h("tbody", {}, head, rows)));
}

/** Show the page. */
export async function mount(root, options) {
  loadStyle("translate");
  await new TranslatePage(root, options).start();
}
