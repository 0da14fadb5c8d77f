// Before and after, with a slider between them.

import { h } from "../shell/dom.js";
import { t } from "../shell/strings.js";

/** Make a slider over two pictures of one size: {element, setAfter(url)}. */
export function makeCompareSlider(beforeUrl, afterUrl, { before = t("slider.before"), after = t("slider.after") } = {}) {
  const afterImage = h("img", { class: "after", src: afterUrl, alt: after });
  const range = h("input", { type: "range", min: 0, max: 100, value: 50, "aria-label": t("slider.label") });
  const element = h("div", { class: "slider" }, h("img", { src: beforeUrl, alt: before }), afterImage, h("span", { class: "bar" }), range);
  range.addEventListener("input", () => element.style.setProperty("--at", `${range.value}%`));
  return { element, setAfter: (url) => { afterImage.src = url; } };
}
