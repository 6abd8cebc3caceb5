// Show all SLOs, those first that need attention.

import { counts, filtered, FILTERS, rate, sorted, STATES, WORDS } from "./attention.js";
import { h, link } from "./dom.js";
import { ago, burn, duration } from "./format.js";
import { address, badge, budget, exhaustionText, groupText, periodText, shape } from "./parts.js";

const ROWS = 100;

export class Overview {
  #client;
  #go;
  #chips = h("div", { class: "chips", role: "group", "aria-label": "States" });
  #search;
  #selects;
  #body = h("tbody", {});
  #caption = h("caption", { class: "unseen" });
  #found = h("p", { class: "found", role: "status", "aria-live": "polite" });
  #pager = h("nav", { class: "pager", "aria-label": "Pages" });
  #empty = h("p", { class: "empty", hidden: true });
  #clear;
  #typing = null;

  constructor(client, go) {
    this.#client = client;
    this.#go = go;
    this.#search = h("input", {
      type: "search",
      id: "search",
      placeholder: "Find a service or SLO",
      "aria-label": "Find a service or SLO",
      autocomplete: "off",
      spellcheck: "false",
      oninput: () => {
        clearTimeout(this.#typing);
        this.#typing = setTimeout(() => this.#set("q", this.#search.value.trim()), 120);
      },
    });
    this.#selects = Object.fromEntries(
      ["service", "owner", "tier"].map((field) => [
        field,
        h("select", { "aria-label": `By ${field}`, onchange: (event) => this.#set(field, event.target.value) }),
      ]),
    );
    this.#clear = h("button", { type: "button", class: "plain", hidden: true, onclick: () => this.clear() }, "Clear filters");
    const heads = [
      ["State", "state"], ["SLO", "name"], ["Budget left", "left"], ["Burn 1\u00a0h", "burn"],
      ["Exhausted", "gone"], ["Owner", "owner"], ["Age", "age"],
    ];
    const head = h("tr", { role: "row" }, heads.map(([text, name]) => h("th", { scope: "col", role: "columnheader", class: name }, text)));
    this.element = h(
      "section",
      { class: "overview", "aria-label": "All SLOs" },
      h("h1", { class: "unseen" }, "Error budgets of all services"),
      this.#chips,
      h("form", { class: "filters", role: "search", onsubmit: (event) => event.preventDefault() }, this.#search, Object.values(this.#selects), this.#clear, this.#found),
      h("table", { class: "slos", role: "table" }, this.#caption, h("thead", { role: "rowgroup" }, head), this.#body),
      this.#empty,
      this.#pager,
    );
    this.#body.setAttribute("role", "rowgroup");
  }

  get search() {
    return this.#search;
  }

  render(query) {
    const all = sorted(this.#client.slos, this.#client);
    const rows = filtered(all, query);
    const pages = Math.max(1, Math.ceil(rows.length / ROWS));
    const page = Math.min(pages, Math.max(1, Number(query.get("page")) || 1));
    const shown = rows.slice((page - 1) * ROWS, page * ROWS);
    this.#renderChips(counts(all), query);
    this.#renderFilters(query);
    const focused = document.activeElement?.closest?.("tr[data-key]")?.dataset.key;
    this.#body.replaceChildren(...shown.map((row) => this.#row(row)));
    if (focused) this.#link(focused)?.focus({ preventScroll: true });
    this.#caption.textContent = "SLOs, those first that need attention";
    const active = FILTERS.some((name) => query.has(name));
    this.#found.textContent = active ? `${rows.length} of ${all.length} SLOs` : `${all.length} SLOs`;
    this.#clear.hidden = !active;
    this.#renderEmpty(all, rows);
    this.#renderPager(page, pages, query);
  }

  clear() {
    this.#go("./");
  }

  // Move the focus by rows; tell whether there was a row to go to.
  move(step) {
    const links = [...this.#body.querySelectorAll("a.name")];
    if (!links.length) return false;
    const at = links.indexOf(document.activeElement);
    const next = at < 0 ? (step > 0 ? 0 : links.length - 1) : Math.min(links.length - 1, Math.max(0, at + step));
    links[next].focus();
    links[next].closest("tr").scrollIntoView({ block: "nearest" });
    return true;
  }

  turn(step) {
    const target = this.#pager.querySelector(step > 0 ? "a[rel=next]" : "a[rel=prev]");
    target?.click();
  }

  #link(key) {
    return this.#body.querySelector(`tr[data-key="${CSS.escape(key)}"] a.name`);
  }

  #set(name, value) {
    const query = new URLSearchParams(location.search);
    query.delete("page");
    if (value) query.set(name, value);
    else query.delete(name);
    this.#go(`?${query}`, { replace: name === "q" });
  }

  #renderChips(found, query) {
    const chosen = query.getAll("state");
    const focused = document.activeElement?.dataset?.state;
    this.#chips.replaceChildren(
      ...STATES.map((state) => {
        const pressed = chosen.includes(state);
        const chip = h(
          "button",
          { type: "button", class: `chip ${state} ${found[state] ? "" : "none"}`, "data-state": state, "aria-pressed": String(pressed), onclick: () => this.#toggle(state) },
          shape(state), h("b", {}, found[state].toLocaleString("en")), h("span", {}, WORDS[state]),
        );
        return chip;
      }),
    );
    if (focused) this.#chips.querySelector(`[data-state="${focused}"]`)?.focus();
  }

  #toggle(state) {
    const query = new URLSearchParams(location.search);
    const chosen = new Set(query.getAll("state"));
    if (!chosen.delete(state)) chosen.add(state);
    query.delete("page");
    query.delete("state");
    for (const found of STATES) if (chosen.has(found)) query.append("state", found);
    this.#go(`?${query}`);
  }

