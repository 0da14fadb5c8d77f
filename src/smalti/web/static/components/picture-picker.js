// A drop zone, and beside it pictures that were drawn here, for those who have none at hand.

import { fileUrl } from "../shell/api.js";
import { h, showMessage } from "../shell/dom.js";
import { jobs } from "../shell/jobs.js";
import { t } from "../shell/strings.js";
import { makeDropZone } from "./drop-zone.js";

const SHOWN = 12;

/** Fetch a file of a result as a File. */
export async function fetchResult(job, name) {
  const response = await fetch(fileUrl(job, name));
  if (!response.ok) throw new Error(t("picker.gone"));
  const blob = await response.blob();
  return new File([blob], `${job.task}-${name}`, { type: blob.type });
}

/** The pictures of the latest drawings: [[job, picture], ...]. */
function listDrawn() {
  const done = jobs.list(["draw_samples"]).filter((job) => job.state === "done");
  return done.flatMap((job) => job.result.pictures.slice(0, 4).map((picture) => [job, picture])).slice(0, SHOWN);
}

/**
 * Make a picker: {element, uploads, clear, take}, as makeDropZone.
 * title: its words. signal: the page's. The other options are the drop zone's.
 */
export function makePicturePicker({ title, signal, ...options }) {
  const zone = makeDropZone({ label: title, ...options });
  const strip = h("div", { class: "drawn" });
  const element = h("fieldset", { class: "field picker" }, h("legend", {}, title), zone.element, strip);
  function show() {
    const drawn = listDrawn();
    strip.hidden = drawn.length === 0;
    strip.replaceChildren(h("p", { class: "help" }, t("picker.drawn")), h("div", { class: "row" }, drawn.map(([job, picture]) => {
      const words = t("picker.take", { model: job.arguments.model, seed: picture.seed });
      const button = h("button", { type: "button", class: "quiet", title: words, "aria-label": words }, h("img", { src: fileUrl(job, picture.file), alt: "" }));
      button.addEventListener("click", () => fetchResult(job, picture.file).then((file) => zone.take([file])).catch((error) => showMessage(error.message)));
      return button;
    })));
  }
  jobs.addEventListener("list", show, { signal });
  show();
  return { ...zone, element };
}
