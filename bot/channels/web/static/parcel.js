// A parcel's page, or a ticket's: keeps what it shows up to date, without a reload and without losing the focus.

const main = document.getElementById("main");
const live = document.getElementById("live");
const SILENCE = 40000; // the service gives a sign of life each 15 s
const AGAIN = 3000;

const shown = {};
let seen = main.dataset.seen;
let line = null;
let watch;
let again;

function open() {
  close();
  const address = new URL(main.dataset.events, location.href);
  address.searchParams.set("seen", seen);
  line = new EventSource(address);
  line.addEventListener("hello", () => standing(true));
  line.addEventListener("beat", alive);
  line.addEventListener("page", (event) => {
    alive();
    seen = event.lastEventId;
    renew(JSON.parse(event.data));
  });
  // The browser tries again by itself, but for a refusal: that ends the line.
  line.onerror = () => {
    standing(false);
    if (line?.readyState === EventSource.CLOSED) again = setTimeout(open, AGAIN * (1 + Math.random()));
  };
  alive();
}

function close() {
  clearTimeout(watch);
  clearTimeout(again);
  line?.close();
  line = null;
}

function alive() {
  clearTimeout(watch);
  watch = setTimeout(() => { standing(false); open(); }, SILENCE);
}

function standing(on) {
  live.hidden = false;
  live.classList.toggle("off", !on);
  const text = on ? live.dataset.on : live.dataset.off;
  const words = document.getElementById("live-text");
  if (words.textContent !== text) words.textContent = text;
}

// The parts are our own templates, escaped by the service. What is unchanged is left alone: somebody
// may be typing in it.
function renew(parts) {
  for (const name of Object.keys(parts).filter((part) => part !== "news")) {
    if (shown[name] === parts[name]) continue;
    const first = !(name in shown);
    shown[name] = parts[name];
    const place = document.getElementById(name);
    const fresh = document.createElement("div");
    fresh.innerHTML = parts[name];
    if (first && fresh.textContent === place.textContent) continue;
    const focused = place.contains(document.activeElement) ? name : null;
    place.replaceChildren(...fresh.childNodes);
    if (focused) main.focus({ preventScroll: true });
  }
  document.getElementById("news").textContent = parts.news;
}

document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pageshow", (event) => event.persisted && open());
addEventListener("pagehide", close);
open();
