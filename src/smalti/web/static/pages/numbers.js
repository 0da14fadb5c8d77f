// Numbers: every model with its picture and what was measured of it; any of them is evaluated here.

import { addJob, fileUrl, getForm, getJson } from "../shell/api.js";
import { h, loadStyle, makeId, showMessage } from "../shell/dom.js";
import { isOver, jobs } from "../shell/jobs.js";
import { formatBytes, t, tOr } from "../shell/strings.js";
import { buildForm } from "../components/form.js";
import { makeJobView } from "../components/job-view.js";
import { makeDownloads, makeLines } from "../components/lines.js";

const ORDERS = { name: "name", family: "family", parameters: "parameters", bytes: "bytes" };
const NOTHING = "–";

/** What a figure is called. */
function nameFigure(key) {
  return tOr(`figure.${key}`, key.replaceAll("_", " "));
}

/** What a family of models is called. */
function nameFamily(family) {
  return tOr(`family.${family}`, family);
}

/** A figure as the card says it; of a share of a whole, as percent. */
function writeFigure(value) {
  return typeof value === "number" ? String(value) : value;
}

/** The number in a figure such as "1.063 ± 0.008 of the 1,000 test digits". */
function readNumber(value) {
  const found = String(value ?? "").match(/-?\d[\d,]*\.?\d*/);
  return found ? Number(found[0].replaceAll(",", "")) : NaN;
}

/** A number of weights as one reads it. */
function countWeights(n) {
  return n < 1e4 ? n.toLocaleString("en") : `${(n / 1e6).toFixed(2)} M`;
}

class NumbersPage {
  constructor(root, { signal }) {
    this.signal = signal;
    this.family = "";
    this.key = "family";
    this.down = false;
    this.open = new Map(); // details by model, which stay when the table is sorted
    this.bar = h("div", { class: "bar" });
    this.table = h("div", { class: "panel models" }, h("p", { class: "soft", role: "status" }, t("job.starting")));
    root.append(h("div", { class: "numbers" }, this.bar, this.table));
  }

  async start() {
    this.models = await getJson("/api/models");
    this.showBar();
    this.showTable();
    jobs.addEventListener("list", () => this.showTable(), { signal: this.signal });
  }

  showBar() {
    const families = [...new Set(this.models.map((model) => model.family))].sort();
    const chips = ["", ...families].map((family) => {
      const button = h("button", { type: "button", "aria-pressed": String(family === this.family) }, family ? nameFamily(family) : t("numbers.all"));
      button.addEventListener("click", () => {
        this.family = family;
        chips.forEach((one) => one.setAttribute("aria-pressed", String(one === button)));
        this.showTable();
      });
      return button;
    });
    const counts = new Map();
    for (const model of this.models) for (const key of Object.keys(model.figures)) counts.set(key, (counts.get(key) ?? 0) + 1);
    const shared = [...counts].filter(([, count]) => count > 1).map(([key]) => key);
    const id = makeId("order");
    const select = h("select", { id },
      [...Object.keys(ORDERS).map((key) => [key, t(`numbers.${key}`)]), ...shared.map((key) => [`figure.${key}`, nameFigure(key)])]
        .map(([value, words]) => h("option", { value, selected: value === this.key }, words)));
    select.addEventListener("change", () => { this.key = select.value; this.showTable(); });
    const turn = h("button", { type: "button", "aria-label": t("numbers.turn"), title: t("numbers.turn") }, "↑");
    turn.addEventListener("click", () => {
      this.down = !this.down;
      turn.textContent = this.down ? "↓" : "↑";
      this.showTable();
    });
    this.bar.replaceChildren(
      h("div", { class: "chips", role: "group", "aria-label": t("numbers.filter") }, chips),
      h("div", { class: "order" }, h("div", { class: "field" }, h("label", { for: id }, t("numbers.sort")), select), turn));
  }

