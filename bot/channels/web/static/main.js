// Puts the page together: session, history, live stream, composer.

import * as host from "./host.js";
import * as link from "./link.js";
import { call } from "./link.js";
import { say, shelf, timeOf } from "./words.js";
import * as messages from "./messages.js";
import * as outgoing from "./outgoing.js";
import * as place from "./place.js";
import * as scroll from "./scroll.js";
import { Stream } from "./stream.js";
import * as tray from "./tray.js";

const $ = (id) => document.getElementById(id);
const words = $("words");
const title = document.title;
let connected = false;
let trouble = false;
let current = { holder: "bot", typing: false };
let seen = null; // the newest message the customer has seen on this device
let told = { up_to: 0, read: 0 };

async function history(before) {
  const response = await call(`/chat/history${before ? `?before=${before}` : ""}`);
  if (!response.ok) throw new Error(`history ${response.status}`);
  return response.json();
}

// Who sits here: whom the site vouches for, else a stranger.
async function enter(claim) {
  if (!claim) return link.session();
  try {
    const visitor = await link.identify(claim);
    host.tell("identity", { ok: true });
    return visitor;
  } catch (error) {
    if (!(error instanceof link.Refused)) throw error;
    host.tell("identity", { ok: false, message: error.message });
    return link.session();
  }
}

let turn = 0;
async function begin(claim, attempt = 0, mine = (turn += 1)) {
  try {
    const visitor = await enter(claim);
    const page = await history();
    if (mine !== turn) return;
    for (const message of page.messages) arrived(message, true);
    seen ??= shelf.get("seen") ?? messages.newestId();
    $("older").hidden = !page.more;
    showState(page.state);
    outgoing.open(visitor, { onTrouble: setTrouble, onNoSession: renew });
    refresh();
    scroll.toEnd();
    $("log").setAttribute("aria-busy", "false");
    stream.open();
    receipt();
  } catch {
    if (mine !== turn) return;
    setTrouble(true);
    setTimeout(() => mine === turn && begin(claim, attempt + 1, mine), Math.min(1000 * 2 ** attempt, 8000));
  }
}

// The site's visitor has signed in (what he wrote goes first, in the old name) or out.
async function become(claim) {
  if (claim) await outgoing.sent();
  else link.forget();
  stream.close();
  outgoing.close();
  messages.clear();
  if (!claim) { words.value = ""; tray.empty(true); draft(); }
  told = { up_to: 0, read: 0 };
  return begin(claim);
}

async function renew() {
  try {
    outgoing.open(await link.session(), { onTrouble: setTrouble, onNoSession: renew });
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
  receipt();
  refresh();
  scroll.follow(message.author !== "customer");
}

// What has come, and what the customer has seen, is told to the service: the person who wrote it
// reads "delivered" and "read".
function receipt() {
  const newest = messages.newestId();
  if (host.visible() && newest > seen) shelf.set("seen", (seen = newest));
  const read = host.visible() ? newest : told.read;
  if (newest <= told.up_to && read <= told.read) return;
  told = { up_to: newest, read };
  call("/chat/receipts", { body: told, keepalive: true }).catch(() => { told = { up_to: 0, read: 0 }; });
}

function refresh() {
  const empty = messages.count() === 0;
  $("welcome").hidden = !empty;
  $("chips").hidden = empty || current.holder === "agent";
  const unread = messages.theirsAfter(seen ?? Infinity);
  document.title = unread ? say("unread", { count: unread, title }) : title;
  host.tell("unread", { count: unread });
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
  messages.progress(state);
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
  if (look === "down") return say(messages.count() ? "reconnecting" : "connecting");
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

function send(text, files = [], point = null) {
  const ready = text.trim();
  if ((!ready && !files.length) || outgoing.tooLong(ready) > 0) return false;
  outgoing.add(ready, files, point);
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
  const something = words.value.trim() !== "" || tray.files().length > 0;
  $("composer").classList.toggle("ready", something && over <= 0 && !tray.failed());
  shelf.set("draft", words.value || null);
}

words.addEventListener("input", draft);
tray.open(draft);
place.open((point) => send(say("here"), [], point));
words.addEventListener("keydown", (event) => {
  // Enter that ends the choice of a Chinese word belongs to the input method (229: Safari).
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
  event.preventDefault();
  $("composer").requestSubmit();
});
$("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (tray.failed()) return tray.complain();
  if (!send(words.value, tray.files())) return words.focus();
  tray.empty();
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
function looked() {
  if (!host.visible()) return;
  receipt();
  refresh();
}
document.addEventListener("visibilitychange", looked);
addEventListener("online", () => { showStatus(); outgoing.flush(); });
addEventListener("offline", () => { showStatus(); outgoing.flush(); });
addEventListener("pagehide", () => stream.hangUp());

host.listen({
  begin: (claim) => {
    words.value ||= shelf.get("draft") || ""; // he may be writing already
    draft();
    return begin(claim);
  },
  become,
  shown: () => {
    looked();
    scroll.toEnd();
    // A phone's keyboard would hide half of the talk.
    (matchMedia("(pointer: fine)").matches ? words : $("title")).focus();
  },
});
