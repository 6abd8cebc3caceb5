// Show on a wall what needs attention: large, by itself, and readable from across the room.

import { counts, rate, remaining, sorted, STATES, WORDS } from "./attention.js";
import { h } from "./dom.js";
import { burn, duration, known, percent } from "./format.js";
import { badge, budgetBar, exhaustionText, groupText, shape, tone } from "./parts.js";

const PAGE_SECONDS = 12;

export class Wall {
  #client;
  #page = 0;
  #turned = performance.now();
  #rows = [];
  #counts = h("div", { class: "wall-counts" });
  #tiles = h("div", { class: "wall-tiles" });
  #foot = h("div", { class: "wall-foot" });
  #clock = h("time", { class: "wall-clock" });
  #age = h("p", { class: "wall-age" });
  element;

  constructor(client) {
    this.#client = client;
    this.element = h("section", { class: "wall", "aria-label": "Wall" }, h("header", {}, h("h1", { class: "unseen" }, "What needs attention"), this.#counts, h("div", { class: "wall-time" }, this.#clock, this.#age)), this.#tiles, this.#foot);
  }

  render() {
    const rows = sorted(this.#client.slos, this.#client);
    const found = counts(rows);
    this.#rows = rows.filter((row) => row.kind !== "ok");
    this.#counts.replaceChildren(
      ...STATES.filter((state) => found[state] || state === "ok" || state === "breached").map((state) =>
        h("div", { class: `wall-count ${state} ${found[state] ? "" : "none"}` }, shape(state), h("b", {}, found[state].toLocaleString("en")), h("span", {}, WORDS[state])),
      ),
    );
    this.#show();
    this.tick();
  }

  tick() {
    const fresh = this.#client.freshness();
    this.#clock.textContent = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" }).format(this.#client.now() * 1000);
    this.#age.textContent = fresh.age === null ? "not read yet" : `numbers ${duration(fresh.age)} old`;
    if (performance.now() - this.#turned > PAGE_SECONDS * 1000 && this.#pages() > 1) {
      this.#page = (this.#page + 1) % this.#pages();
      this.#show();
    }
  }

  #room() {
    const wide = innerWidth / innerHeight;
    const columns = innerWidth < 700 ? 1 : wide > 2.2 ? 4 : wide > 1.2 ? 3 : 2;
    return { columns, rows: innerWidth < 700 ? 4 : 3 };
  }

  #pages() {
    const { columns, rows } = this.#room();
    return Math.ceil(this.#rows.length / (columns * rows));
  }

  #show() {
    this.#turned = performance.now();
    const { columns, rows } = this.#room();
    const size = columns * rows;
    const pages = this.#pages();
    this.#page = Math.min(this.#page, Math.max(0, pages - 1));
    const shown = this.#rows.slice(this.#page * size, (this.#page + 1) * size);
    this.#tiles.dataset.few = shown.length <= columns ? "1" : shown.length <= columns * 2 ? "2" : "3";
    this.#tiles.style.setProperty("--columns", String(shown.length ? columns : 1));
    this.#tiles.replaceChildren(...(shown.length ? shown.map((row) => wallTile(row)) : [this.#allWell()]));
    const rest = sorted(this.#client.slos, this.#client).filter((row) => row.kind === "ok");
    this.#foot.replaceChildren(
      h("p", { class: "wall-rest" }, rest.length && this.#rows.length ? `${rest.length.toLocaleString("en")} more within budget; least left: ` : "", rest.slice(0, 4).map(({ slo }) => h("span", {}, `${slo.service}/${slo.name} `, h("b", {}, percent(remaining(slo), 0))))),
      h("p", { class: "wall-pages", role: pages > 1 ? "img" : null, "aria-label": pages > 1 ? `Page ${this.#page + 1} of ${pages}` : null }, pages > 1 && Array.from({ length: pages }, (_, index) => h("i", { class: index === this.#page ? "on" : "" }))),
    );
  }

  #allWell() {
    const total = this.#client.slos.length;
    if (!total) return h("p", { class: "wall-well" }, "No SLO is known yet.");
    return h("p", { class: "wall-well" }, shape("ok"), `All ${total.toLocaleString("en")} SLOs are within budget`);
  }
}

function wallTile({ slo, state, kind }) {
  const left = remaining(slo);
  const fast = known(rate(slo)) && rate(slo) >= 1;
  const line = kind === "no_data" ? "nothing is recorded" : kind === "stale" ? slo.reasons[0] ?? WORDS[state] : kind === "frozen" ? slo.reasons[0] ?? "" : fast ? `burns ${burn(rate(slo))}` : "";
  const gone = exhaustionText(slo, duration);
  return h(
    "div",
    { class: `wall-tile ${state} is-${kind}` },
    h("div", { class: "wall-top" }, h("span", { class: "wall-service" }, slo.service), badge(state)),
    h("span", { class: "wall-slo" }, slo.name, groupText(slo) && ` ${groupText(slo)}`),
    h("div", { class: "wall-number" }, h("b", { class: tone(left, state) }, percent(left, 0)), h("span", {}, known(left) ? "budget left" : "unknown")),
    budgetBar(slo, state),
    h("div", { class: "wall-line" }, h("span", {}, line), known(left) && left > 0 && fast && h("span", {}, gone === "not in sight" ? "" : `gone ${gone}`)),
  );
}
