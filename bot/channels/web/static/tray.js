// The files that go with the next message: chosen, pasted or dropped, and uploaded at once.

import { icon } from "./icons.js";
import { passing, Upload } from "./uploads.js";
import { config, say } from "./words.js";

const list = document.getElementById("tray");
const news = document.getElementById("tray-news");
const drop = document.getElementById("drop");
const AGAIN = 4000;
let items = []; // {file, row, reason}
let changed = () => {};

export const files = () => items.map((item) => item.file);
export const failed = () => items.find((item) => item.reason);

// `onChange` is called when files came or went.
export function open(onChange) {
  changed = onChange;
  const pick = document.getElementById("pick");
  document.getElementById("attach").addEventListener("click", () => pick.click());
  pick.addEventListener("change", () => { add(pick.files); pick.value = ""; });
  document.addEventListener("paste", ({ clipboardData }) => {
    // An office program puts a picture beside its text: there the text is meant.
    if (!clipboardData.types.includes("text/plain")) add(clipboardData.files);
  });
  const chat = document.querySelector(".chat");
  let depth = 0;
  const over = (by) => { depth = by ? depth + by : 0; drop.hidden = depth < 1; };
  const carries = (event) => event.dataTransfer?.types.includes("Files") && !event.preventDefault();
  chat.addEventListener("dragenter", (event) => carries(event) && over(1));
  chat.addEventListener("dragleave", (event) => carries(event) && over(-1));
  chat.addEventListener("dragover", carries);
  chat.addEventListener("drop", (event) => { if (carries(event)) { over(0); add(event.dataTransfer.files); } });
  addEventListener("online", () => items.forEach((item) => !item.reason && run(item)));
}

// They belong to a message from now on (which goes on with the uploads), or to nobody.
export function empty(cancel = false) {
  for (const { file } of items) {
    file.changed = () => {};
    if (cancel) file.cancel();
  }
  items = [];
  show();
}

export function complain() {
  const item = failed();
  tell(item.reason);
  item.row.querySelector("button:not([hidden])").focus();
}

function add(chosen) {
  for (const blob of chosen) {
    if (items.length >= config.max_files) {
      tell(say("files_most", { count: config.max_files }), true);
      break;
    }
    const file = new Upload(blob);
    const item = { file, reason: "" };
    item.row = build(item);
    items.push(item);
    file.changed = () => draw(item);
    item.hopeless = Boolean(file.unfit);
    if (item.hopeless) fail(item, say(file.unfit, { megabytes: config.max_bytes >> 20 }));
    else { tell(say("file_added", { name: file.name })); run(item); }
  }
  show();
  list.lastElementChild?.scrollIntoView({ block: "nearest", inline: "end" });
  document.getElementById("words").focus();
}

async function run(item) {
  if (item.reason) { item.reason = ""; changed(); }
  item.waits = !navigator.onLine;
  draw(item);
  const answer = await item.file.arrive();
  if (!items.includes(item) || answer.status === -1) return;
  if (answer.status === 201) return draw(item);
  item.hopeless = answer.status === 415;
  if (!passing(answer)) return fail(item, answer.message || say("file_failed"));
  item.waits = true;
  draw(item);
  setTimeout(() => items.includes(item) && run(item), AGAIN);
}

function fail(item, reason) {
  item.reason = reason;
  draw(item);
  tell(reason);
  changed();
  item.row.scrollIntoView({ block: "nearest", inline: "nearest" });
}

// Said to a screen reader; shown where no file's own line says it.
export function tell(words, shown = false) {
  news.textContent = words;
  news.classList.toggle("shown", shown);
}

function remove(item) {
  item.file.cancel();
  items = items.filter((other) => other !== item);
  tell("");
  show();
  document.getElementById("words").focus();
}

function show() {
  list.replaceChildren(...items.map((item) => item.row));
  list.hidden = !items.length;
  if (!items.length) tell("");
  changed();
}

function build(item) {
  const { file } = item;
  const row = document.createElement("li");
  const face = file.local ? document.createElement("img") : icon("file");
  if (file.local) {
    face.src = file.local;
    face.alt = "";
    face.addEventListener("error", () => face.replaceWith(icon("file"))); // only called a picture
  }
  const words = document.createElement("span");
  words.className = "words";
  const name = document.createElement("b");
  name.textContent = file.name;
  words.append(name, document.createElement("small"));
  const bar = document.createElement("progress");
  bar.max = 100;
  bar.setAttribute("aria-label", file.name);
  row.append(face, words, bar);
  row.append(button("again", say("file_retry", { name: file.name }), () => run(item)));
  row.append(button("close", say("remove", { name: file.name }), () => remove(item)));
  return row;
}

function draw({ file, row, reason, waits, hopeless }) {
  const state = reason ? "failed" : file.id ? "ready" : waits ? "waiting" : "up";
  row.dataset.state = state;
  row.querySelector("small").textContent = reason || (
    state === "ready" ? say("file_ready") : state === "waiting" ? say("file_waiting") : say("file_at", file));
  row.querySelector("progress").value = file.percent;
  row.querySelector("button").hidden = !reason || hopeless;
}

function button(sign, label, act) {
  const made = document.createElement("button");
  made.type = "button";
  made.setAttribute("aria-label", label);
  made.append(icon(sign));
  made.addEventListener("click", act);
  return made;
}
