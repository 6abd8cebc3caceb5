// Draw plots as SVG: a budget over time, and burn rates by window.

import { h, s } from "./dom.js";
import { burn, count, day, known, moment, percent } from "./format.js";

const HEIGHT = 300;
const LANE = 52;
const EDGE = { top: 18, right: 16, bottom: 26, left: 56 };

// The remaining budget over the period, with the bad events below it.
export function burnDown(points, { width, start, end, bands = [], marks = [], objective }) {
  const inner = { width: Math.max(120, width - EDGE.left - EDGE.right), height: HEIGHT - EDGE.top - EDGE.bottom - LANE - 14 };
  const known_ = points.filter((point) => known(point.remaining));
  const low = Math.min(0, ...known_.map((point) => point.remaining));
  const high = Math.max(1, ...known_.map((point) => point.remaining));
  const floor = low < 0 ? low * 1.08 : 0;
  const x = (at) => EDGE.left + ((at - start) / (end - start)) * inner.width;
  const y = (share) => EDGE.top + ((high - share) / (high - floor)) * inner.height;
  const bottom = EDGE.top + inner.height;
  const strokes = runs(points).map((run) => run.map((point) => `${n(x(point.at + point.seconds))} ${n(y(point.remaining))}`));
  const area = strokes.map((run) => {
    const first = run[0].split(" ")[0];
    const last = run.at(-1).split(" ")[0];
    return `M${first} ${n(y(0))}L${run.join("L")}L${last} ${n(y(0))}Z`;
  });
  const plot = s(
    "svg",
    { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": summary(known_, objective), class: "plot" },
    s("defs", {}, clip("above", EDGE.left, 0, inner.width, y(0)), clip("below", EDGE.left, y(0), inner.width, HEIGHT)),
    bands.filter((band) => band.end > start && band.start < end).map((band) => stretch(band, x, start, end, bottom)),
    levels(floor, high).map((share) => [
      s("line", { x1: EDGE.left, x2: EDGE.left + inner.width, y1: n(y(share)), y2: n(y(share)), class: share === 0 ? "zero" : "grid" }),
      s("text", { x: EDGE.left - 8, y: n(y(share) + 4), class: "end" }, short(share)),
    ]),
    ["above", "below"].map((side) =>
      s("g", { "clip-path": `url(#${side})`, class: side }, s("path", { d: area.join(""), class: "area" }), s("path", { d: strokes.map((run) => `M${run.join("L")}`).join(""), class: "line" })),
    ),
    marks.filter((mark) => mark.at >= start && mark.at <= end).map((mark) => flag(mark, x(mark.at), bottom)),
    badEvents(points, x, bottom + 14),
    days(start, end, inner.width).map((at) => s("text", { x: n(x(at)), y: HEIGHT - 8, class: "middle" }, day(at))),
  );
  return withReadout(plot, points, x, { start, end, width: inner.width, top: EDGE.top, bottom: bottom + 14 + LANE });
}

function clip(id, x, y, width, height) {
  return s("clipPath", { id }, s("rect", { x, y: n(y), width, height: n(Math.max(0, height)) }));
}

// Consecutive points; where nothing was measured the line breaks off.
function runs(points) {
  const found = [[]];
  for (const point of points) {
    if (known(point.remaining)) found.at(-1).push(point);
    else if (found.at(-1).length) found.push([]);
  }
  return found.filter((run) => run.length);
}

function levels(floor, high) {
  const span = high - floor;
  const step = [0.1, 0.25, 0.5, 1, 2, 5, 10, 25, 50, 100].find((size) => span / size <= 5) ?? span / 4;
  const found = [];
  for (let at = Math.ceil(floor / step) * step; at <= high + 1e-9; at += step) found.push(Math.abs(at) < 1e-9 ? 0 : at);
  return found;
}

function days(start, end, width) {
  const wanted = Math.max(2, Math.floor(width / 90));
  const step = Math.max(1, Math.ceil((end - start) / 86400 / wanted)) * 86400;
  const found = [];
  const first = new Date(start * 1000);
  first.setHours(24, 0, 0, 0);
  for (let at = first / 1000; at < end - step * 0.2; at += step) found.push(at);
  return found;
}

function stretch(band, x, start, end, bottom) {
  const left = x(Math.max(start, band.start));
  const right = x(Math.min(end, band.end));
  return s("rect", { x: n(left), y: EDGE.top, width: n(Math.max(3, right - left)), height: n(bottom - EDGE.top), class: `band ${band.kind}` }, s("title", {}, band.title));
}

function flag(mark, left, bottom) {
  return s(
    "g",
    { class: `mark ${mark.kind}` },
    s("line", { x1: n(left), x2: n(left), y1: EDGE.top, y2: n(bottom) }),
    s("path", { d: mark.kind === "deny" ? `M${n(left - 5)} ${EDGE.top - 10}h10v10h-10z` : `M${n(left)} ${EDGE.top}l-5 -10h10z` }),
    s("title", {}, mark.title),
  );
}

// Bad events as bars, at least as wide as can be seen.
function badEvents(points, x, top) {
  const most = Math.max(1e-9, ...points.map((point) => point.bad ?? 0));
  const bars = points
    .filter((point) => point.bad > 0)
    .map((point) => {
      const height = Math.max(1, Math.sqrt(point.bad / most) * (LANE - 14));
      const left = x(point.at);
      return `M${n(left)} ${n(top + LANE - 4)}h${n(Math.max(1.2, x(point.at + point.seconds) - left - 0.6))}v${n(-height)}h${n(-Math.max(1.2, x(point.at + point.seconds) - left - 0.6))}z`;
    });
  return s("g", { class: "bad" }, s("path", { d: bars.join("") }), s("text", { x: EDGE.left - 8, y: n(top + LANE - 20), class: "end" }, "bad"), s("text", { x: EDGE.left - 8, y: n(top + LANE - 6), class: "end" }, "events"));
}

function summary(points, objective) {
  if (!points.length) return "There is no history yet.";
  const least = Math.min(...points.map((point) => point.remaining));
  return `Remaining error budget for ${objective} %: ${percent(points[0].remaining)} at first, ${percent(least)} at least, ${percent(points.at(-1).remaining)} now.`;
}

function withReadout(plot, points, x, frame) {
  const text = h("p", { class: "readout", "aria-hidden": "true" }, "\u00a0");
  const line = s("line", { y1: frame.top, y2: frame.bottom, class: "cursor", visibility: "hidden" });
  plot.append(line);
  const show = (event) => {
    const box = plot.getBoundingClientRect();
    const at = frame.start + ((event.clientX - box.left - EDGE.left) / frame.width) * (frame.end - frame.start);
    const point = points.find((found) => found.at <= at && at < found.at + found.seconds);
    if (!point) return hide();
    const place = n(x(point.at + point.seconds));
    line.setAttribute("x1", place);
    line.setAttribute("x2", place);
    line.setAttribute("visibility", "visible");
    text.textContent = known(point.remaining)
      ? `${moment(point.at)}: ${percent(point.remaining)} left, ${count(point.bad)} of ${count(point.total)} bad`
      : `${moment(point.at)}: nothing was measured`;
  };
  const hide = () => {
    line.setAttribute("visibility", "hidden");
    text.textContent = "\u00a0";
  };
  plot.addEventListener("pointermove", show);
  plot.addEventListener("pointerleave", hide);
  return h("div", {}, plot, text);
}

// The share of good events in each stretch, against the objective.
export function goodShare(points, { width, start, end, objective }) {
  const height = 170;
  const found = points.map((point) => ({ ...point, share: known(point.bad) && point.total > 0 ? 1 - point.bad / point.total : null }));
  const shares = found.map((point) => point.share).filter(known);
  if (!shares.length) return null;
  const goal = objective / 100;
  const floor = Math.min(...shares, 1 - (1 - goal) * 2.2);
  const inner = { width: Math.max(120, width - EDGE.left - EDGE.right), height: height - EDGE.top - EDGE.bottom };
  const x = (at) => EDGE.left + ((at - start) / (end - start)) * inner.width;
  // The worst hours are far from the goal, the usual ones close to it: a scale of square roots shows both.
  const y = (share) => EDGE.top + Math.sqrt((1 - share) / (1 - floor)) * inner.height;
  const bottom = EDGE.top + inner.height;
  const strokes = runs(found.map((point) => ({ ...point, remaining: point.share }))).map((run) =>
    run.map((point) => `${n(x(point.at))} ${n(y(point.share))}H${n(x(point.at + point.seconds))}`).join("L"),
  );
  const missed = found.filter((point) => known(point.share) && point.share < goal);
  const labels = [[goal, `${objective}\u00a0%`], [floor, percent(floor, 2)], [1, "100\u00a0%"]].filter(([share], index) => index === 0 || Math.abs(y(share) - y(goal)) > 16);
  const words = `Share of good events: ${percent(Math.min(...shares), 2)} at worst, objective ${objective} %, missed in ${missed.length} of ${shares.length} stretches.`;
  return s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": words, class: "plot" },
    labels.map(([share, text]) => [
      s("line", { x1: EDGE.left, x2: EDGE.left + inner.width, y1: n(y(share)), y2: n(y(share)), class: share === goal ? "goal" : "grid" }),
      s("text", { x: EDGE.left - 8, y: n(y(share) + 4), class: "end" }, text),
    ]),
    missed.map((point) => s("rect", { x: n(x(point.at)), y: n(y(goal)), width: n(Math.max(1.5, x(point.at + point.seconds) - x(point.at))), height: n(y(point.share) - y(goal)), class: "missed" })),
    s("path", { d: strokes.map((run) => `M${run}`).join(""), class: "share" }),
    days(start, end, inner.width).map((at) => s("text", { x: n(x(at)), y: height - 8, class: "middle" }, day(at))),
    s("line", { x1: EDGE.left, x2: EDGE.left + inner.width, y1: n(bottom), y2: n(bottom), class: "grid" }),
  );
}

