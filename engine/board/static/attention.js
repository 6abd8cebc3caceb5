// Say what needs attention, and in which order.

import { known } from "./format.js";

export const STATES = ["breached", "stale", "no_data", "warning", "frozen", "ok"];

export const WORDS = {
  breached: "Breached",
  stale: "Stale",
  no_data: "No data",
  warning: "Warning",
  frozen: "Frozen",
  ok: "OK",
};

const LOW = 0.25;
const RANKS = ["breached", "stale", "no_data", "page", "ticket", "burning", "low", "frozen", "ok"];

// What is most wrong; more than the state says, for a frozen SLO may burn as well.
export function concern(slo, state) {
  if (state === "breached" || state === "stale" || state === "no_data") return state;
  const firing = slo.alerts.filter((alert) => alert.state === "firing");
  if (firing.some((alert) => alert.severity === "page")) return "page";
  if (firing.length) return "ticket";
  const left = remaining(slo);
  if (known(left) && left < LOW) return "low";
  if (state === "warning") return "burning";
  return state;
}

export function remaining(slo) {
  return slo.budget.projected ?? slo.budget.remaining;
}

export function rate(slo, window = "1h") {
  return slo.burn_rates.find((found) => found.window === window)?.rate ?? null;
}

// Sorted by what needs attention: within one concern the least budget first, then by name.
export function sorted(slos, client) {
  return slos
    .map((slo) => {
      const state = client.state(slo);
      const kind = concern(slo, state);
      return { slo, state, kind, rank: RANKS.indexOf(kind), left: remaining(slo) ?? Infinity };
    })
    .sort((a, b) => a.rank - b.rank || a.left - b.left || (a.slo.key < b.slo.key ? -1 : 1));
}

export function counts(rows) {
  const found = Object.fromEntries(STATES.map((state) => [state, 0]));
  for (const row of rows) found[row.state] += 1;
  return found;
}

export const FILTERS = ["q", "state", "service", "owner", "tier"];

export function filtered(rows, query) {
  const words = (query.get("q") ?? "").toLowerCase().split(/\s+/).filter(Boolean);
  const states = query.getAll("state");
  return rows.filter(({ slo, state }) => {
    if (states.length && !states.includes(state)) return false;
    for (const field of ["service", "owner", "tier"]) {
      const wanted = query.get(field);
      if (wanted && (slo[field] ?? "") !== wanted) return false;
    }
    const text = `${slo.key} ${slo.owner ?? ""} ${slo.description}`.toLowerCase();
    return words.every((word) => text.includes(word));
  });
}
