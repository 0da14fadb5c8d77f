// Pictures from a file dialog, dropped, or pasted; uploaded at once.

import { uploadFile } from "../shell/api.js";
import { h } from "../shell/dom.js";
import { t } from "../shell/strings.js";

/**
 * Make a drop zone.
 * multiple: whether it keeps several files. onChange: called with the list of uploads.
 * accept: types of the file dialog. kind: "picture", or "file" for what is not decoded on arrival.
 * Returns {element, uploads, clear}; an upload is {upload, name, height, width, url, file}.
 */
export function makeDropZone({ multiple = false, onChange = () => {}, accept = "image/*", kind = "picture", label = "" } = {}) {
  const uploads = [];
  const input = h("input", { type: "file", accept, multiple, class: "hidden-words", "aria-label": label || t("drop.choose"), tabindex: -1 });
  const button = h("button", { type: "button" }, t("drop.choose"));
  const clearButton = h("button", { type: "button", class: "quiet", hidden: true }, t("drop.clear"));
  const thumbs = h("div", { class: "thumbs" });
  const line = h("p", { class: "small", role: "status" }, t("drop.hint"));
  const element = h("div", { class: "drop" }, thumbs, h("div", { class: "row" }, button, clearButton), line, input);

  function show() {
    thumbs.replaceChildren(...uploads.map((one) =>
      kind === "picture" ? h("img", { src: one.url, alt: one.name }) : h("span", {}, one.name)));
    clearButton.hidden = uploads.length === 0;
  }
  function clear() {
    uploads.splice(0).forEach((one) => URL.revokeObjectURL(one.url));
    line.textContent = t("drop.hint");
    show();
    onChange(uploads);
  }
  async function take(files) {
    for (const file of multiple ? files : files.slice(0, 1)) {
      line.textContent = t("drop.sending", { name: file.name ?? "" });
      try {
        const upload = await uploadFile(file, file.name ?? "pasted.png", kind);
        if (!multiple) uploads.splice(0).forEach((one) => URL.revokeObjectURL(one.url));
        uploads.push({ ...upload, url: URL.createObjectURL(file), file });
        line.textContent = upload.width ? `${upload.name}, ${upload.width} × ${upload.height}` : upload.name;
        line.classList.remove("fault");
      } catch (error) {
        line.textContent = error.message;
        line.classList.add("fault");
        return;
      }
    }
    show();
    onChange(uploads);
  }

  button.addEventListener("click", () => input.click());
  clearButton.addEventListener("click", clear);
  input.addEventListener("change", () => { take([...input.files]); input.value = ""; });
  element.addEventListener("dragover", (event) => { event.preventDefault(); element.classList.add("over"); });
  element.addEventListener("dragleave", () => element.classList.remove("over"));
  element.addEventListener("drop", (event) => {
    event.preventDefault();
    element.classList.remove("over");
    if (event.dataTransfer.files.length) take([...event.dataTransfer.files]);
  });
  const paste = (event) => {
    if (!element.isConnected) return document.removeEventListener("paste", paste);
    const zones = [...document.querySelectorAll(".drop")];
    const target = document.activeElement?.closest?.(".drop") ?? zones[0];
    const files = [...(event.clipboardData?.files ?? [])];
    if (target === element && files.length) { event.preventDefault(); take(files); }
  };
  document.addEventListener("paste", paste);
  return { element, uploads, clear, take };
}
