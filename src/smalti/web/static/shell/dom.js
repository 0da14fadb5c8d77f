// Elements without a framework.

let counter = 0;

/** Make a unique id, for labels. */
export function makeId(prefix = "e") {
  counter += 1;
  return `${prefix}-${counter}`;
}

/**
 * Make an element: h("button", {class: "primary", onclick: draw}, "Draw").
 * Functions become event listeners, true and false set or leave out an attribute.
 */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") element.addEventListener(name.replace(/^on/, ""), value);
    else if (name === "value") element.value = value;
    else if (name === "style") for (const [k, v] of Object.entries(value)) element.style.setProperty(k, v);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

/** Show a line for some seconds; screen readers read it. */
export function showMessage(text, seconds = 6) {
  const line = h("p", { class: "message fade" }, text);
  document.getElementById("messages").append(line);
  setTimeout(() => line.remove(), seconds * 1000);
}

/** Load static/pages/NAME.css, once. */
export function loadStyle(name) {
  const href = `/static/pages/${name}.css`;
  if (!document.querySelector(`link[href="${href}"]`)) document.head.append(h("link", { rel: "stylesheet", href }));
}
