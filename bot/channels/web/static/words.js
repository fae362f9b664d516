// The page's words and clock. Everything comes from the texts the company edits.

export const config = JSON.parse(document.body.dataset.config);

export function say(key, facts = {}) {
  return config.texts[key].replace(/\{(\w+)\}/g, (whole, name) => facts[name] ?? whole);
}

const locale = document.documentElement.lang;

function zoned(options) {
  return new Intl.DateTimeFormat(locale, { timeZone: config.zone, ...options });
}

const clock = zoned({ hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
const day = zoned({ year: "numeric", month: "2-digit", day: "2-digit" });
const dayName = zoned({ month: "long", day: "numeric", weekday: "short" });

export const timeOf = (date) => clock.format(date);
export const dayOf = (date) => day.format(date);

export function dayTitle(date) {
  const now = new Date();
  if (dayOf(date) === dayOf(now)) return say("today");
  if (dayOf(date) === dayOf(new Date(now - 86400000))) return say("yesterday");
  return dayName.format(date);
}

// What is kept on this device. Browsers that block third parties' cookies deny a frame its storage as
// well: then the website around us keeps it, and if that cannot either, the page as long as it lives.
const memory = new Map();
const named = (name) => ["courier", config.site, name].filter(Boolean).join(".");
let keep = () => {};
let own = null;
try {
  own = localStorage;
} catch {
  /* denied */
}

export const shelf = {
  get(name) {
    return JSON.parse(own?.getItem(named(name)) ?? "null") ?? memory.get(name) ?? null;
  },
  set(name, value) {
    memory.set(name, value);
    keep(name, value);
    try {
      if (value === null) own?.removeItem(named(name));
      else own?.setItem(named(name), JSON.stringify(value));
    } catch {
      /* full: the memory has it */
    }
  },
  // The website's help: what it has `kept`, and how it is asked to keep more.
  lend(kept, ask) {
    if (own) return;
    for (const [name, value] of Object.entries(kept)) memory.set(name, value);
    keep = ask;
  },
};
