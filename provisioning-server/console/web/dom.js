// Elements are made here and nowhere else. Text gets into the page as text nodes only: what a client has put into a
// subject or a name can never become markup.

const kSvg = "http://www.w3.org/2000/svg";

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "on") for (const [event, run] of Object.entries(value)) element.addEventListener(event, run);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(
    ...children.flat(Infinity).filter((child) => child !== undefined && child !== null && child !== false),
  );
  return element;
}

/// An element with attributes (`on`: listeners by event) and children: nodes, texts, or lists of them. What is undefined,
/// null or false is left out.
export function el(name, attributes, ...children) {
  return fill(document.createElement(name), attributes, children);
}

export function svg(name, attributes, ...children) {
  return fill(document.createElementNS(kSvg, name), attributes, children);
}

/// What the server or a client has said, in no language of ours.
export function data(value, attributes = {}) {
  return el("span", { translate: "no", ...attributes }, String(value ?? ""));
}

export function code(value, attributes = {}) {
  return el("code", { translate: "no", ...attributes }, String(value ?? ""));
}

let last = 0;
/// An id that nothing else in the page has.
export function nextId(word) {
  last += 1;
  return `${word}-${last}`;
}