  #renderFilters(query) {
    if (document.activeElement !== this.#search) this.#search.value = query.get("q") ?? "";
    for (const [field, select] of Object.entries(this.#selects)) {
      const values = [...new Set(this.#client.slos.map((slo) => slo[field]).filter(Boolean))].sort();
      const signature = values.join("\n");
      if (select.dataset.values !== signature) {
        select.dataset.values = signature;
        select.replaceChildren(h("option", { value: "" }, `Any ${field}`), ...values.map((value) => h("option", { value }, field === "tier" ? `Tier ${value}` : value)));
      }
      select.value = query.get(field) ?? "";
      select.hidden = values.length < 2;
    }
  }

  #renderEmpty(all, rows) {
    this.#empty.hidden = rows.length > 0;
    this.#empty.textContent = all.length
      ? "No SLO is like that. Clear the filters with Esc."
      : "The engine knows no SLO yet: no server has recorded one, and no specs are given.";
  }

  #renderPager(page, pages, query) {
    this.#pager.hidden = pages < 2;
    const to = (number, rel, text) => {
      if (number < 1 || number > pages) return h("span", { class: "off", "aria-hidden": "true" }, text);
      const target = new URLSearchParams(query);
      target.set("page", String(number));
      return link(`?${target}`, { rel }, text);
    };
    this.#pager.replaceChildren(to(page - 1, "prev", "\u2190 Previous"), h("span", { "aria-current": "page" }, `Page ${page} of ${pages}`), to(page + 1, "next", "Next \u2192"));
  }

  #row({ slo, state, kind }) {
    const cell = (name, ...content) => h("td", { role: "cell", class: name }, content);
    const group = groupText(slo);
    const goal = `${slo.objective}\u00a0% ${periodText(slo.period)}`;
    const why = state === "ok" ? "" : slo.reasons[0] ?? "";
    return h(
      "tr",
      { role: "row", "data-key": slo.key, class: `${state} is-${kind}` },
      cell("state", badge(state)),
      h(
        "th",
        { scope: "row", role: "rowheader", class: "name" },
        link(address(slo), { class: "name" }, h("span", { class: "service" }, slo.service), h("span", { class: "slash" }, "/"), h("span", { class: "slo" }, slo.name), group && h("span", { class: "group" }, group)),
        h("span", { class: "sub" }, why ? h("span", { class: "why" }, why) : goal),
      ),
      cell("left", budget(slo, state)),
      cell("burn", h("span", { class: `number ${heat(rate(slo))}` }, burn(rate(slo)))),
      cell("gone", exhaustionText(slo, duration)),
      cell("owner", slo.owner ?? "\u2013", slo.tier && h("span", { class: "tier" }, `tier ${slo.tier}`)),
      h("td", { role: "cell", class: "age", "data-at": slo.provenance.evaluated_at ?? "" }, ago(this.#client.age(slo))),
    );
  }
}

// Above 1 the budget does not last the period; above 6 somebody should look.
export function heat(value) {
  if (value === null || value < 1) return "";
  return value < 6 ? "warm" : "hot";
}
