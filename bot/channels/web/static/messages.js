// The list of messages. Texts of people reach the page by textContent only.

import { from } from "./link.js";
import { dayOf, dayTitle, say, timeOf } from "./words.js";

const list = document.getElementById("messages");
const byId = new Map(); // the record's id → element
const byClient = new Map(); // the page's own id → element
const CAME = ["sent", "delivered", "read"];
const TOGETHER = 3 * 60 * 1000;

let known = { delivered: 0, read: 0 };

export const count = () => list.querySelectorAll("li.message").length;
export const has = (id) => byId.has(id);
export const newestId = () => Math.max(0, ...byId.keys());
export const oldestId = () => (byId.size ? Math.min(...byId.keys()) : null);

// Put a message of the record in its place; false if it was there already.
export function put(message) {
  if (byId.has(message.id)) return false;
  const own = message.client_id && byClient.get(message.client_id);
  const item = own || build(message);
  item.dataset.id = message.id;
  item.data = message;
  byId.set(message.id, item);
  if (message.client_id) byClient.set(message.client_id, item);
  if (message.author === "customer") setState(item, came(message.id));
  place(item, message.id);
  tidy();
  return !own;
}

// Show words that are not in the record yet, at the end.
export function putPending(entry) {
  if (byClient.has(entry.id)) return;
  const item = build({ author: "customer", text: entry.text, at: entry.at });
  item.data = { author: "customer", at: entry.at };
  byClient.set(entry.id, item);
  list.append(item);
  tidy();
}

// `id` is the record's id once the words are stored.
export function mark(clientId, state, reason, actions) {
  const item = byClient.get(clientId);
  if (item) setState(item, state, reason, actions);
}

export function confirm(clientId, id) {
  const item = byClient.get(clientId);
  if (!item || byId.has(id)) return;
  item.dataset.id = id;
  item.data.id = id;
  byId.set(id, item);
  setState(item, came(id));
  place(item, id);
  tidy();
}

export function drop(clientId) {
  byClient.get(clientId)?.remove();
  byClient.delete(clientId);
  tidy();
}

// How far the customer's words have come, as the newest ids that were delivered and read.
export function progress(reached) {
  known = reached;
  for (const [id, item] of byId) {
    if (item.data.author === "customer" && item.dataset.state !== came(id)) setState(item, came(id));
  }
  tidy();
}

const came = (id) => (id <= known.read ? "read" : id <= known.delivered ? "delivered" : "sent");

// Messages of ours after the one with this id.
export const theirsAfter = (id) => [...byId].filter(([n, item]) => n > id && item.data.author !== "customer").length;

export function clear() {
  list.replaceChildren();
  byId.clear();
  byClient.clear();
  known = { delivered: 0, read: 0 };
}

// The buttons offered since the customer last spoke.
export function choices() {
  const items = [...list.querySelectorAll("li.message")];
  const last = items.findLastIndex((item) => item.data.author === "customer");
  for (let i = items.length - 1; i > last; i -= 1) {
    if (items[i].data.buttons?.length) return items[i].data.buttons;
  }
  return [];
}

function place(item, id) {
  let before = null;
  for (let other = list.lastElementChild; other; other = other.previousElementSibling) {
    const number = Number(other.dataset.id);
    if (other === item || other.classList.contains("day")) continue;
    if (!other.dataset.id || number > id) before = other;
    else break;
  }
  if (item.nextElementSibling !== before || !item.isConnected) list.insertBefore(item, before);
}

function build(message) {
  const item = element("li", `message ${message.author === "customer" ? "mine" : "theirs"} ${message.author}`);
  const body = element("div", "body");
  const name = element("p", "name");
  name.textContent = authorName(message);
  const bubble = element("div", "bubble");
  bubble.dir = "auto";
  fill(bubble, message.text, message.author !== "customer");
  bubble.append(...(message.files || []).map(fileCard));
  const meta = element("p", "meta");
  const time = element("time");
  time.dateTime = message.at;
  time.textContent = timeOf(new Date(message.at));
  meta.append(time);
  body.append(name, bubble, meta);
  if (message.author !== "customer") {
    const face = element("span", "face");
    face.setAttribute("aria-hidden", "true");
    if (message.author === "agent") face.textContent = [...(message.name || say("author_agent"))][0];
    item.append(face);
  }
  item.append(body);
  return item;
}

