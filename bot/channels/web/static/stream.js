// The live connection: resumes after the newest message we have, notices a dead line, never gives up.
// Read by hand: the browser's EventSource sends no header, and a token has no place in an address.

import { call } from "./link.js";

const SILENCE = 40000; // the service gives a sign of life each 15 s
const OPENING = 8000; // and greets at once: a line into a dying service may never be answered
const WAITS = [0.5, 1, 2, 4, 8];

export class Stream {
  // `on`: message(data), state(data), up(), down(), noSession()
  constructor(after, on) {
    this.after = after;
    this.on = on;
    this.fails = 0;
    this.line = null; // the AbortController of the present connection
    this.wanted = false;
    addEventListener("online", () => this.wanted && this.open());
    addEventListener("offline", () => this.wanted && this.lost());
    addEventListener("pageshow", (event) => event.persisted && this.wanted && this.open());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.wanted && !this.line) this.open();
    });
  }

  close() {
    this.wanted = false;
    this.hangUp();
  }

  hangUp() {
    clearTimeout(this.timer);
    clearTimeout(this.watch);
    this.line?.abort();
    this.line = null;
  }

  async open() {
    this.hangUp();
    this.wanted = true;
    const line = new AbortController();
    this.line = line;
    this.alive(line, OPENING);
    try {
      const response = await call("/chat/events", {
        headers: { "Last-Event-ID": String(this.after()) },
        signal: line.signal,
      });
      if (!response.ok) throw new Error(`events ${response.status}`);
      for await (const [name, data] of events(response.body)) {
        if (line !== this.line) return;
        this.alive(line);
        this.take(name, data);
      }
    } catch {
      /* the same as an end */
    }
    if (line === this.line) this.lost();
  }

  take(name, data) {
    if (name === "hello") {
      this.fails = 0;
      this.on.up();
    }
    if (name === "message") this.on.message(JSON.parse(data));
    if (name === "state") this.on.state(JSON.parse(data));
  }

  alive(line, patience = SILENCE) {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => line === this.line && this.lost(), patience);
  }

  lost() {
    this.hangUp();
    this.on.down();
    if (!navigator.onLine) return;
    const wait = WAITS[Math.min(this.fails, WAITS.length - 1)] * (0.75 + Math.random() / 2);
    this.fails += 1;
    this.timer = setTimeout(async () => {
      if (this.fails > 1) await this.on.noSession();
      if (this.wanted) this.open();
    }, wait * 1000);
  }
}

// [name, data] of each event: ours have one line of data and end their lines with \n.
async function* events(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    const blocks = (rest + value).split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      const name = /^event: (.*)$/m.exec(block)?.[1];
      if (name) yield [name, /^data: (.*)$/m.exec(block)?.[1]];
    }
  }
}
