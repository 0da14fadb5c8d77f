// A folder of pictures, or a zip of one, uploaded; and those that were uploaded before.

import { getJson, uploadArchive } from "../shell/api.js";
import { h } from "../shell/dom.js";
import { formatBytes, t } from "../shell/strings.js";
import { makeZip } from "../shell/zip.js";

const MOST_FILES = 65_000; // of a zip with 16-bit counts

/**
 * Make a folder zone. bytes: the largest upload that the server takes.
 * Returns {element, read}: read() gives {upload: id}, or undefined while there is none.
 */
export function makeFolderZone({ bytes, label }) {
  const folder = h("input", { type: "file", webkitdirectory: true, multiple: true, class: "hidden-words", "aria-label": t("folder.choose"), tabindex: -1 });
  const zip = h("input", { type: "file", accept: ".zip,application/zip", class: "hidden-words", "aria-label": t("folder.zip"), tabindex: -1 });
  const line = h("p", { class: "small", role: "status" }, t("folder.hint", { most: formatBytes(bytes) }));
  const select = h("select", { "aria-label": t("folder.uploaded"), hidden: true });
  const element = h("fieldset", { class: "field", "data-field": "data" }, h("legend", {}, label),
    h("div", { class: "drop" }, h("div", { class: "row" },
      h("button", { type: "button", onclick: () => folder.click() }, t("folder.choose")),
      h("button", { type: "button", onclick: () => zip.click() }, t("folder.zip"))), line, folder, zip), select);

  async function list(chosen) {
    const found = (await getJson("/api/archives")).reverse();
    select.hidden = found.length === 0;
    select.replaceChildren(...found.map((one) =>
      h("option", { value: one.upload, selected: one.upload === chosen }, `${one.name} · ${formatBytes(one.bytes)}`)));
  }
  async function send(content, name) {
    line.classList.remove("fault");
    try {
      if (content.size > bytes) throw new Error(t("folder.too_large", { size: formatBytes(content.size), most: formatBytes(bytes) }));
      line.textContent = t("drop.sending", { name });
      const { upload } = await uploadArchive(content, name);
      await list(upload);
      line.textContent = t("folder.sent", { name });
    } catch (error) {
      line.textContent = error.message;
      line.classList.add("fault");
    }
  }
  folder.addEventListener("change", async () => {
    const files = [...folder.files].filter((file) => !file.webkitRelativePath.split("/").some((part) => part.startsWith(".")));
    folder.value = "";
    if (!files.length || files.length > MOST_FILES) return;
    line.textContent = t("folder.packing", { n: files.length });
    const entries = files.map((file) => ({ name: file.webkitRelativePath, file }));
    await send(await makeZip(entries), entries[0].name.split("/")[0]);
  });
  zip.addEventListener("change", () => { const [file] = zip.files; zip.value = ""; if (file) send(file, file.name); });
  list().catch(() => {});
  return { element, read: () => (select.value ? { upload: select.value } : undefined) };
}
