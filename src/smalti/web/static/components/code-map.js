// A map of codes in color: select cells, copy and paste, or drag a region to this or another map.

import { h } from "../shell/dom.js";
import { t } from "../shell/strings.js";

const CELL = 24; // pixels of the canvas a code takes
const MAX_SIDE = 2048;

/**
 * Make a map.
 * colors: [[r, g, b], ...], one a code. onEdit(codes): after each change. onSelect(map): after each selection.
 * findMap(x, y): the map at a place of the window, for dragging.
 * Returns {element, canvas, codes, selection, show, fill, copy, paste, undo, reset, canUndo, findCell, showDrop}.
 */
export function makeCodeMap({ label, codes, colors, onEdit, onSelect, findMap }) {
  const original = codes.map((row) => [...row]);
  const [rows, columns] = [codes.length, codes[0].length];
  const cell = Math.max(4, Math.min(CELL, Math.floor(MAX_SIDE / Math.max(rows, columns))));
  const canvas = h("canvas", { class: "active", tabindex: 0, role: "img", "aria-label": label, width: columns * cell, height: rows * cell });
  const undone = [];
  let current = original.map((row) => [...row]);
  let selection = { r: 0, c: 0, h: 1, w: 1 };
  let anchor = [0, 0];
  let cursor = [0, 0];
  let isSelected = false;
  let drop = null;
  let drag = null; // {block, dr, dc, target} of a region on its way

  function drawFrame(context, { r, c, h: tall, w }, color, dash = []) {
    context.setLineDash(dash);
    for (const [style, width] of [["#000", Math.max(3, cell / 5)], [color, Math.max(1.5, cell / 10)]]) {
      context.strokeStyle = style;
      context.lineWidth = width;
      context.strokeRect(c * cell + 1, r * cell + 1, w * cell - 2, tall * cell - 2);
    }
  }
  function show() {
    const context = canvas.getContext("2d");
    current.forEach((row, r) => row.forEach((code, c) => {
      context.fillStyle = `rgb(${(colors[code] ?? [128, 128, 128]).join(" ")})`;
      context.fillRect(c * cell, r * cell, cell, cell);
    }));
    if (isSelected) drawFrame(context, selection, "#fff");
    if (drop) drawFrame(context, drop, "#ffd980", [cell / 2, cell / 3]);
  }
  function findCell(x, y) {
    const box = canvas.getBoundingClientRect();
    const clamp = (value, n) => Math.min(n - 1, Math.max(0, Math.floor(value * n)));
    return [clamp((y - box.top) / box.height, rows), clamp((x - box.left) / box.width, columns)];
  }
  function select([r0, c0], [r1, c1]) {
    selection = { r: Math.min(r0, r1), c: Math.min(c0, c1), h: Math.abs(r0 - r1) + 1, w: Math.abs(c0 - c1) + 1 };
    isSelected = true;
    show();
    onSelect(map);
  }
  function edit(change) {
    const before = current.map((row) => [...row]);
    change();
    if (before.every((row, r) => row.every((code, c) => code === current[r][c]))) return;
    undone.push(before);
    show();
    onEdit(map);
  }
  const isInside = ([r, c]) => isSelected && r >= selection.r && r < selection.r + selection.h && c >= selection.c && c < selection.c + selection.w;

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    const at = findCell(event.clientX, event.clientY);
    if (isInside(at)) drag = { block: map.copy(), dr: at[0] - selection.r, dc: at[1] - selection.c, at, moved: false, target: null };
    else { drag = null; anchor = cursor = at; select(at, at); }
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!canvas.hasPointerCapture(event.pointerId)) return;
    const at = findCell(event.clientX, event.clientY);
    if (!drag) { cursor = at; select(anchor, at); return; }
    drag.moved ||= at[0] !== drag.at[0] || at[1] !== drag.at[1] || findMap(event.clientX, event.clientY) !== map;
    if (drag.target) drag.target.showDrop(null);
    drag.target = findMap(event.clientX, event.clientY);
    if (!drag.target) return;
    const [r, c] = drag.target.findCell(event.clientX, event.clientY);
    drag.place = [r - drag.dr, c - drag.dc];
    drag.target.showDrop({ r: drag.place[0], c: drag.place[1], h: drag.block.length, w: drag.block[0].length });
  });
  const finish = (event) => {
    if (!drag) return;
    const { target, place, block, moved, at } = drag;
    drag = null;
    if (target) target.showDrop(null);
    if (event.type === "pointercancel") return;
    if (!moved) { anchor = cursor = at; select(at, at); } else if (target) target.paste(block, place);
  };
  canvas.addEventListener("pointerup", finish);
  canvas.addEventListener("pointercancel", finish);
  canvas.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
    if (!(event.key in moves)) {
      if ((event.ctrlKey || event.metaKey) && event.key === "z") { event.preventDefault(); map.undo(); }
      return;
    }
    event.preventDefault();
    const [dr, dc] = moves[event.key];
    cursor = [Math.min(rows - 1, Math.max(0, cursor[0] + dr)), Math.min(columns - 1, Math.max(0, cursor[1] + dc))];
    if (!event.shiftKey) anchor = cursor;
    select(anchor, cursor);
  });

  const map = {
    element: canvas,
    canvas,
    get codes() { return current; },
    get selection() { return isSelected ? selection : null; },
    get canUndo() { return undone.length > 0; },
    show,
    findCell,
    showDrop(place) { drop = place; show(); },
    unselect() { isSelected = false; show(); },
    /** Set every selected cell to a code. */
    fill(code) {
      const { r, c, h: tall, w } = selection;
      edit(() => { for (let i = 0; i < tall; i += 1) current[r + i].fill(code, c, c + w); });
    },
    /** The selected block: rows of codes. */
    copy: () => current.slice(selection.r, selection.r + selection.h).map((row) => row.slice(selection.c, selection.c + selection.w)),
    /** Put a block with its top left corner at a cell; what lies outside is dropped. */
    paste(block, [r, c] = [selection.r, selection.c]) {
      edit(() => block.forEach((row, i) => row.forEach((code, k) => { if (current[r + i]?.[c + k] !== undefined) current[r + i][c + k] = code; })));
    },
    undo() { if (undone.length) { current = undone.pop(); show(); onEdit(map); } },
    reset() { edit(() => { current = original.map((row) => [...row]); }); },
    /** Words for the selection. */
    describe() {
      if (!isSelected) return t("codec.select");
      const { r, c, h: tall, w } = selection;
      if (tall * w === 1) return t("codec.cell", { r: r + 1, c: c + 1, code: current[r][c] });
      return t("codec.region", { h: tall, w });
    },
  };
  show();
  return map;
}
