// Start the board: choose the view by the address, and keep it fresh.

import { counts, sorted } from "./attention.js";
import { Activity } from "./activity.js";
import { Client } from "./client.js";
import { Detail } from "./detail.js";
import { h } from "./dom.js";
import { ago, clock, duration } from "./format.js";
import { helpDialog, listen } from "./keys.js";
import { logInForm } from "./login.js";
import { Overview } from "./overview.js";
import { Wall } from "./wall.js";

const THEMES = ["auto", "light", "dark"];

const main = document.getElementById("main");
const banner = document.getElementById("banner");
const client = new Client();
const views = {
  overview: new Overview(client, go),
  detail: new Detail(client),
  activity: new Activity(client),
  wall: new Wall(client),
};
const help = helpDialog();
let current = null;
let announced = "";

function viewOf(query) {
  if (query.has("wall")) return "wall";
  if (query.has("slo")) return "detail";
  return query.get("view") === "activity" ? "activity" : "overview";
}

function render() {
  const query = new URLSearchParams(location.search);
  const name = viewOf(query);
  document.body.dataset.view = name;
  showFreshness();
  if (client.unauthorized) {
    show("login", logIn);
    return;
  }
  if (!client.loaded) {
    if (client.freshness().offline) show("lost", lost);
    return;
  }
  show(name, views[name].element);
  views[name].render(query);
  for (const link of document.querySelectorAll("nav [data-view]")) {
    if (link.dataset.view === name) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

const logIn = logInForm((token) => client.logIn(token));
const lost = h("p", { class: "loading" }, "The engine cannot be reached yet. The board tries again by itself.");

function show(name, element) {
  if (current === name && main.firstElementChild === element) return;
  current = name;
  main.replaceChildren(element);
}

export function go(address, { replace = false } = {}) {
  const before = location.search;
  history[replace ? "replaceState" : "pushState"](null, "", address === "?" ? "./" : address);
  render();
  if (viewOf(new URLSearchParams(before)) !== viewOf(new URLSearchParams(location.search))) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
  }
}

function showFreshness() {
  const fresh = client.freshness();
  document.body.dataset.freshness = fresh.level;
  const pill = document.getElementById("freshness");
  pill.dataset.level = fresh.level;
  const text = document.getElementById("freshness-text");
  text.textContent = fresh.age === null
    ? fresh.offline ? "Engine not reached" : "Connecting"
    : `${fresh.offline ? "Last read" : "Read"} ${ago(fresh.age)}`;
  showBanner(fresh);
}

function showBanner(fresh) {
  const words = bannerWords(fresh);
  banner.hidden = words === "";
  banner.className = fresh.level;
  // Read out once, not every second.
  const spoken = words.replace(/[\d\u00a0]+ (s|min|h|d)\b/g, "");
  if (banner.dataset.spoken !== spoken || !words) {
    banner.dataset.spoken = spoken;
    banner.replaceChildren(...(words ? [h("strong", {}, fresh.level === "stale" ? "Out of date" : "Ageing"), h("span", {}, words)] : []));
  }
}

function bannerWords(fresh) {
  if (client.unauthorized || fresh.level === "fresh" || fresh.level === "unknown") return "";
  const at = fresh.age === null ? "" : ` The numbers are those of ${clock(fresh.takenAt)}.`;
  const rely = fresh.level === "stale" ? " Do not rely on them." : "";
  if (fresh.offline) return `The engine does not answer: ${fresh.why}.${at}${rely}`;
  if (!fresh.read) return "No metrics server has answered yet.";
  if (fresh.level === "stale") return `No metrics server has answered for ${duration(Math.floor(fresh.age / 60) * 60)}.${at}${rely}`;
  if (!fresh.complete) return "The metrics server answered only a part; some numbers are older than others.";
  return `The metrics server is slow to answer.${at}`;
}

function tick() {
  const level = document.body.dataset.freshness;
  showFreshness();
  for (const cell of document.querySelectorAll("[data-at]")) {
    const at = cell.dataset.at;
    cell.textContent = at === "" ? "never" : ago(client.now() - Number(at));
  }
  // States depend on how old the numbers are.
  if (document.body.dataset.freshness !== level) render();
  if (current === "wall") views.wall.tick();
}

function announce() {
  const found = counts(sorted(client.slos, client));
  const words = `${found.breached} breached, ${found.stale + found.no_data} unknown, ${found.warning} with warnings, of ${client.slos.length} SLOs`;
  const title = found.breached ? `(${found.breached}) Error budgets` : "Error budgets";
  if (document.title !== title) document.title = title;
  if (words !== announced) {
    announced = words;
    document.getElementById("announce").textContent = words;
  }
}

function theme(step) {
  let stored = "auto";
  try {
    stored = localStorage.getItem("theme") ?? "auto";
    if (step) {
      stored = THEMES[(THEMES.indexOf(stored) + 1) % THEMES.length];
      localStorage.setItem("theme", stored);
    }
  } catch {
    // Without storage the choice lasts as long as the page.
    if (step) stored = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  }
  document.documentElement.dataset.theme = stored;
  document.getElementById("theme").textContent = `Theme: ${stored}`;
}

function escape() {
  const query = new URLSearchParams(location.search);
  if (current === "overview") {
    if (document.activeElement === views.overview.search) {
      document.activeElement.blur();
      if (!query.get("q")) return;
    }
    if (location.search) go("./");
  } else if (current !== null) go("./");
}

function onOverview(work) {
  return (event) => (current === "overview" ? work(event) : false);
}

document.addEventListener("click", (event) => {
  const link = event.target.closest?.("a[data-nav]");
  if (!link || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  event.preventDefault();
  go(link.getAttribute("href"));
});
addEventListener("popstate", render);
document.getElementById("theme").addEventListener("click", () => theme(1));
document.getElementById("help").addEventListener("click", () => help.showModal());
listen(
  {
    "/": () => {
      if (current !== "overview") go("./");
      views.overview.search.focus();
      views.overview.search.select();
    },
    ArrowDown: onOverview(() => views.overview.move(1)),
    ArrowUp: onOverview(() => views.overview.move(-1)),
    j: onOverview(() => views.overview.move(1)),
    k: onOverview(() => views.overview.move(-1)),
    ArrowRight: onOverview(() => views.overview.turn(1)),
    ArrowLeft: onOverview(() => views.overview.turn(-1)),
    Escape: escape,
    "?": () => help.showModal(),
    t: () => theme(1),
    o: () => go("./"),
    a: () => go("?view=activity"),
    w: () => go("?wall"),
  },
  help,
);

client.addEventListener("change", () => {
  render();
  if (client.loaded) announce();
});
theme(0);
render();
client.start();
setInterval(tick, 1_000);
