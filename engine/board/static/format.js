// Write numbers and times for people.

const MINUS = "\u2212";
const DASH = "\u2013";

export function percent(share, digits = 1) {
  if (!known(share)) return DASH;
  const value = share * 100;
  const places = Math.abs(value) >= 100 ? 0 : digits;
  return `${signed(value.toFixed(places))}\u00a0%`;
}

// A share of good events with as many nines as it takes to tell it from its target.
export function ratio(share, objective) {
  if (!known(share)) return DASH;
  const nines = Math.max(0, Math.ceil(-Math.log10(Math.max(1e-7, 1 - objective / 100))) - 1);
  return `${(Math.floor(share * 10 ** (nines + 3)) / 10 ** (nines + 1)).toFixed(nines + 1)}\u00a0%`;
}

export function burn(rate) {
  if (!known(rate)) return DASH;
  if (rate >= 100) return `${Math.round(rate).toLocaleString("en")}\u00d7`;
  return `${rate.toFixed(rate >= 10 ? 1 : 2)}\u00d7`;
}

export function count(number) {
  if (!known(number)) return DASH;
  const size = Math.abs(number);
  for (const [unit, sign] of [[1e9, "G"], [1e6, "M"], [1e4, "k"]]) {
    if (size >= unit) {
      const scaled = number / (sign === "k" ? 1e3 : unit);
      return signed(scaled.toFixed(Math.abs(scaled) >= 100 ? 0 : 1)) + sign;
    }
  }
  return signed(Math.round(number).toLocaleString("en"));
}

const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];

export function duration(seconds) {
  if (!known(seconds)) return DASH;
  let left = Math.max(0, seconds);
  // From ten days on, nobody wants the hours.
  if (left >= 864000) return `${Math.round(left / 86400)}\u00a0d`;
  if (left < 60) return `${Math.floor(left)}\u00a0s`;
  left = Math.floor(left / 60) * 60;
  const found = [];
  for (const [size, sign] of UNITS) {
    const whole = Math.floor(left / size);
    left -= whole * size;
    if (whole) found.push(`${whole}\u00a0${sign}`);
    else if (found.length) break;
    if (found.length === 2) break;
  }
  return found.join(" ");
}

export function ago(seconds) {
  return known(seconds) ? `${duration(seconds)} ago` : "never";
}

export function moment(at) {
  return known(at) ? MOMENT.format(at * 1000) : DASH;
}

export function clock(at) {
  return known(at) ? CLOCK.format(at * 1000) : DASH;
}

export function day(at) {
  return DAY.format(at * 1000);
}

const MOMENT = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short", hour: "2-digit", minute: "2-digit" });
const CLOCK = new Intl.DateTimeFormat("en-GB", { hour: "2-digit", minute: "2-digit" });
const DAY = new Intl.DateTimeFormat("en-GB", { day: "numeric", month: "short" });

export function known(number) {
  return typeof number === "number" && Number.isFinite(number);
}

function signed(text) {
  return text.replace(/^-/, MINUS);
}