function authorName(message) {
  if (message.author === "customer") return say("you");
  if (message.author !== "agent") return say(`author_${message.author}`);
  return message.name ? say("author_named", { name: message.name }) : say("author_agent");
}

// Text as text; addresses of our own messages become links.
function fill(bubble, text, linked) {
  const parts = linked ? text.split(/(https?:\/\/[^\s<>"'，。；！？、）)]+)/) : [text];
  parts.forEach((part, index) => {
    if (index % 2 === 0) return bubble.append(part);
    const link = element("a");
    link.href = part;
    link.textContent = part;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    return bubble.append(link);
  });
}

// A file beside a message: shown where a browser can, else a link.
function fileCard(file) {
  const card = element("div", "file");
  const name = file.name || say(`file_${file.kind}`);
  if (!file.address) {
    card.textContent = name;
    return card;
  }
  const tag = { photo: "img", voice: "audio", video: "video" }[file.kind];
  const link = element("a");
  link.target = "_blank";
  link.rel = "noopener";
  if (tag === "audio" || tag === "video") {
    const player = element(tag);
    from(file.address, (place) => { player.src = place; });
    player.controls = true;
    player.preload = tag === "video" ? "metadata" : "none";
    player.setAttribute("aria-label", name);
    card.append(player);
  } else if (tag === "img") {
    const image = element("img");
    from(file.address, (place) => { image.src = link.href = place; });
    image.alt = name;
    link.append(image);
    card.append(link);
  } else {
    from(file.address, (place) => { link.href = place; });
    link.textContent = name;
    link.download = file.name;
    card.append(link);
  }
  return card;
}

function setState(item, state, reason, actions = []) {
  item.dataset.state = state;
  item.classList.toggle("came", CAME.includes(state));
  const meta = item.querySelector(".meta");
  meta.querySelectorAll(".state, button").forEach((old) => old.remove());
  const label = element("span", "state");
  label.textContent = reason || say(state);
  if (state !== "failed") label.setAttribute("aria-live", "off"); // not each step is worth saying
  meta.append(label);
  for (const [title, act] of actions) {
    const button = element("button");
    button.type = "button";
    button.textContent = title;
    button.addEventListener("click", act);
    meta.append(button);
  }
}

// Days, groups of one author, and which messages say how far they have come. A day's line that is right
// already stays as it is, else a screen reader would say it again.
function tidy() {
  const kept = new Set();
  let before = null;
  const last = new Map(); // of each state the newest message, which shows it
  for (const item of [...list.querySelectorAll("li.message")]) {
    const at = new Date(item.data.at);
    const day = dayOf(at);
    const newDay = !before || day !== dayOf(new Date(before.data.at));
    if (newDay) kept.add(dayLine(item, day, at));
    const joins = !newDay && before.data.author === item.data.author
      && before.data.name === item.data.name && at - new Date(before.data.at) < TOGETHER;
    item.classList.toggle("joins", joins);
    before?.classList.toggle("goes-on", joins);
    item.classList.remove("goes-on", "last-mine");
    if (CAME.includes(item.dataset.state)) last.set(item.dataset.state, item);
    before = item;
  }
  for (const item of last.values()) item.classList.add("last-mine");
  for (const line of list.querySelectorAll("li.day")) if (!kept.has(line)) line.remove();
}

function dayLine(item, day, at) {
  const there = item.previousElementSibling;
  if (there?.classList.contains("day") && there.dataset.day === day) return there;
  const line = element("li", "day");
  line.dataset.day = day;
  const label = element("span");
  label.textContent = dayTitle(at);
  line.append(label);
  item.before(line);
  return line;
}

function element(tag, className) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  return made;
}