  /** The models of the chosen family in order; those that lack the figure come last. */
  sortModels() {
    const chosen = this.models.filter((model) => !this.family || model.family === this.family);
    const figure = this.key.startsWith("figure.") ? this.key.slice(7) : "";
    const plain = (model) => (this.key === "family" ? `${model.has_picture ? 0 : 1} ${model.family}` : model[this.key]);
    const value = (model) => (figure ? readNumber(model.figures[figure]) : plain(model));
    const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b) : a - b);
    const known = chosen.filter((model) => !Number.isNaN(value(model)));
    known.sort((a, b) => compare(value(a), value(b)) || a.name.localeCompare(b.name));
    if (this.down) known.reverse();
    return [...known, ...chosen.filter((model) => Number.isNaN(value(model)))];
  }

  showTable() {
    if (this.table.contains(document.activeElement) && document.activeElement.matches("input")) return; // somebody writes
    const focused = document.activeElement?.dataset?.model;
    const head = ["picture", "name", "figures", "size"].map((key) => h("th", { scope: "col" }, t(`numbers.${key}`)));
    const rows = this.sortModels().flatMap((model) => this.makeRows(model));
    this.table.replaceChildren(h("table", {}, h("caption", { class: "hidden-words" }, t("numbers.title")),
      h("thead", {}, h("tr", {}, head, h("th", { scope: "col" }, h("span", { class: "hidden-words" }, t("numbers.evaluate"))))), h("tbody", {}, rows)));
    if (focused) this.table.querySelector(`button[data-model="${CSS.escape(focused)}"]`)?.focus();
  }

  makeRows(model) {
    const image = model.has_picture ? h("img", { src: `/api/models/${encodeURI(model.name)}/picture`, alt: t(`numbers.alt_${model.output ?? "none"}`, { name: model.name }) }) : h("span", { class: "soft" }, t("numbers.no_picture"));
    const figures = Object.entries(model.figures).map(([key, value]) => h("div", {}, h("dt", {}, nameFigure(key)), h("dd", {}, writeFigure(value))));
    const isOpen = this.open.has(model.name);
    const button = h("button", { type: "button", "data-model": model.name, "aria-expanded": String(isOpen) },
      t(isOpen ? "numbers.close" : "numbers.evaluate"));
    button.addEventListener("click", () => this.toggle(model));
    const row = h("tr", { "data-row": model.name },
      h("td", { class: "shown" }, image),
      h("td", {}, h("div", { class: "about" }, h("span", { class: "name" }, model.name),
        h("span", { class: "small soft" }, [model.is_run ? t("numbers.run") : "", nameFamily(model.family), model.summary].filter(Boolean).join(" · ")))),
      h("td", {}, figures.length ? h("dl", { class: "figures" }, figures) : h("span", { class: "soft" }, NOTHING), this.makeOwn(model)),
      h("td", { class: "amount small" }, t("numbers.weights", { n: countWeights(model.parameters) }), h("br"), formatBytes(model.bytes)),
      h("td", { class: "act" }, model.metrics?.length ? button : ""));
    return isOpen ? [row, h("tr", { class: "detail" }, h("td", { colspan: 5 }, this.open.get(model.name)))] : [row];
  }

  /** The newest evaluation of a model by this client. */
  findEvaluation(model) {
    return jobs.list(["evaluate"]).find((job) => job.arguments.model === model.name && job.state === "done");
  }

  /** What this client measured, in short. */
  makeOwn(model) {
    const job = this.findEvaluation(model);
    if (!job) return "";
    const rows = job.result.rows.filter((row) => row.value !== "-").slice(0, 4);
    return h("details", { class: "lines" }, h("summary", { class: "small" }, t("numbers.measured_here")),
      h("dl", { class: "figures" }, rows.map((row) => h("div", {}, h("dt", {}, row.name), h("dd", {}, row.value)))));
  }

  async toggle(model) {
    if (this.open.delete(model.name)) return this.showTable();
    const stage = h("div", { class: "stage" });
    this.open.set(model.name, stage);
    this.showTable();
    try {
      await this.fill(model, stage);
    } catch (error) {
      stage.replaceChildren(h("p", { class: "fault", role: "alert" }, error.message));
    }
  }

  /** The options of an evaluation, and its last one. */
  async fill(model, stage) {
    const { fields } = await getForm("evaluate", model.name);
    const draws = model.output === "picture";
    const form = buildForm(fields.filter((field) => ["n", "seed"].includes(field.name) && draws));
    const chosen = new Set(model.metrics);
    const chips = model.metrics.map((name) => {
      const button = h("button", { type: "button", "aria-pressed": "true" }, name);
      button.addEventListener("click", () => {
        if (!chosen.delete(name)) chosen.add(name);
        button.setAttribute("aria-pressed", String(chosen.has(name)));
      });
      return button;
    });
    const place = h("div", { class: "stage" });
    const run = h("button", { type: "button", class: "primary" }, t("numbers.run_it"));
    run.addEventListener("click", async () => {
      if (!form.isValid()) return;
      const values = { model: model.name, ...form.read() };
      if (chosen.size < model.metrics.length) values.metrics = model.metrics.filter((name) => chosen.has(name));
      try {
        const job = await addJob("evaluate", values);
        jobs.take(job);
        this.showJob(job.id, place);
      } catch (error) {
        showMessage(error.message);
      }
    });
    stage.replaceChildren(h("p", { class: "soft" }, t("numbers.how")),
      h("div", { class: "options" }, form.controls.size ? form.element : null,
        h("fieldset", { class: "field" }, h("legend", {}, t("numbers.metrics")), h("div", { class: "chips" }, chips))),
      h("div", { class: "row" }, run), place);
    const latest = jobs.list(["evaluate"]).find((job) => job.arguments.model === model.name);
    if (latest && (!isOver(latest) || latest.state === "done")) this.showJob(latest.id, place);
  }

  showJob(id, place) {
    const after = h("div", { class: "stage" });
    const view = makeJobView(id, {
      signal: this.signal,
      onUpdate: ({ job }) => {
        if (job.state === "done" && !after.childElementCount) after.append(...makeResult(job));
      },
    });
    place.replaceChildren(view.element, after);
  }
}

