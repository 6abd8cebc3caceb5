// Draw what several views show: a state, a budget, the way to an SLO.

import { remaining, WORDS } from "./attention.js";
import { h, s } from "./dom.js";
import { known, percent } from "./format.js";

// Shapes differ as well as colours: a state can be read without seeing red and green.
const SHAPES = {
  breached: "M5 1h6l4 4v6l-4 4H5l-4-4V5zM5 5l6 6M11 5l-6 6",
  warning: "M8 1.5 15 14H1zM8 6v4M8 12v.5",
  stale: "M8 1a7 7 0 1 0 .01 0zM8 4v4l3 2",
  no_data: "M8 1a7 7 0 1 0 .01 0zM4.5 8h7",
  frozen: "M8 1v14M2 4.5l12 7M14 4.5l-12 7M6 2l2 2 2-2M6 14l2-2 2 2",
  ok: "M8 1a7 7 0 1 0 .01 0zM5 8.2l2.2 2.2L11.2 6",
};

export function shape(state) {
  return s("svg", { viewBox: "0 0 16 16", class: "shape", "aria-hidden": "true" }, s("path", { d: SHAPES[state] }));
}

export function badge(state) {
  return h("span", { class: `badge ${state}` }, shape(state), WORDS[state]);
}

// A bar from empty to full; what is overspent grows back from the left in another pattern.
export function budgetBar(slo, state) {
  const left = remaining(slo);
  const bar = h("span", { class: `bar ${tone(left, state)}`, "aria-hidden": "true" });
  if (!known(left)) return bar;
  const filled = h("span", { class: left < 0 ? "over" : "left" });
  filled.style.setProperty("--share", String(Math.min(1, Math.abs(left))));
  bar.append(filled);
  return bar;
}

export function budget(slo, state) {
  return h("span", { class: "budget" }, budgetBar(slo, state), h("span", { class: "number" }, percent(remaining(slo))));
}

// The colour of a budget; grey where nobody knows.
export function tone(left, state) {
  if (state === "stale" || state === "no_data" || !known(left)) return "unknown";
  if (left <= 0) return "spent";
  return left < 0.25 ? "low" : "good";
}

export function groupText(slo) {
  return Object.entries(slo.group)
    .map(([label, value]) => `${label}=${value}`)
    .join(", ");
}

export function address(slo) {
  const query = new URLSearchParams({ slo: `${slo.service}/${slo.name}` });
  for (const [label, value] of Object.entries(slo.group)) query.append("group", `${label}=${value}`);
  return `?${query}`;
}

export function periodText(period) {
  if (period.kind === "calendar") return `calendar ${period.name}`;
  return period.name ? `rolling ${period.name}` : "";
}

// A length of time until the budget is gone, in words of one column.
export function exhaustionText(slo, duration) {
  const left = remaining(slo);
  if (known(left) && left <= 0) return "gone";
  if (!slo.exhaustion) return "\u2013";
  const { likely, earliest } = slo.exhaustion;
  if (known(likely)) return `in ${duration(likely)}`;
  return known(earliest) ? `${duration(earliest)} at worst` : "not in sight";
}
