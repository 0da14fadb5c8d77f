// Curves of a training run, as a picture that scales.

import { h } from "../shell/dom.js";

const NS = "http://www.w3.org/2000/svg";
const [W, H, LEFT, BELOW] = [640, 260, 52, 26];

function make(tag, attributes, ...children) {
  const element = document.createElementNS(NS, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...children);
  return element;
}

/**
 * Draw curves over the steps, on a logarithmic scale if all values are positive.
 * curves: [{name, points: [[step, value], ...], kind: "first" or "second"}]. label: words for screen readers.
 */
export function drawCurves(curves, steps, label) {
  const shown = curves.filter((curve) => curve.points.length);
  const svg = make("svg", { viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": label, class: "curves" });
  const values = shown.flatMap((curve) => curve.points.map(([, value]) => value));
  if (!values.length) return svg;
  const isLog = Math.min(...values) > 0;
  const scale = (value) => (isLog ? Math.log10(value) : value);
  const [low, high] = [scale(Math.min(...values)), scale(Math.max(...values))];
  const span = high - low || 1;
  const end = Math.max(steps ?? 0, ...shown.map((curve) => curve.points.at(-1)[0]), 1);
  const x = (step) => LEFT + (step / end) * (W - LEFT - 8);
  const y = (value) => 8 + (1 - (scale(value) - low) / span) * (H - BELOW - 16);
  for (let k = 0; k <= 4; k += 1) {
    const at = low + (span * k) / 4;
    const value = isLog ? 10 ** at : at;
    svg.append(make("line", { x1: LEFT, x2: W - 8, y1: y(value), y2: y(value), class: "rule" }),
      make("text", { x: LEFT - 6, y: y(value) + 4, "text-anchor": "end" }, value.toPrecision(2)));
  }
  svg.append(make("text", { x: LEFT, y: H - 6 }, "0"), make("text", { x: W - 8, y: H - 6, "text-anchor": "end" }, String(end)));
  for (const { points, kind } of shown) {
    svg.append(make("polyline", { points: points.map(([step, value]) => `${x(step).toFixed(1)},${y(value).toFixed(1)}`).join(" "), class: kind }));
    const [step, value] = points.at(-1);
    svg.append(make("circle", { cx: x(step), cy: y(value), r: 3.5, class: kind }));
  }
  return svg;
}

/** What the colors of curves mean. */
export function makeLegend(curves) {
  return h("ul", { class: "legend" }, curves.map(({ name, kind, points }) =>
    h("li", { class: kind }, points.length ? `${name}: ${points.at(-1)[1].toPrecision(4)}` : name)));
}
