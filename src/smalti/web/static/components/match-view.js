// Two matched pictures: a patch under the pointer, and its match.

import { h } from "../shell/dom.js";
import { t } from "../shell/strings.js";

const MARK = "#d9a441";

/** A picture with a layer to draw on: {element, image, over}. */
export function makeLayered(url, alt, title) {
  const image = h("img", { src: url, alt });
  const over = h("canvas", { class: "over", width: 1, height: 1, "aria-hidden": "true" });
  const pair = h("div", { class: "pair" }, image, over);
  const element = h("figure", {}, h("figcaption", {}, title), pair);
  image.addEventListener("load", () => { over.width = image.naturalWidth * 4; over.height = image.naturalHeight * 4; });
  return { element, pair, image, over };
}

function drawSquare({ over }, place, side) {
  const context = over.getContext("2d");
  context.clearRect(0, 0, over.width, over.height);
  if (!place) return;
  const width = Math.max(2, over.width / 160);
  const half = (side * 4) / 2 + width / 2;
  const [y, x] = [place[0] * 4 + 2, place[1] * 4 + 2];
  for (const [style, wide] of [["#000", width * 2], [MARK, width]]) {
    context.strokeStyle = style;
    context.lineWidth = wide;
    context.strokeRect(x - half, y - half, half * 2, half * 2);
  }
}

function drawPatch(canvas, image, [r, c], side) {
  const context = canvas.getContext("2d");
  const half = (side - 1) / 2;
  canvas.width = canvas.height = side;
  context.clearRect(0, 0, side, side);
  context.drawImage(image, c - half, r - half, side, side, 0, 0, side, side);
}

/**
 * Show matches under the pointer.
 * a, b: layered pictures. others: more pictures of A's size. field, distance: arrays {shape, data}.
 * patch: its width. place: {at: [row, column]} of the patch, kept there for the next view.
 * Returns {element}: the patch and its match, large.
 */
export function makeMatchView({ a, b, others, field, distance, patch, place = {} }) {
  const [H, W] = field.shape;
  const canvases = [h("canvas", { role: "img", "aria-label": t("match.patch") }), h("canvas", { role: "img", "aria-label": t("match.found") })];
  const words = h("p", { role: "status" }, t("match.hover"));
  const element = h("div", { class: "patches" }, canvases, words);
  canvases.forEach((canvas) => { canvas.width = canvas.height = 1; });
  let at = place.at ?? [Math.floor(H / 2), Math.floor(W / 2)];
  function show([r, c]) {
    place.at = at = [Math.min(H - 1, Math.max(0, r)), Math.min(W - 1, Math.max(0, c))];
    const k = at[0] * W + at[1];
    const found = [field.data[2 * k], field.data[2 * k + 1]];
    [a, ...others].forEach((one) => drawSquare(one, at, patch));
    drawSquare(b, found, patch);
    drawPatch(canvases[0], a.image, at, patch);
    drawPatch(canvases[1], b.image, found, patch);
    words.textContent = t("match.at", { r: at[0], c: at[1], r2: found[0], c2: found[1], d: Math.sqrt(distance.data[k]).toFixed(1) });
  }
  for (const { pair } of [a, ...others]) {
    const follow = (event) => {
      const box = pair.getBoundingClientRect();
      show([Math.floor(((event.clientY - box.top) / box.height) * H), Math.floor(((event.clientX - box.left) / box.width) * W)]);
    };
    pair.addEventListener("pointermove", follow);
    pair.addEventListener("pointerdown", follow);
  }
  a.pair.tabIndex = 0;
  a.pair.setAttribute("role", "group");
  a.pair.setAttribute("aria-label", t("match.keys"));
  a.pair.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (!(event.key in moves)) return;
    event.preventDefault();
    const by = event.shiftKey ? 10 : 1;
    show(at.map((value, k) => value + by * moves[event.key][k]));
  });
  if (place.at) Promise.all([a, b, ...others].map(({ image }) => image.decode())).then(() => show(at), () => {});
  return { element };
}
