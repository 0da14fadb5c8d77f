// Pictures with their seeds. While they are made, tiles are cut from the preview's sheet.

import { h } from "../shell/dom.js";
import { t } from "../shell/strings.js";

/** Draw the tiles of a preview's sheet into canvases, one a picture. */
export async function paintPreview(preview, canvases) {
  const image = new Image();
  image.src = preview.url;
  await image.decode().catch(() => {});
  if (!image.naturalWidth) return;
  const rows = Math.ceil(preview.count / preview.columns);
  const w = image.naturalWidth / preview.columns;
  const tall = image.naturalHeight / rows;
  for (let k = 0; k < preview.count; k += 1) {
    const canvas = canvases[preview.first + k];
    if (!canvas) continue;
    canvas.width = w;
    canvas.height = tall;
    canvas.parentElement?.style.setProperty("--shape", `${w} / ${tall}`);
    canvas.getContext("2d").drawImage(image, (k % preview.columns) * w, Math.floor(k / preview.columns) * tall, w, tall, 0, 0, w, tall);
  }
}

/**
 * One picture: a canvas while it is made, an image when it is there.
 * tools: elements under it, such as buttons.
 */
export function makeTile({ caption = "", alt = caption, tools = [] } = {}) {
  const canvas = h("canvas", { width: 1, height: 1, role: "img", "aria-label": alt });
  const frame = h("div", { class: "frame" }, canvas);
  const words = h("span", { class: "words", title: caption }, caption);
  const bar = h("span", { class: "tools" }, tools);
  const element = h("li", { class: "picture" }, frame, h("div", { class: "caption" }, words, bar));
  return {
    element,
    canvas,
    /** Show a file in place of the canvas. */
    showFile(url, words_ = alt) {
      const image = h("img", { src: url, alt: words_ });
      image.addEventListener("load", () => {
        frame.style.setProperty("--shape", `${image.naturalWidth} / ${image.naturalHeight}`);
        frame.replaceChildren(image);
      });
    },
    /** Show the canvas again, for a new picture. */
    showCanvas() { frame.replaceChildren(canvas); },
    setCaption(text) { words.textContent = text; words.title = text; canvas.setAttribute("aria-label", text); },
    setTools(list) { bar.replaceChildren(...list); },
  };
}

/** A list of tiles. */
export function makeGrid(tiles, { wide = false, label = t("grid.pictures") } = {}) {
  return h("ul", { class: `pictures${wide ? " wide" : ""}`, "aria-label": label }, tiles.map((tile) => tile.element));
}

/** A small button with a symbol, and words for screen readers and as a tip. */
export function makeTool(symbol, words, onclick, attributes = {}) {
  return h("button", { type: "button", class: "quiet", title: words, "aria-label": words, onclick, ...attributes }, symbol);
}
