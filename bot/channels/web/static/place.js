// Where the customer is, asked of the browser only when he wants us to know.

import { say } from "./words.js";
import { tell } from "./tray.js";

const button = document.getElementById("here"); // on our own page alone
const ENOUGH = { timeout: 10000, maximumAge: 60000 };
const WHY = { 1: "here_denied", 2: "here_unable", 3: "here_slow" };

// `onPlace([latitude, longitude])` is called once the browser has told it.
export function open(onPlace) {
  button?.addEventListener("click", () => {
    if (button.getAttribute("aria-busy") === "true") return;
    if (!navigator.geolocation) return tell(say("here_unable"), true);
    busy(true);
    tell(say("here_asking"), true);
    navigator.geolocation.getCurrentPosition(
      ({ coords }) => { busy(false); tell(""); onPlace([coords.latitude, coords.longitude]); },
      ({ code }) => { busy(false); tell(say(WHY[code] ?? "here_unable"), true); },
      ENOUGH,
    );
  });
}

const busy = (on) => button.setAttribute("aria-busy", String(on));
