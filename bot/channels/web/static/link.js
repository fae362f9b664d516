// Every request to the service, in the visitor's name: our own page has a cookie for that, the widget
// a token, for browsers keep no cookies of a frame on another site.

import { config, shelf } from "./words.js";

let token = null;
let identity = null;

export class Refused extends Error {}

export function call(path, { body, headers, ...options } = {}) {
  return fetch(path, {
    cache: "no-store",
    ...options,
    ...(body && { method: "POST", body: JSON.stringify(body) }),
    headers: {
      "Accept-Language": config.language,
      ...headers,
      ...(body && { "Content-Type": "application/json" }),
      ...(token && { Authorization: `Bearer ${token}` }),
    },
  });
}

// Gives `show` the address a file can be shown from. An <img> sends no token: the widget fetches the
// file itself. It runs no script, for the page's content policy holds for it too.
export async function from(path, show) {
  if (!config.site) return show(path);
  const response = await call(path);
  return response.ok && show(URL.createObjectURL(await response.blob()));
}

// The visitor's label: of whom the site vouches for, else of this browser.
export function session() {
  if (!identity) token ??= shelf.get("token");
  return identity ? enter("identify", identity) : enter("session", {});
}

// The site says who the visitor is (`user`, `hmac`); Refused if that does not fit.
export async function identify(claim) {
  token ??= shelf.get("token");
  const label = await enter("identify", claim);
  identity = claim;
  shelf.set("token", null); // what the stranger said is the customer's now
  return label;
}

export function forget() {
  token = identity = null;
  shelf.set("token", null);
}

async function enter(way, body) {
  const path = config.site ? `/widget/${config.site}/${way}` : `/chat/${way}`;
  const response = await call(path, { body, signal: AbortSignal.timeout(12000) });
  const answer = await response.json();
  if (response.status === 403 || response.status === 422) throw new Refused(answer.message);
  if (!response.ok) throw new Error(`${way} ${response.status}`);
  if (answer.token) token = answer.token;
  if (way === "session" && token) shelf.set("token", token);
  return answer.visitor;
}
