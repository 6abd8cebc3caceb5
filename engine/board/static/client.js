// Keep what the engine knows, and know how old it is.

const PAGE = 1000;
const REQUEST_MS = 10_000;
const POLL_MS = 30_000;
const SILENCE_MS = 60_000;
const AGING_SECONDS = 120;
const STALE_SECONDS = 900;
// Ten thousand SLOs are megabytes: they are read less often.
const MANY = 2_000;
const MANY_PAUSE_MS = 60_000;

export class Unauthorized extends Error {}

export class Client extends EventTarget {
  slos = [];
  records = { corrections: [], freezes: [], overrides: [], decisions: [] };
  loaded = false;
  unauthorized = false;
  #etags = new Map();
  #head = null;
  #reached = null;
  #failure = null;
  #running = null;
  #again = false;
  #loadedAt = 0;
  #stream = null;
  #heardAt = 0;
  #timer = null;

  start() {
    this.#listen();
    this.refresh();
    setInterval(() => this.#watch(), 5_000);
    addEventListener("online", () => this.refresh());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden) this.refresh();
    });
  }

  // Unix seconds by the engine's clock, whatever the clock of this machine says.
  now() {
    if (!this.#head) return Date.now() / 1000;
    return this.#head.taken_at + this.#head.age + (performance.now() - this.#head.at) / 1000;
  }

  // How far the numbers can be relied on.
  freshness() {
    if (!this.#head) return { level: this.#failure ? "stale" : "unknown", age: null, offline: !!this.#failure };
    const age = this.now() - this.#head.taken_at;
    const offline = this.#failure !== null;
    const limit = this.#head.stale_after ?? STALE_SECONDS;
    const stale = age > limit || this.#head.stale;
    const aging = offline || age > AGING_SECONDS || !this.#head.complete;
    return {
      level: stale ? "stale" : aging ? "aging" : "fresh",
      age,
      offline,
      takenAt: this.#head.taken_at,
      complete: this.#head.complete,
      read: this.#head.snapshot !== 0,
      why: this.#failure,
    };
  }

  // The state as it is to be read now: what has aged since it was read is stale.
  state(slo) {
    const at = slo.provenance.evaluated_at;
    const limit = this.#head?.stale_after ?? STALE_SECONDS;
    if (this.freshness().level === "stale") return "stale";
    return at !== null && this.now() - at > limit ? "stale" : slo.state;
  }

  age(slo) {
    const at = slo.provenance.evaluated_at;
    return at === null ? null : this.now() - at;
  }

  async refresh() {
    if (this.#running) {
      this.#again = true;
      return;
    }
    clearTimeout(this.#timer);
    this.#running = this.#load();
    await this.#running;
    this.#running = null;
    if (this.#again) {
      this.#again = false;
      const pause = this.slos.length > MANY ? MANY_PAUSE_MS - (performance.now() - this.#loadedAt) : 500;
      this.#timer = setTimeout(() => this.refresh(), Math.max(500, pause));
    }
  }

  async #load() {
    try {
      await this.#slos();
      await this.#ledger();
      this.#failure = null;
      this.unauthorized = false;
      this.loaded = true;
      this.#loadedAt = performance.now();
    } catch (error) {
      this.unauthorized = error instanceof Unauthorized;
      this.#failure = error.message || String(error);
    }
    this.dispatchEvent(new Event("change"));
  }

  async #slos() {
    const found = [];
    let cursor = null;
    let head = null;
    do {
      const query = `limit=${PAGE}${cursor ? `&cursor=${cursor}` : ""}`;
      const page = await this.#page(`v1/slos?${query}`);
      head ??= page;
      found.push(...page.slos);
      cursor = page.next;
    } while (cursor);
    this.slos = found;
    this.#setHead(head, head.age);
  }

  async #page(path) {
    const known = this.#etags.get(path);
    const answer = await ask(path, known ? { "If-None-Match": known.etag } : {});
    const age = Number(answer.headers.get("Slo-Data-Age"));
    if (answer.status === 304) return { ...known.body, age };
    const body = await answer.json();
    const etag = answer.headers.get("ETag");
    if (etag) this.#etags.set(path, { etag, body });
    return body;
  }

  // Without the ledger the board goes on: its numbers do not come from there.
  async #ledger() {
    for (const kind of ["corrections", "freezes", "overrides", "decisions"]) {
      try {
        const answer = await ask(`v1/${kind}`);
        this.records[kind] = (await answer.json())[kind];
        this.records.problem = null;
      } catch (error) {
        if (error instanceof Unauthorized) throw error;
        this.records.problem = error.message;
        return;
      }
    }
  }

  history(slo) {
    return this.#read(historyOf(slo));
  }

  decisions(slo) {
    return this.#read(`v1/decisions?limit=50&slo=${encodeURIComponent(slo.service + "/" + slo.name)}`);
  }

  async #read(address) {
    return (await ask(address)).json();
  }

  async logIn(token) {
    await ask("board/session", { "Content-Type": "application/json" }, "POST", JSON.stringify({ token }));
    this.#stream?.close();
    this.#listen();
    await this.refresh();
  }

  #setHead(head, age) {
    this.#head = { ...head, slos: null, age, at: performance.now() };
    this.#reached = performance.now();
  }

  #listen() {
    const stream = new EventSource("v1/events");
    this.#stream = stream;
    this.#heardAt = performance.now();
    stream.addEventListener("snapshot", (event) => {
      this.#heard(event);
      if (this.slos.length > MANY && performance.now() - this.#loadedAt < MANY_PAUSE_MS) {
        this.#again = true;
        clearTimeout(this.#timer);
        this.#timer = setTimeout(() => this.refresh(), MANY_PAUSE_MS);
      } else this.refresh();
    });
    stream.addEventListener("age", (event) => this.#heard(event));
    stream.addEventListener("records", () => this.refresh());
    stream.addEventListener("error", () => {
      // The browser tries again by itself, unless the engine refused.
      if (stream.readyState === EventSource.CLOSED) this.#heardAt = -Infinity;
      if (!this.unauthorized) this.refresh();
    });
  }

  #heard(event) {
    this.#heardAt = performance.now();
    const state = JSON.parse(event.data);
    // Another snapshot than the one on the page says nothing about the age of this one.
    if (this.#head && state.snapshot === this.#head.snapshot && state.taken_at !== null) {
      if (Math.abs(state.taken_at - this.#head.taken_at) < 0.01) {
        this.#head.age = state.age;
        this.#head.at = performance.now();
        this.#head.stale = state.stale;
      }
    }
  }

  #watch() {
    const now = performance.now();
    if (this.unauthorized) return;
    if (now - this.#heardAt > SILENCE_MS) {
      this.#stream?.close();
      this.#listen();
    }
    if (this.#failure || now - (this.#reached ?? 0) > Math.max(POLL_MS, this.slos.length > MANY ? MANY_PAUSE_MS : 0)) {
      this.refresh();
    }
  }
}

// Names with slashes cannot stand in a path.
export function historyOf(slo) {
  const groups = Object.entries(slo.group).map(([label, value]) => ["group", `${label}=${value}`]);
  return `v1/history?${new URLSearchParams([["service", slo.service], ["name", slo.name], ...groups])}`;
}

async function ask(address, headers = {}, method = "GET", body = undefined) {
  let answer;
  try {
    answer = await fetch(address, { method, body, headers, cache: "no-store", signal: AbortSignal.timeout(REQUEST_MS) });
  } catch (error) {
    throw new Error(error.name === "TimeoutError" ? "it did not answer in time" : "it cannot be reached");
  }
  if (answer.ok || answer.status === 304) return answer;
  let detail = `it answered with status ${answer.status}`;
  try {
    detail = (await answer.json()).detail ?? detail;
  } catch {
    // The status says enough.
  }
  throw answer.status === 401 || answer.status === 403 ? new Unauthorized(detail) : new Error(detail);
}
