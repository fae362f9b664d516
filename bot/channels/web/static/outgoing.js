// What the customer wrote and the service has not confirmed. It is kept on this device and sent
// one by one, in order, under the same id until the service has it: sending twice changes nothing.

import { call } from "./link.js";
import { config, say, shelf } from "./words.js";
import * as messages from "./messages.js";
import { passing, Upload } from "./uploads.js";

const WAITS = [1, 2, 4, 8, 15];
let queue = [];
let owner = "";
let busy = false;
let timer = 0;
let fails = 0;
let report = () => {};
let renew = async () => {};

// Nothing is on its way any more; what was refused waits for the customer.
export async function sent() {
  while (queue.some((entry) => !entry.refused)) await new Promise((go) => setTimeout(go, 200));
}

// Somebody else sits here now: nothing of the former one is kept.
export function close() {
  clearTimeout(timer);
  for (const entry of queue) for (const file of entry.files) file.cancel();
  queue = [];
  owner = "";
  shelf.set("unsent", null);
}

// Take up what an earlier page could not send. `onTrouble(true|false)` tells whether we get through.
export function open(visitor, { onTrouble, onNoSession }) {
  report = onTrouble;
  renew = onNoSession;
  if (owner === visitor) return;
  owner = visitor;
  const kept = shelf.get("unsent");
  const mine = kept?.visitor === visitor && Array.isArray(kept.entries) ? kept.entries : [];
  for (const entry of mine) entry.files = (entry.files || []).map((left) => new Upload(null, left));
  queue = [...mine.filter((e) => !queue.some((known) => known.id === e.id)), ...queue];
  for (const entry of queue) show(entry);
  flush();
}

// `point`: where he is, [latitude, longitude]; the service has its own words for it.
export function add(text, files = [], point = null) {
  const entry = { id: newId(), text, files, point, at: new Date().toISOString() };
  queue.push(entry);
  save();
  show(entry);
  flush();
}

// The record has it: by our own request, another tab's, or one whose answer was lost.
export function settled(clientId) {
  const length = queue.length;
  queue = queue.filter((entry) => entry.id !== clientId);
  if (queue.length !== length) save();
}

export async function flush() {
  clearTimeout(timer);
  if (busy || !owner) return;
  busy = true;
  try {
    for (;;) {
      const entry = queue.find((e) => !e.refused);
      if (!entry || !(await deliver(entry))) break;
    }
  } finally {
    busy = false;
  }
}

// True if the next one may follow at once.
async function deliver(entry) {
  if (!navigator.onLine) {
    messages.mark(entry.id, "queued");
    return false;
  }
  messages.mark(entry.id, "sending", "", entry.files.length ? [[say("discard"), () => discard(entry)]] : []);
  for (const file of entry.files) {
    file.changed = () => messages.note(entry.id, say("file_at", file));
    const answer = await file.arrive();
    if (!queue.includes(entry)) return true; // discarded meanwhile
    if (passing(answer)) return later(wait());
    if (answer.status !== 201) {
      refuse(entry, answer.status === 410 ? say("file_lost") : answer.message || say("file_failed"));
      return true;
    }
    save();
  }
  messages.mark(entry.id, "sending");
  let response;
  try {
    response = await call("/chat/messages", {
      body: {
        id: entry.id,
        text: entry.point ? "" : entry.text,
        files: entry.files.map(({ id, name }) => ({ id, name })),
        point: entry.point,
      },
      signal: AbortSignal.timeout(12000),
    });
  } catch {
    return later(wait());
  }
  if (response.ok) {
    const { id } = await response.json().catch(() => ({}));
    fails = 0;
    report(false);
    settled(entry.id);
    if (id) messages.confirm(entry.id, id);
    return true;
  }
  if (response.status === 401) {
    await renew();
    return later(1);
  }
  if (response.status === 429) {
    messages.mark(entry.id, "queued", say("too_many"));
    timer = setTimeout(flush, 4000);
    return false;
  }
  if (response.status >= 500) return later(wait());
  if (response.status === 410 && !entry.anew) {
    // The files came by another name of this visitor, or long ago: they are uploaded once more.
    entry.anew = true;
    for (const file of entry.files) file.id = null;
    return true;
  }
  refuse(entry, say(response.status === 413 ? "too_long" : response.status === 410 ? "file_lost" : "invalid"));
  return true;
}

const wait = () => WAITS[Math.min(fails, WAITS.length - 1)];

function discard(entry) {
  for (const file of entry.files) file.cancel();
  settled(entry.id);
  messages.drop(entry.id);
}

function later(seconds) {
  fails += 1;
  for (const each of queue) if (!each.refused) messages.mark(each.id, "queued");
  if (fails > 1) report(true);
  timer = setTimeout(flush, seconds * 1000);
  return false;
}

function refuse(entry, reason) {
  entry.refused = reason;
  save();
  show(entry);
}

function show(entry) {
  messages.putPending(entry);
  if (!entry.refused) return messages.mark(entry.id, navigator.onLine && !fails ? "sending" : "queued");
  return messages.mark(entry.id, "failed", `${say("failed")} · ${entry.refused}`, [
    [say("retry"), () => { delete entry.refused; delete entry.anew; save(); flush(); }],
    [say("discard"), () => discard(entry)],
  ]);
}

function save() {
  shelf.set("unsent", queue.length ? { visitor: owner, entries: queue } : null);
}

function newId() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
}

export const tooLong = (text) => [...text].length - config.max_text;
