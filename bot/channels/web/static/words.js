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

// Storage may be switched off (private windows): the page then only forgets across reloads.
export const shelf = {
  get(name) {
    try {
      return JSON.parse(localStorage.getItem(`courier.${name}`));
    } catch {
      return null;
    }
  },
  set(name, value) {
    try {
      if (value === null) localStorage.removeItem(`courier.${name}`);
      else localStorage.setItem(`courier.${name}`, JSON.stringify(value));
    } catch {
      /* nothing to be done */
    }
  },
};
