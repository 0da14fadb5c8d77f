// Compress: a picture in, the bits of each pixel as a heat map, sizes beside PNG and WebP.

import { addJob, fileUrl, getForm, getJson } from "../shell/api.js";
import { h, loadStyle, showMessage } from "../shell/dom.js";
import { jobs } from "../shell/jobs.js";
import { formatBytes, t, tOr } from "../shell/strings.js";
import { buildForm, makeModelSelect } from "../components/form.js";
import { makeJobView } from "../components/job-view.js";
import { makeDownloads, makeLines } from "../components/lines.js";

const FORMATS = ["pixels", "png", "webp", "smalti"];

/** Sizes as bars, each with its number of bytes and bits a level. */
function makeSizes({ bytes }) {
  const largest = Math.max(...Object.values(bytes));
  return h("dl", { class: "sizes" }, FORMATS.flatMap((name) => {
    const bar = h("span", { class: `bar ${name}` });
    bar.style.setProperty("--share", `${(100 * bytes[name]) / largest}%`);
    const each = ((8 * bytes[name]) / bytes.pixels).toFixed(2);
    return [h("dt", {}, t(`compress.${name}`)),
      h("dd", {}, bar, h("span", {}, `${formatBytes(bytes[name])} · ${t("compress.bits_each", { bits: each })}`))];
  }));
}

/** The picture and the heat map; a pixel under the pointer or the cross of the keyboard is read out. */
function makeMaps(job) {
  const { bits, brightest } = job.result;
  const [H, W] = [bits.length, bits[0].length];
  const at = [0, 0];
  const words = h("p", { class: "reading", role: "status" }, t("compress.point"));
  const marks = [0, 1].map(() => h("span", { class: "mark", hidden: true }));
  function show(row, column) {
    [at[0], at[1]] = [Math.min(H - 1, Math.max(0, row)), Math.min(W - 1, Math.max(0, column))];
    words.textContent = t("compress.pixel", { row: at[0] + 1, column: at[1] + 1, bits: bits[at[0]][at[1]].toFixed(2) });
    for (const mark of marks) {
      mark.hidden = false;
      mark.style.setProperty("left", `${(100 * at[1]) / W}%`);
      mark.style.setProperty("top", `${(100 * at[0]) / H}%`);
      mark.style.setProperty("width", `${100 / W}%`);
      mark.style.setProperty("height", `${100 / H}%`);
    }
  }
  const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
  const figures = [["picture.png", t("compress.picture")], ["bits.png", t("compress.heat")]].map(([file, name], k) => {
    const image = h("img", { class: "pixels", src: fileUrl(job, file), alt: name });
    const frame = h("div", { class: "map", tabindex: 0, role: "group", "aria-label": `${name}. ${t("compress.keys")}` }, image, marks[k]);
    frame.addEventListener("pointermove", (event) => {
      const box = image.getBoundingClientRect();
      show(Math.floor(((event.clientY - box.top) / box.height) * H), Math.floor(((event.clientX - box.left) / box.width) * W));
    });
    frame.addEventListener("keydown", (event) => {
      if (!(event.key in moves)) return;
      event.preventDefault();
      show(at[0] + moves[event.key][0], at[1] + moves[event.key][1]);
    });
    return h("figure", {}, frame, h("figcaption", {}, name));
  });
  const scale = h("div", { class: "scale" }, h("span", {}, "0"), h("span", { class: "ramp" }), h("span", {}, t("compress.bits", { bits: brightest })));
  return h("div", { class: "stage" }, h("div", { class: "maps" }, figures), scale, words);
}

/** Show the page in `root`. context: {signal}. */
export async function mount(root, { signal }) {
  loadStyle("compress");
  const controls = h("form", { class: "panel controls form", "aria-label": t("draw.settings"), novalidate: true });
  const stage = h("div", { class: "stage" }, h("div", { class: "empty" }, h("p", {}, t("compress.empty"))));
  root.append(h("div", { class: "bench" }, controls, stage));
  const models = new Map((await getJson("/api/models")).map((model) => [model.name, model]));
  const names = [...models.values()].filter((model) => model.abilities.includes("walk")).map((model) => model.name);
  const { element, select } = makeModelSelect(names);
  const about = h("p", { class: "help" });
  element.append(about);
  const button = h("button", { class: "primary", type: "submit" }, t("compress.run"));
  const upload = h("div");
  const options = h("div");
  controls.append(element, upload, options, button);
  let picture;
  let form;

  async function showForm() {
    const name = select.value;
    const { fields } = await getForm("measure_bits", name);
    if (select.value !== name) return;
    about.textContent = models.get(name).summary;
    const classes = models.get(name).conditions.find((one) => one.name === "class");
    const own = fields.filter((field) => field.name === "label" && classes)
      .map((field) => ({ ...field, kind: "choice", choices: classes.values, default: null, auto: t("compress.fewest") }));
    form = buildForm(own);
    options.replaceChildren(form.element);
    if (picture) return; // it stays when the model changes
    picture = buildForm(fields.filter((field) => field.name === "picture"));
    upload.replaceChildren(picture.element);
  }

  function showJob(id) {
    const after = h("div", { class: "stage" });
    const view = makeJobView(id, {
      signal,
      onUpdate: ({ job }) => {
        if (job.state !== "done" || after.childElementCount) return;
        const name = job.result.class;
        after.append(makeMaps(job), h("h3", {}, t("compress.sizes")), makeSizes(job.result),
          h("p", { class: "soft small" }, t("compress.note")),
          name === null ? "" : h("p", { class: "small" }, t("grid.class", { name: tOr(`class.${name}`, name) })),
          makeDownloads(job, ["bits.png", "picture.smalti"]), makeLines(job));
      },
    });
    stage.replaceChildren(h("section", { class: "panel stage fade", "aria-label": t("draw.result") }, view.element, after));
    stage.scrollIntoView({ block: "nearest" });
  }

  controls.addEventListener("submit", async (event) => {
    event.preventDefault();
    button.disabled = true;
    try {
      const job = await addJob("measure_bits", { model: select.value, ...picture.read(), ...form.read() });
      jobs.take(job);
      showJob(job.id);
    } catch (error) {
      showMessage(error.message);
    } finally {
      button.disabled = false;
    }
  });
  select.addEventListener("change", showForm);
  await showForm();
  const latest = jobs.list(["measure_bits"])[0];
  if (latest) showJob(latest.id);
}
