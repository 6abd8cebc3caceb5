// Make elements; texts are always set as texts, never parsed.

const SVG = "http://www.w3.org/2000/svg";

export function h(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

export function s(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
  return element;
}

// A link within the board: followed without loading the page anew.
export function link(href, attributes, ...children) {
  return h("a", { href, "data-nav": true, ...attributes }, ...children);
}

// Only addresses that a browser opens as pages; a spec may say anything.
export function outside(url, text) {
  if (!/^https?:\/\//i.test(url ?? "")) return null;
  return h("a", { href: url, rel: "noreferrer noopener", target: "_blank" }, text);
}
