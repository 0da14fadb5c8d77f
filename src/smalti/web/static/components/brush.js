// A brush over a picture: strokes with undo, which outlive the picture's model, as a mask.

import { h, makeId } from "../shell/dom.js";
import { t } from "../shell/strings.js";

const PAINT = "#d9a441";

/**
 * Make a brush.
 * onChange: called after each stroke.
 * Returns {element, setPicture(url, width, height), clear, isEmpty, toBlob}: toBlob() resolves to a
 * PNG of the picture's size, white where it was painted and black elsewhere.
 */
export function makeBrush({ onChange = () => {} } = {}) {
  const strokes = []; // {erase, size, points: [[x, y] in 0..1 of the width and height]}
  const undone = [];
  let [width, height] = [1, 1];
  let current = null;
  let erase = false;
  const image = h("img", { alt: t("brush.picture") });
  const canvas = h("canvas", { tabindex: 0, role: "img", "aria-label": t("brush.help") });
  const surface = h("div", { class: "surface" }, image, canvas);
  const id = makeId("brush");
  const size = h("input", { type: "range", id, min: 1, max: 40, value: 10 });
  const paintButton = h("button", { type: "button", "aria-pressed": "true" }, t("brush.paint"));
  const eraseButton = h("button", { type: "button", "aria-pressed": "false" }, t("brush.erase"));
  const undoButton = h("button", { type: "button", disabled: true }, t("brush.undo"));
  const redoButton = h("button", { type: "button", disabled: true }, t("brush.redo"));
  const clearButton = h("button", { type: "button", disabled: true }, t("brush.clear"));
  const element = h("div", { class: "brush" },
    h("div", { class: "row" }, paintButton, eraseButton, undoButton, redoButton, clearButton),
    h("div", { class: "field" }, h("label", { for: id }, t("brush.size")), size), surface,
    h("p", { class: "small soft" }, t("brush.help")));

  function drawStrokes(target, color) {
    const context = target.getContext("2d");
    context.lineCap = context.lineJoin = "round";
    for (const stroke of current ? [...strokes, current] : strokes) {
      context.globalCompositeOperation = stroke.erase ? "destination-out" : "source-over";
      context.strokeStyle = context.fillStyle = color;
      context.lineWidth = Math.max(1, stroke.size * target.width);
      context.beginPath();
      stroke.points.forEach(([x, y], k) => context[k ? "lineTo" : "moveTo"](x * target.width, y * target.height));
      if (stroke.points.length === 1) {
        const [x, y] = stroke.points[0];
        context.arc(x * target.width, y * target.height, context.lineWidth / 2, 0, 7);
        context.fill();
      } else context.stroke();
    }
    context.globalCompositeOperation = "source-over";
  }
  function show() {
    canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
    drawStrokes(canvas, PAINT);
    undoButton.disabled = clearButton.disabled = strokes.length === 0;
    redoButton.disabled = undone.length === 0;
  }
  function place(event) {
    const box = canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width, (event.clientY - box.top) / box.height];
  }
  function finish() {
    if (!current) return;
    strokes.push(current);
    current = null;
    undone.length = 0;
    show();
    onChange();
  }
  function choose(erases) {
    erase = erases;
    paintButton.setAttribute("aria-pressed", String(!erases));
    eraseButton.setAttribute("aria-pressed", String(erases));
  }
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    current = { erase, size: Number(size.value) / 100, points: [place(event)] };
    show();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!current) return;
    current.points.push(place(event));
    show();
  });
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);
  // with the keyboard: arrows move a cross, the space bar paints there
  const cross = [0.5, 0.5];
  canvas.addEventListener("keydown", (event) => {
    const step = Number(size.value) / 200;
    const moves = { ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, -step], ArrowDown: [0, step] };
    if (event.key in moves) {
      event.preventDefault();
      cross[0] = Math.min(1, Math.max(0, cross[0] + moves[event.key][0]));
      cross[1] = Math.min(1, Math.max(0, cross[1] + moves[event.key][1]));
      show();
      const context = canvas.getContext("2d");
      context.fillStyle = "#c4573a";
      context.fillRect(cross[0] * canvas.width - 4, cross[1] * canvas.height - 4, 8, 8);
    } else if (event.key === " ") {
      event.preventDefault();
      current = { erase, size: Number(size.value) / 100, points: [[...cross]] };
      finish();
    } else if ((event.ctrlKey || event.metaKey) && event.key === "z") undoButton.click();
  });
  paintButton.addEventListener("click", () => choose(false));
  eraseButton.addEventListener("click", () => choose(true));
  undoButton.addEventListener("click", () => { undone.push(strokes.pop()); show(); onChange(); });
  redoButton.addEventListener("click", () => { strokes.push(undone.pop()); show(); onChange(); });
  clearButton.addEventListener("click", () => { strokes.length = 0; undone.length = 0; show(); onChange(); });

  return {
    element,
    strokes,
    setPicture(url, w, tall) {
      [width, height] = [w, tall];
      image.src = url;
      canvas.width = Math.max(512, w); // strokes stay smooth on small pictures
      canvas.height = Math.round((canvas.width * tall) / w);
      show();
    },
    clear() { strokes.length = 0; undone.length = 0; show(); onChange(); },
    isEmpty: () => strokes.every((stroke) => stroke.erase),
    toBlob() {
      const painted = h("canvas", { width, height });
      drawStrokes(painted, "#fff");
      const context = painted.getContext("2d");
      const pixels = context.getImageData(0, 0, width, height);
      for (let k = 0; k < pixels.data.length; k += 4) {
        const level = pixels.data[k + 3] >= 128 ? 255 : 0;
        pixels.data.set([level, level, level, 255], k);
      }
      context.putImageData(pixels, 0, 0);
      return new Promise((resolve) => painted.toBlob(resolve, "image/png"));
    },
  };
}
