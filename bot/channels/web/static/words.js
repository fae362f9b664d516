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

// What is kept on this device. Storage may be switched off (private windows, frames on other sites):
// then it is kept as long as the page is.
const memory = new Map();
const named = (name) => ["courier", config.site, name].filter(Boolean).join(".");
export const shelf = {
  get(name) {
    try {
      return JSON.parse(localStorage.getItem(named(name)));
    } catch {
      return memory.get(name) ?? null;
    }
  },
  set(name, value) {
    memory.set(name, value);
    try {
      if (value === null) localStorage.removeItem(named(name));
      else localStorage.setItem(named(name), JSON.stringify(value));
    } catch {
      /* the memory has it */
    }
  },
};
