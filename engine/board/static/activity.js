// Show what people and gates did: decisions, corrections, freezes, overrides.

import { h, link } from "./dom.js";
import { clock, count, duration, known, moment } from "./format.js";
import { table } from "./detail.js";

export class Activity {
  #client;
  element = h("section", { class: "activity" });

  constructor(client) {
    this.#client = client;
  }

  render() {
    const { corrections, freezes, overrides, decisions, problem } = this.#client.records;
    const part = (title, content) => h("section", { class: "card" }, h("h2", {}, title), content ?? h("p", { class: "none" }, "None."));
    this.element.replaceChildren(
      h("h1", {}, "Activity"),
      problem ? h("p", { class: "problem" }, `The ledger cannot be read: ${problem}. What follows may be old.`) : "",
      part("Freezes and overrides", standingTable(freezes, overrides, this.#client.now())),
      part("Decisions of gates", decisions.length ? decisionsTable(decisions) : null),
      part("Corrections", correctionsTable(corrections, new Map())),
    );
  }
}

export function decisionsTable(decisions) {
  return table(
    ["When", "Verdict", "About", "Because", "By"],
    decisions.map((decision) => {
      const { service, slos, environment, version } = decision.request;
      const about = slos?.length ? slos.map((name) => `${service}/${name}`).join(", ") : service;
      return [
        moment(decision.at),
        h("span", { class: `verdict ${decision.verdict}` }, decision.verdict, decision.dry_run && " (dry run)"),
        [link(`?service=${encodeURIComponent(service ?? "")}`, {}, about ?? "\u2013"), version && ` ${version}`, environment && h("small", {}, ` ${environment}`)],
        [...new Set(decision.reasons)].map((code) => String(code).replaceAll("_", " ")).join(", ") || "\u2013",
        decision.actor,
      ];
    }),
  );
}

export function correctionsTable(corrections, applied) {
  if (!corrections.length) return null;
  return table(
    ["Correction", "When", "About", "Took out", "By"],
    corrections.map((record) => {
      const took = applied.get(record.id);
      return [
        [h("b", {}, record.effect), " ", record.reason, record.cancelled_at !== null && h("small", {}, " (taken back)")],
        span(record),
        record.target.slo,
        took ? `${count(took.bad)} bad of ${count(took.total)}` : "\u2013",
        record.created_by,
      ];
    }),
  );
}

export function standingTable(freezes, overrides, now) {
  const rows = [
    ...freezes.map((record) => ({ record, kind: "Freeze", end: record.cancelled_at ?? record.end, when: span(record) })),
    ...overrides.map((record) => ({ record, kind: `Override: ${record.verdict}`, end: record.revoked_at ?? record.expires_at, when: `${moment(record.created_at)} to ${clock(record.expires_at)}` })),
  ];
  if (!rows.length) return null;
  return table(
    ["Freeze or override", "When", "About", "Standing", "By"],
    rows.map(({ record, kind, end, when }) => [
      [h("b", {}, kind), " ", record.reason],
      when,
      `${record.target.slo}${record.target.environment === "*" ? "" : ` in ${record.target.environment}`}`,
      known(end) && end > now ? (record.start > now ? `from ${moment(record.start)}` : `${duration(end - now)} more`) : record.recurrence ? "recurring" : "over",
      record.created_by,
    ]),
  );
}

function span(record) {
  const first = moment(record.start);
  const far = record.end - record.start > 72_000;
  return `${first} to ${far ? moment(record.end) : clock(record.end)}${record.recurrence ? ", recurring" : ""}`;
}

// Tell whether a shell pattern, such as `checkout/*`, means *text*.
export function matches(pattern, text) {
  const source = pattern.replace(/[.+^${}()|\\]/g, "\\$&").replace(/\*/g, ".*").replace(/\?/g, ".").replace(/\[!/g, "[^");
  try {
    return new RegExp(`^(?:${source})$`, "s").test(text);
  } catch {
    return pattern === text;
  }
}
