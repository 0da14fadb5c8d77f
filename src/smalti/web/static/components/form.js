// Forms from the server's schema: the fields of a task for a model, with the model's defaults.

import { h, makeId } from "../shell/dom.js";
import { t, tOr } from "../shell/strings.js";
import { makeDropZone } from "./drop-zone.js";

const LARGEST = Number.MAX_SAFE_INTEGER;

/** A field's words: from the table, else the server's English ones. */
function label(field) {
  return tOr(`field.${field.name}`, (field.label ?? field.name.split(".").pop()).replaceAll("_", " "));
}
function help(field) {
  return tOr(`help.${field.name}`, field.help ?? "");
}

/** Wrap a control with its label and help. */
function wrap(field, control, { group = false } = {}) {
  const id = makeId("field");
  const helpId = `${id}-help`;
  const words = help(field);
  const line = words ? h("p", { class: "help", id: helpId }, words) : null;
  const target = control.matches?.("input, select, textarea") ? control : control.querySelector("input, select, textarea");
  if (!group && target) {
    target.id = id;
    if (line) target.setAttribute("aria-describedby", helpId);
    return h("div", { class: "field", "data-field": field.name }, h("label", { for: id }, label(field)), control, line);
  }
  return h("fieldset", { class: "field", "data-field": field.name, "aria-describedby": line ? helpId : null },
    h("legend", {}, label(field)), control, line);
}

