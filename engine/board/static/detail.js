// Show one SLO: how it stands, how it came to that, and what was decided because of it.

import { rate, remaining } from "./attention.js";
import { historyOf } from "./client.js";
import { h, link, outside } from "./dom.js";
import { ago, burn, clock, count, duration, known, moment, percent, ratio } from "./format.js";
import { heat } from "./overview.js";
import { badge, budgetBar, exhaustionText, groupText, periodText } from "./parts.js";
import { burnDown, burnRates, goodShare } from "./plots.js";
import { correctionsTable, decisionsTable, matches, standingTable } from "./activity.js";

export class Detail {
  #client;
  #history = { key: null, points: [], problem: null, at: 0, loading: false };
  #decisions = [];
  #drawn = { width: 0 };
  element = h("article", { class: "detail" });

  constructor(client) {
    this.#client = client;
    new ResizeObserver(() => {
      if (Math.abs(this.element.clientWidth - this.#drawn.width) > 4 && this.element.isConnected) this.#draw();
    }).observe(this.element);
  }

  render(query) {
    const wanted = query.get("slo");
    const groups = query.getAll("group");
    const found = this.#client.slos.filter(
      (slo) => `${slo.service}/${slo.name}` === wanted && groups.every((pair) => Object.entries(slo.group).some(([label, value]) => `${label}=${value}` === pair)),
    );
    if (!found.length) {
      this.element.replaceChildren(h("h1", {}, wanted), h("p", { class: "empty" }, "The engine knows no SLO of that name. ", link("./", {}, "Back to the overview")));
      return;
    }
    this.slo = found[0];
    const open = document.activeElement?.id;
    this.#content(found);
    if (open) document.getElementById(open)?.focus({ preventScroll: true });
    this.#load();
    this.#draw();
  }

  #content(found) {
    const slo = this.slo;
    const state = this.#client.state(slo);
    this.element.dataset.state = state;
    this.plot = h("div", { class: "plot-place" });
    this.rates = h("div", { class: "plot-place" });
    this.good = h("div", { class: "plot-place" });
    this.ratesNote = h("p", { class: "note" });
    this.decided = h("div", {});
    this.element.replaceChildren(
      h("nav", { class: "trail", "aria-label": "Way back" }, link("./", {}, "All SLOs"), " / ", link(`?service=${encodeURIComponent(slo.service)}`, {}, slo.service)),
      h(
        "header",
        { class: "head" },
        badge(state),
        h("h1", {}, h("span", { class: "service" }, `${slo.service} / `), slo.name, groupText(slo) && h("span", { class: "group" }, groupText(slo))),
        slo.description && h("p", { class: "description" }, slo.description),
        h("p", { class: "facts" }, this.#facts(slo)),
      ),
      this.#reasons(slo, state) ?? "",
      this.#tiles(slo, state),
      h(
        "div",
        { class: "columns" },
        card("Budget left over the period", this.plot, "wide"),
        card("Burn rate by window", [this.rates, this.ratesNote]),
        card("Good events against the objective", this.good, "wide"),
        card("Firing alerts", this.#alerts(slo)),
        card("What gates decided", this.decided, "half"),
        card("Corrections and freezes", this.#records(slo), "half"),
      ),
    );
    if (found.length > 1) this.element.append(h("p", { class: "note" }, `This is one of ${found.length} groups; choose another from the overview.`));
  }

  #facts(slo) {
    const parts = [
      `${slo.objective}\u00a0% over ${periodText(slo.period) || "its period"}`,
      slo.owner && `owner ${slo.owner}`,
      slo.tier && `tier ${slo.tier}`,
      slo.method !== "occurrences" && slo.method.replace("_", " "),
      slo.revision && `revision ${slo.revision.slice(0, 8)}`,
      known(slo.provenance.coverage) && slo.provenance.coverage < 0.995 && `${percent(slo.provenance.coverage)} of the period measured`,
      `from ${slo.provenance.source}`,
    ].filter(Boolean);
    const age = h("span", {}, "evaluated ", h("span", { "data-at": slo.provenance.evaluated_at ?? "" }, ago(this.#client.age(slo))));
    const nodes = [...parts.map((text) => h("span", {}, text)), age];
    const runbook = outside(slo.runbook, "Runbook");
    if (runbook) {
      runbook.className = "runbook";
      nodes.push(runbook);
    }
    return nodes;
  }

  #reasons(slo, state) {
    if (state === "stale" && slo.state !== "stale") {
      return h("p", { class: "reasons stale" }, "These numbers are too old to be relied on; they show how it stood.");
    }
    if (!slo.reasons.length) return null;
    return h("ul", { class: `reasons ${state}` }, slo.reasons.map((text) => h("li", {}, text)));
  }

  #tiles(slo, state) {
    const left = remaining(slo);
    const { budget, events, exhaustion } = slo;
    const unit = events.unit === "slices" ? "slices" : "events";
    const range = exhaustion?.likely === 0 ? " " : exhaustion && known(exhaustion.earliest)
      ? `between ${duration(exhaustion.earliest)} and ${known(exhaustion.latest) ? duration(exhaustion.latest) : "never"}`
      : exhaustion?.capped_by_reset ? "the period ends first" : " ";
    return h(
      "dl",
      { class: "tiles" },
      tile("Budget left", percent(left), [budgetBar(slo, state), known(budget.remaining_events) && h("small", {}, left > 0 ? `${count(budget.remaining_events)} bad ${unit} more` : `${count(-budget.remaining_events)} bad ${unit} too many`)], left !== null && left <= 0 ? "bad" : ""),
      tile("Good in the period", ratio(slo.sli, slo.objective), h("small", {}, `objective ${slo.objective}\u00a0%`), known(slo.sli) && slo.sli * 100 < slo.objective ? "bad" : ""),
      tile("Burn rate, 1\u00a0h", burn(rate(slo)), h("small", {}, `6\u00a0h ${burn(rate(slo, "6h"))} \u00b7 3\u00a0d ${burn(rate(slo, "3d"))}`), heat(rate(slo)) === "hot" ? "bad" : ""),
      tile("Exhausted", exhaustionText(slo, duration), h("small", {}, range)),
      tile("Bad, of all", count(events.bad), h("small", {}, known(events.total) ? `of ${count(events.total)} ${unit}` : "only a ratio is known")),
    );
  }

  #alerts(slo) {
    if (!slo.alerts.length) return h("p", { class: "none" }, "None fires.");
    return h(
      "ul",
      { class: "alerts" },
      slo.alerts.map((alert) =>
        h(
          "li",
          {},
          h("p", {}, h("span", { class: `severity ${alert.severity}` }, alert.severity || "alert"), alert.state === "pending" && " pending", " ", h("b", {}, alert.name)),
          h("p", {}, [alert.windows && `over ${alert.windows.replace("/", " and ")}`, known(alert.value) && `burning ${burn(alert.value)}`, known(alert.since) && `since ${clock(alert.since)}, ${duration(this.#client.now() - alert.since)}`].filter(Boolean).join(" \u00b7 ")),
        ),
      ),
    );
  }

  #records(slo) {
    const { corrections, freezes, overrides, problem } = this.#client.records;
    if (problem) return h("p", { class: "problem" }, `The ledger cannot be read: ${problem}.`);
    const ours = (record) => matches(record.target.slo, `${slo.service}/${slo.name}`);
    const applied = new Map(slo.corrections.map((found) => [found.id, found]));
    const parts = [correctionsTable(corrections.filter(ours), applied), standingTable(freezes.filter(ours), overrides.filter(ours), this.#client.now())].filter(Boolean);
    return parts.length ? parts : h("p", { class: "none" }, "None.");
  }

  async #load() {
    const slo = this.slo;
    const past = this.#history;
    const age = performance.now() - past.at;
    if (past.loading || (past.key === slo.key && age < 25_000)) {
      if (past.key === slo.key) return;
    }
    const next = { key: slo.key, points: past.key === slo.key ? past.points : [], problem: null, at: performance.now(), loading: true };
    this.#history = next;
    if (past.key !== slo.key) this.#decisions = [];
    try {
      const [history, decisions] = await Promise.all([this.#client.history(slo), this.#client.decisions(slo).catch(() => ({ decisions: [] }))]);
      next.points = history.points;
      next.start = history.start;
      next.end = history.end;
      this.#decisions = decisions.decisions;
    } catch (error) {
      next.problem = error.message;
    }
    next.loading = false;
    if (this.slo === slo || this.slo.key === slo.key) this.#draw();
  }

  #draw() {
    const slo = this.slo;
    if (!slo || !this.plot) return;
    this.#drawn.width = this.element.clientWidth;
    const past = this.#history;
    this.rates.replaceChildren(slo.burn_rates.length ? burnRates(slo.burn_rates, slo.alerts, Math.max(240, this.rates.clientWidth || 320)) : h("p", { class: "none" }, "No burn rate is recorded."));
    this.ratesNote.textContent = ratesNote(slo.burn_rates);
    if (past.key !== slo.key || (!past.points.length && past.loading)) this.plot.replaceChildren(h("p", { class: "none" }, "Reading the history\u2026"));
    else if (past.problem && !past.points.length) this.plot.replaceChildren(h("p", { class: "problem" }, `There is no history to show: ${past.problem}.`));
    else if (!past.points.some((point) => known(point.remaining))) this.plot.replaceChildren(h("p", { class: "none" }, "No history is recorded yet; it grows from now on."));
    else this.plot.replaceChildren(this.#burnDown(past));
    const share = past.key === slo.key && goodShare(past.points, { width: Math.max(280, this.good.clientWidth || 600), start: past.start, end: past.end, objective: slo.objective });
    this.good.replaceChildren(share || h("p", { class: "none" }, "No events are recorded yet."));
    this.decided.replaceChildren(this.#decisions.length ? decisionsTable(this.#decisions.slice(0, 8)) : h("p", { class: "none" }, "Nobody has asked a gate about it."));
  }

  #burnDown(past) {
    const slo = this.slo;
    const ours = (record) => matches(record.target.slo, `${slo.service}/${slo.name}`) && record.cancelled_at == null;
    const { corrections, freezes } = this.#client.records;
    const bands = [
      ...corrections.filter(ours).filter((record) => !record.recurrence).map((record) => ({ ...record, kind: "correction", title: `Correction (${record.effect}): ${record.reason}` })),
      ...freezes.filter(ours).filter((record) => !record.recurrence).map((record) => ({ ...record, kind: "freeze", title: `Freeze: ${record.reason}` })),
    ];
    const marks = this.#decisions.map((decision) => ({ at: decision.at, kind: decision.verdict, title: `${moment(decision.at)}: gate said ${decision.verdict}${decision.request.version ? ` to ${decision.request.version}` : ""}` }));
    const plot = burnDown(past.points, { width: Math.max(280, this.plot.clientWidth || 600), start: past.start, end: past.end, bands, marks, objective: slo.objective });
    const legend = h("p", { class: "legend" }, bands.some((band) => band.kind === "correction") && h("span", { class: "correction" }, "correction"), bands.some((band) => band.kind === "freeze") && h("span", { class: "freeze" }, "freeze"), marks.length > 0 && [h("span", { class: "allow" }, "gate allowed"), h("span", { class: "deny" }, "gate denied")]);
    const end = link(historyOf(slo), { class: "source" }, "Numbers as JSON");
    end.removeAttribute("data-nav");
    legend.append(end);
    return h("figure", {}, plot, h("figcaption", {}, legend));
  }
}

function ratesNote(rates) {
  if (!rates.length) return "";
  const told = rates.some((rate) => rate.thresholds?.length);
  return "At 1\u00d7 the budget lasts exactly one period. The scale is logarithmic." + (told ? " Marks: from there on somebody is paged (solid) or gets a ticket (dashed)." : "");
}

function tile(title, value, more, kind = "") {
  return h("div", { class: `tile ${kind}` }, h("dt", {}, title), h("dd", {}, h("b", {}, value), more));
}

function card(title, content, kind = "") {
  const id = `card-${title.toLowerCase().replace(/\W+/g, "-")}`;
  return h("section", { class: `card ${kind}`, "aria-labelledby": id }, h("h2", { id }, title), content);
}

export function table(heads, rows) {
  return h(
    "div",
    { class: "scroll", tabindex: "0", role: "region", "aria-label": heads[0] + " table" },
    h("table", { class: "plain" }, h("thead", {}, h("tr", {}, heads.map((text) => h("th", { scope: "col" }, text)))), h("tbody", {}, rows.map((row) => h("tr", {}, row.map((content) => h("td", {}, content)))))),
  );
}
