// What gives the same on the command line and in Python, and the files to keep.

import { fileUrl } from "../shell/api.js";
import { h, showMessage } from "../shell/dom.js";
import { formatBytes, t } from "../shell/strings.js";

function makeBlock(title, text) {
  const copy = h("button", { type: "button", class: "quiet" }, t("lines.copy"));
  copy.addEventListener("click", async () => {
    try {
      await navigator.clipboard.writeText(text);
      showMessage(t("lines.copied"), 2);
    } catch {
      const range = document.createRange();
      range.selectNodeContents(block);
      getSelection().removeAllRanges();
      getSelection().addRange(range); // no permission: it is selected for the keyboard
    }
  });
  const block = h("pre", { tabindex: 0, "aria-label": title }, text);
  return h("div", { class: "one" }, h("div", { class: "row spread" }, h("h3", {}, title), copy), block);
}

/** The lines of a job that is done, folded away. */
export function makeLines(job) {
  const { command, python } = job.lines ?? {};
  if (!command && !python) return h("div");
  return h("details", { class: "lines" }, h("summary", {}, t("lines.title")),
    command ? makeBlock(t("lines.command"), command) : null, python ? makeBlock(t("lines.python"), python) : null);
}

/** Links to the files of a job that is done. names: those to name one by one; all are in a zip. */
export function makeDownloads(job, names = (job.files ?? []).map((file) => file.name)) {
  const shown = (job.files ?? []).filter((file) => names.includes(file.name));
  const links = shown.map((file) =>
    h("a", { class: "button", href: fileUrl(job, file.name, true), download: true }, `${file.name} · ${formatBytes(file.bytes)}`));
  const all = h("a", { class: "button", href: `/api/jobs/${job.id}/files.zip`, download: true }, t("lines.zip"));
  return h("div", { class: "row downloads" }, links, all);
}