/** A report: its rows, pictures, and the command line that gives it. */
function makeResult(job) {
  const { rows, notes } = job.result;
  const hasReal = rows.some((row) => row.real);
  const head = ["metric", "value", ...(hasReal ? ["real"] : []), "words"].map((key) => h("th", { scope: "col" }, t(`numbers.${key}`)));
  const table = h("table", {}, h("thead", {}, h("tr", {}, head)),
    h("tbody", {}, rows.map((row) => h("tr", {}, h("td", {}, row.name), h("td", {}, [row.value, row.unit].filter(Boolean).join(" ")),
      hasReal ? h("td", {}, row.real) : null, h("td", { class: "soft" }, row.words)))));
  const sheets = job.files.filter((file) => file.name.endsWith(".png")).map((file) => {
    const words = tOr(`numbers.sheet_${file.name.replace(".png", "")}`, file.name);
    return h("figure", {}, h("figcaption", {}, words), h("img", { src: fileUrl(job, file.name), alt: words }));
  });
  return [h("div", { class: "measured", tabindex: 0, role: "region", "aria-label": t("numbers.figures") }, table),
    ...notes.map((note) => h("p", { class: "small soft" }, note)), h("div", { class: "sheets" }, sheets),
    makeDownloads(job, ["report.json"]), makeLines(job)];
}

/** Show the page in `root`. context: {signal}. */
export async function mount(root, context) {
  loadStyle("pictures");
  loadStyle("numbers");
  await new NumbersPage(root, context).start();
}
