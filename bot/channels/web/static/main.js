// Puts the page together: session, history, live stream, composer.

import { config, say, shelf, timeOf } from "./words.js";
import * as messages from "./messages.js";
import * as outgoing from "./outgoing.js";
import * as scroll from "./scroll.js";
import { Stream } from "./stream.js";

const $ = (id) => document.getElementById(id);
const words = $("words");
const title = document.title;
let connected = false;
let trouble = false;
let current = { holder: "bot", typing: false };
let unread = 0;
let receipted = 0;

async function session() {
  const response = await fetch("/chat/session", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: "{}",
  });
  if (!response.ok) throw new Error(`session ${response.status}`);
  return (await response.json()).visitor;
}

async function history(before) {
  const response = await fetch(`/chat/history${before ? `?before=${before}` : ""}`);
  if (!response.ok) throw new Error(`history ${response.status}`);
  return response.json();
}

async function begin(attempt = 0) {
  try {
    const visitor = await session();
    const page = await history();
    for (const message of page.messages) arrived(message, true);
    $("older").hidden = !page.more;
    showState(page.state);
    outgoing.open(visitor, { onTrouble: setTrouble, onNoSession: renew });
    refresh();
    scroll.toEnd();
    $("log").setAttribute("aria-busy", "false");
    stream.open();
    receipt();
  } catch {
    setTrouble(true);
    setTimeout(() => begin(attempt + 1), Math.min(1000 * 2 ** attempt, 8000));
  }
}

async function renew() {
  try {
    outgoing.open(await session(), { onTrouble: setTrouble, onNoSession: renew });
  } catch {
    /* the next attempt asks again */
  }
}

const stream = new Stream(messages.newestId, {
  message: (message) => arrived(message, false),
  state: showState,
  up: () => {
    connected = true;
    setTrouble(false);
    showStatus();
    outgoing.flush();
  },
  down: () => {
    connected = false;
    showStatus();
  },
  noSession: renew,
});

function arrived(message, old) {
  if (message.client_id) outgoing.settled(message.client_id);
  if (!messages.put(message) || old) return;
  if (document.hidden && message.author !== "customer") unread += 1;
  refresh();
  scroll.follow(message.author !== "customer");
  receipt();
}

// What the screen shows is told to the service: the person who wrote it sees "delivered".
function receipt() {
  const newest = messages.newestId();
  if (newest <= receipted || document.hidden) return;
  receipted = newest;
  fetch("/chat/receipts", {
    method: "POST",
    headers: { "Content-Type": "application/json" },
    body: JSON.stringify({ up_to: newest }),
    keepalive: true,
  }).catch(() => { receipted = 0; });
}

function refresh() {
  const empty = messages.count() === 0;
  $("welcome").hidden = !empty;
  $("chips").hidden = empty || current.holder === "agent";
  document.title = unread ? say("unread", { count: unread, title }) : title;
  const offered = messages.choices();
  $("choices").hidden = offered.length === 0;
  $("choices").replaceChildren(...offered.map((choice) => {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = choice.title;
    button.addEventListener("click", () => send(choice.say));
    return button;
  }));
}

function showState(state) {
  current = state;
  const before = $("typing").hidden;
  $("typing").hidden = !state.typing;
  if (before && state.typing) scroll.follow(false);
  refresh();
  showStatus();
}

function showStatus() {
  const look = !navigator.onLine || !connected ? "down" : current.holder;
  document.body.dataset.status = look;
  const text = statusText(look);
  if ($("status-text").textContent !== text) $("status-text").textContent = text;
  const warning = !navigator.onLine ? say("offline") : trouble ? say("trouble") : "";
  $("banner").hidden = !warning;
  if ($("banner").textContent !== warning) $("banner").textContent = warning;
}

function statusText(look) {
  if (!navigator.onLine) return say("no_network");
  if (look === "down") return say(receipted || messages.count() ? "reconnecting" : "connecting");
  if (look === "agent") return current.agent ? say("agent", { name: current.agent }) : say("agent_nameless");
  if (look === "waiting" && current.place) {
    const soon = current.contact_by && new Date(current.contact_by);
    return soon > new Date()
      ? say("place_by", { place: current.place, time: timeOf(soon) })
      : say("place", { place: current.place });
  }
  return say(look === "waiting" ? "waiting" : "bot");
}

function setTrouble(on) {
  trouble = on;
  showStatus();
}

function send(text) {
  const ready = text.trim();
  if (!ready || outgoing.tooLong(ready) > 0) return false;
  outgoing.add(ready);
  refresh();
  scroll.toEnd(true);
  return true;
}

function draft() {
  words.style.height = "auto";
  words.style.height = `${words.scrollHeight}px`;
  const over = outgoing.tooLong(words.value.trim());
  const left = -over;
  $("counter").textContent = over > 0 ? say("over", { count: over }) : left < 300 ? say("left", { count: left }) : "";
  $("counter").classList.toggle("over", over > 0);
  $("composer").classList.toggle("ready", words.value.trim() !== "" && over <= 0);
  shelf.set("draft", words.value || null);
}

words.addEventListener("input", draft);
words.addEventListener("keydown", (event) => {
  // Enter that ends the choice of a Chinese word belongs to the input method (229: Safari).
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (!send(words.value)) return words.focus();
  words.value = "";
  draft();
  return words.focus();
});
document.addEventListener("click", (event) => {
  const starter = event.target.closest("[data-say]");
  if (starter) send(starter.dataset.say);
});
$("older").addEventListener("click", async () => {
  $("older").disabled = true;
  try {
    const page = await history(messages.oldestId());
    scroll.keepPlace(() => {
      for (const message of page.messages) messages.put(message);
      $("older").hidden = !page.more;
    });
  } catch {
    setTrouble(true);
  } finally {
    $("older").disabled = false;
  }
});
document.addEventListener("visibilitychange", () => {
  if (document.hidden) return;
  unread = 0;
  refresh();
  receipt();
});
addEventListener("online", () => { showStatus(); outgoing.flush(); });
addEventListener("offline", () => { showStatus(); outgoing.flush(); });
addEventListener("pagehide", () => stream.source?.close());

words.value = shelf.get("draft") || "";
draft();
begin();
