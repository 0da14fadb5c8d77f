// The codebook as tiles: choose one by a click, or by its number.

import { h, makeId } from "../shell/dom.js";
import { t } from "../shell/strings.js";

const SIDE = 24; // pixels of the canvas a tile takes

/**
 * Make a codebook.
 * image: the sheet of tiles, loaded. book: {count, columns, tile}. onChoose(code): after each choice.
 * Returns {element, choose, mark}: mark(code) shows a code without choosing it.
 */
export function makeCodebook({ image, book, onChoose }) {
  const columns = Math.min(book.columns, 32);
  const rows = Math.ceil(book.count / columns);
  const canvas = h("canvas", { width: columns * SIDE, height: rows * SIDE, role: "img", "aria-label": t("codec.codebook") });
  const tile = h("canvas", { width: book.tile, height: book.tile, "aria-hidden": "true" });
  const id = makeId("code");
  const input = h("input", { id, type: "number", min: 0, max: book.count - 1, step: 1, value: 0 });
  const button = h("button", { type: "button" }, t("codec.put"));
  let marked = 0;

  function drawTile(context, code, x, y, side) {
    const [sx, sy] = [(code % book.columns) * book.tile, Math.floor(code / book.columns) * book.tile];
    context.imageSmoothingEnabled = false;
    context.drawImage(image, sx, sy, book.tile, book.tile, x, y, side, side);
  }
  function show() {
    const context = canvas.getContext("2d");
    context.clearRect(0, 0, canvas.width, canvas.height);
    for (let code = 0; code < book.count; code += 1) drawTile(context, code, (code % columns) * SIDE + 1, Math.floor(code / columns) * SIDE + 1, SIDE - 2);
    const [x, y] = [(marked % columns) * SIDE, Math.floor(marked / columns) * SIDE];
    for (const [style, width] of [["#000", 5], ["#d9a441", 3]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.strokeRect(x + 1.5, y + 1.5, SIDE - 3, SIDE - 3);
    }
    drawTile(tile.getContext("2d"), marked, 0, 0, book.tile);
  }
  function mark(code) {
    if (!(code >= 0 && code < book.count)) return;
    marked = code;
    input.value = code;
    show();
  }
  canvas.addEventListener("click", (event) => {
    const box = canvas.getBoundingClientRect();
    const code = Math.floor(((event.clientY - box.top) / box.height) * rows) * columns + Math.floor(((event.clientX - box.left) / box.width) * columns);
    if (code >= book.count) return;
    mark(code);
    onChoose(code);
  });
  input.addEventListener("input", () => { if (input.checkValidity() && input.value !== "") mark(input.valueAsNumber); });
  input.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); button.click(); } });
  button.addEventListener("click", () => onChoose(marked));
  show();
  const element = h("div", { class: "stage" },
    h("div", { class: "chosen" }, tile, h("div", { class: "field" }, h("label", { for: id }, t("codec.code")), input), button),
    h("div", { class: "codebook" }, canvas));
  return { element, mark };
}
