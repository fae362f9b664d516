// The live connection: resumes after the newest message we have, notices a dead line, never gives up.

const SILENCE = 40000;
const WAITS = [0.5, 1, 2, 4, 8];

export class Stream {
  // `on`: message(data), state(data), up(), down(), noSession()
  constructor(after, on) {
    this.after = after;
    this.on = on;
    this.fails = 0;
    this.source = null;
    addEventListener("online", () => this.open());
    addEventListener("offline", () => this.lost());
    addEventListener("pageshow", (event) => event.persisted && this.open());
    document.addEventListener("visibilitychange", () => {
      if (!document.hidden && this.source?.readyState !== EventSource.OPEN) this.open();
    });
  }

  open() {
    clearTimeout(this.timer);
    this.source?.close();
    const source = new EventSource(`/chat/events?after=${this.after()}`);
    this.source = source;
    const alive = () => this.alive(source);
    source.addEventListener("hello", () => {
      this.fails = 0;
      this.on.up();
      alive();
    });
    source.addEventListener("beat", alive);
    source.addEventListener("message", (event) => {
      alive();
      this.on.message(JSON.parse(event.data));
    });
    source.addEventListener("state", (event) => {
      alive();
      this.on.state(JSON.parse(event.data));
    });
    source.addEventListener("error", () => source === this.source && this.lost());
    this.alive(source);
  }

  alive(source) {
    clearTimeout(this.watch);
    this.watch = setTimeout(() => source === this.source && this.lost(), SILENCE);
  }

  // The browser's own reconnection stops for good at an error status: ours does not.
  lost() {
    this.source?.close();
    this.on.down();
    clearTimeout(this.timer);
    clearTimeout(this.watch);
    if (!navigator.onLine) return;
    const wait = WAITS[Math.min(this.fails, WAITS.length - 1)] * (0.75 + Math.random() / 2);
    this.fails += 1;
    this.timer = setTimeout(async () => {
      if (this.fails > 1) await this.on.noSession();
      this.open();
    }, wait * 1000);
  }
}