/** What stands in an empty number: the default that its help names, else the model's. */
function findDefault(field) {
  return field.help?.match(/\(default: (\d[\d.]*)/)?.[1] ?? t("form.models_own");
}

function makeNumber(field) {
  const input = h("input", {
    type: "number", min: field.excludes_low ? null : field.low, max: field.high ?? LARGEST,
    step: field.kind === "integer" ? 1 : "any",
    value: field.default ?? "", placeholder: field.default === null ? findDefault(field) : "",
    required: field.default !== null && field.default !== undefined,
  });
  const read = () => {
    if (input.value === "" || !input.checkValidity()) return undefined;
    return input.valueAsNumber === field.default ? undefined : input.valueAsNumber;
  };
  let control = input;
  if (field.name === "seed") {
    const dice = h("button", { type: "button", title: t("form.random_seed"), "aria-label": t("form.random_seed") }, "⚄");
    dice.addEventListener("click", () => { input.value = Math.floor(Math.random() * 1e6); input.dispatchEvent(new Event("change", { bubbles: true })); });
    control = h("div", { class: "beside" }, input, dice);
  }
  return { element: wrap(field, control), read, write: (value) => { input.value = value ?? field.default ?? ""; } };
}

function makeSwitch(field) {
  const id = makeId("switch");
  const input = h("input", { type: "checkbox", id });
  input.checked = Boolean(field.default);
  const element = h("div", { class: "field switch", "data-field": field.name },
    input, h("label", { for: id }, label(field)), help(field) ? h("p", { class: "help" }, help(field)) : null);
  return { element, read: () => (input.checked === Boolean(field.default) ? undefined : input.checked), write: (v) => { input.checked = v ?? Boolean(field.default); } };
}

function makeChoice(field) {
  const own = field.default === null || field.default === undefined;
  const select = h("select", {}, own ? h("option", { value: "" }, field.auto ?? t("form.models_own")) : null,
    field.choices.map((choice) => h("option", { value: choice }, tOr(`choice.${choice}`, String(choice)))));
  if (!own) select.value = field.default;
  return { element: wrap(field, select), read: () => (select.value === "" || select.value === String(field.default) ? undefined : field.choices.find((c) => String(c) === select.value)), write: (v) => { select.value = v ?? field.default ?? ""; } };
}

function makeText(field) {
  const input = h("input", { type: "text", value: field.default ?? "" });
  return { element: wrap(field, input), read: () => (input.value && input.value !== field.default ? input.value : undefined), write: (v) => { input.value = v ?? field.default ?? ""; } };
}

function makeTexts(field) {
  const area = h("textarea", { rows: 2, placeholder: t("form.one_per_line") });
  return {
    element: wrap(field, area),
    read: () => { const lines = area.value.split("\n").map((line) => line.trim()).filter(Boolean); return lines.length ? lines : undefined; },
    write: (v) => { area.value = [v ?? []].flat().join("\n"); },
  };
}

function makeClasses(field) {
  const chosen = new Set();
  const values = [...field.choices, ...(field.allows_none ? ["none"] : [])];
  const buttons = values.map((value) => {
    const words = value === "none" && !field.choices.includes("none") ? t("form.no_class") : tOr(`class.${value}`, value);
    const button = h("button", { type: "button", "aria-pressed": "false" }, words);
    button.addEventListener("click", () => {
      if (!chosen.delete(value)) chosen.add(value);
      button.setAttribute("aria-pressed", String(chosen.has(value)));
      button.dispatchEvent(new Event("change", { bubbles: true }));
    });
    return [value, button];
  });
  const show = () => buttons.forEach(([value, button]) => button.setAttribute("aria-pressed", String(chosen.has(value))));
  return {
    element: wrap(field, h("div", { class: "chips" }, buttons.map(([, button]) => button)), { group: true }),
    read: () => (chosen.size ? values.filter((value) => chosen.has(value)) : undefined),
    write: (v) => { chosen.clear(); [v ?? []].flat().forEach((one) => chosen.add(String(one))); show(); },
  };
}

function makeSize(field) {
  const [height, width] = field.default ?? [64, 64];
  const one = (value, name) => h("input", { type: "number", min: 4, max: 4096, value, required: true, "aria-label": name });
  const inputs = [one(height, t("form.height")), one(width, t("form.width"))];
  return {
    element: wrap(field, h("div", { class: "beside two" }, inputs[0], h("span", { "aria-hidden": "true" }, "×"), inputs[1]), { group: true }),
    read: () => { const now = inputs.map((input) => input.valueAsNumber); return now[0] === height && now[1] === width ? undefined : now; },
    write: (v) => { [inputs[0].value, inputs[1].value] = v ?? [height, width]; },
  };
}

function makePicture(field) {
  const zone = makeDropZone({ multiple: field.multiple, label: label(field) });
  return {
    element: wrap(field, zone.element, { group: true }),
    read: () => { const found = zone.uploads.map(({ upload }) => ({ upload })); return found.length ? (field.multiple ? found : found[0]) : undefined; },
    write: () => zone.clear(),
  };
}

/** A sampler: its name, and the options of the one that is chosen. */
function makeSampler(field) {
  const forms = field.variants.map((variant) => ({ ...variant, form: buildForm(variant.fields) }));
  const select = h("select", {}, forms.map(({ tag }) => h("option", { value: tag }, tOr(`sampler.${tag}`, tag))));
  const show = () => forms.forEach(({ tag, form }) => { form.element.hidden = tag !== select.value; });
  select.addEventListener("change", show);
  show();
  const element = h("details", { class: "more", "data-field": field.name }, h("summary", {}, t("form.sampler")),
    h("div", { class: "form" }, wrap({ name: "sampler", help: field.help }, select), forms.map(({ form }) => form.element)));
  return {
    element,
    read: () => {
      const { tag, form, fields, explicit } = forms.find((one) => one.tag === select.value);
      const own = fields.filter((one) => one.default !== null).map((one) => [one.name, one.default]);
      const changes = { ...(explicit ? Object.fromEntries(own) : {}), ...form.read() };
      if (tag !== forms[0].tag) changes.sampler = tag;
      return Object.keys(changes).length ? changes : undefined;
    },
    write: (v) => {
      select.value = v?.sampler ?? forms[0].tag;
      show();
      forms.find((one) => one.tag === select.value)?.form.write(v ?? {});
    },
  };
}

const MAKERS = {
  integer: makeNumber, number: makeNumber, switch: makeSwitch, choice: makeChoice, text: makeText, texts: makeTexts,
  classes: makeClasses, size: makeSize, picture: makePicture, sampler: makeSampler,
};

/**
 * Build a form of fields, in their order.
 * skip: names of fields that the page shows itself, such as the model.
 * Returns {element, read, write, isValid, controls}: read() gives what differs from the defaults.
 */
export function buildForm(fields, { skip = [] } = {}) {
  const controls = new Map();
  for (const field of fields) {
    if (skip.includes(field.name) || !MAKERS[field.kind]) continue;
    controls.set(field.name, MAKERS[field.kind](field));
  }
  const element = h("div", { class: "form" }, [...controls.values()].map((control) => control.element));
  return {
    element,
    controls,
    read() {
      const values = {};
      for (const [name, control] of controls) {
        const value = control.read();
        if (value === undefined) continue;
        const [outer, inner] = name.startsWith("conditions.") ? name.split(".") : [name];
        if (inner) values[outer] = { ...values[outer], [inner]: value };
        else values[outer] = value;
      }
      return values;
    },
    write(values) {
      for (const [name, control] of controls) {
        const [outer, inner] = name.startsWith("conditions.") ? name.split(".") : [name];
        control.write(inner ? values[outer]?.[inner] : values[outer]);
      }
    },
    /** Whether all numbers are in their ranges; the browser shows the first that is not. */
    isValid() {
      const inputs = [...element.querySelectorAll("input, select, textarea")].filter((input) => !input.closest("[hidden]"));
      const wrong = inputs.find((input) => !input.checkValidity());
      if (!wrong) return true;
      for (let outer = wrong.closest("details"); outer; outer = outer.parentElement.closest("details")) outer.open = true;
      wrong.reportValidity();
      return false;
    },
  };
}

/** A select of models with its label: {element, select}. */
export function makeModelSelect(models, chosen) {
  const id = makeId("model");
  const select = h("select", { id }, models.map((name) => h("option", { value: name, selected: name === chosen }, name)));
  return { element: h("div", { class: "field", "data-field": "model" }, h("label", { for: id }, t("field.model")), select), select };
}