// Burn rates on a logarithmic scale; each window with the rates from which on somebody is told.
export function burnRates(rates, alerts, width) {
  const firing = (window, severity) => alerts.some((alert) => alert.state === "firing" && alert.severity === severity && alert.windows.split("/").includes(window));
  const left = 44;
  const right = 64;
  const row = 30;
  const height = rates.length * row + 34;
  const values = rates.flatMap(({ rate, thresholds }) => [rate, ...(thresholds ?? []).map((found) => found.rate)]).filter(known);
  const high = Math.max(20, ...values) * 1.15;
  const low = 0.1;
  const x = (value) => left + (Math.log10(Math.max(low, value) / low) / Math.log10(high / low)) * (width - left - right);
  const scale = [0.1, 1, 10, 100, 1000].filter((mark) => mark <= high);
  const words = rates.map(({ window, rate }) => `${window}: ${burn(rate)}`).join(", ");
  return s(
    "svg",
    { viewBox: `0 0 ${width} ${height}`, width, height, role: "img", "aria-label": `Burn rates: ${words}`, class: "plot" },
    scale.map((mark) => [
      s("line", { x1: n(x(mark)), x2: n(x(mark)), y1: 4, y2: height - 26, class: mark === 1 ? "zero" : "grid" }),
      s("text", { x: n(x(mark)), y: height - 8, class: "middle" }, `${mark}\u00d7`),
    ]),
    rates.map(({ window, rate, thresholds }, index) => {
      const top = 8 + index * row;
      const limits = (thresholds ?? []).filter((found) => known(found.rate));
      const over = limits.filter((found) => known(rate) && rate > found.rate);
      const paged = over.some((found) => found.severity === "page") || firing(window, "page");
      const kind = paged ? "page" : over.length || rate >= 1 ? "ticket" : "calm";
      return s(
        "g",
        { class: `rate ${kind}` },
        s("text", { x: left - 10, y: top + 15, class: "end" }, window),
        s("rect", { x: left, y: top + 2, width: n(width - left - right), height: 18, rx: 3, class: "track" }),
        known(rate) && rate > low && s("rect", { x: left, y: top + 2, width: n(x(rate) - left), height: 18, rx: 3, class: "fill" }),
        s("text", { x: width - right + 10, y: top + 16, class: "value" }, burn(rate)),
        limits.map((found) => s("g", { class: `limit ${found.severity}` }, ["halo", "mark"].map((part) => s("line", { x1: n(x(found.rate)), x2: n(x(found.rate)), y1: top - 1, y2: top + 23, class: part })), s("title", {}, `${found.severity} above ${burn(found.rate)}`))),
      );
    }),
  );
}

// Thousands of percent do not fit beside the axis.
function short(share) {
  return Math.abs(share) < 10 ? percent(share, 0) : percent(share / 1000).replace("\u00a0%", "k\u00a0%");
}

function n(value) {
  return Number(value.toFixed(1));
}
