// The page around the widget's frame: it says whether the chat is shown and who the visitor is, and is
// told how much is unread. Who may be around us at all is decided by the frame's content policy.

import { config, shelf } from "./words.js";

const framed = config.site !== "" && parent !== window;
let shown = !framed;
let origin = "*"; // until the host has written: what is said before is no secret

export const visible = () => shown && !document.hidden;

export function tell(type, facts = {}) {
  if (framed) parent.postMessage({ courier: config.site, type, ...facts }, origin);
}

// `on`: begin(claim), become(claim), shown(). A claim is {user, hmac}, or null for a stranger.
export function listen(on) {
  if (!framed) return on.begin(null);
  document.getElementById("close").hidden = false;
  addEventListener("message", ({ source, data, origin: from }) => {
    if (source !== parent || data?.courier !== config.site) return;
    origin = from;
    if (data.type === "hello") {
      shelf.lend(data.kept, (name, value) => tell("keep", { name, value }));
      on.begin(data.claim);
    }
    if (data.type === "become") on.become(data.claim);
    if (data.type === "shown") {
      shown = data.shown;
      if (shown) on.shown();
    }
  });
  document.getElementById("close").addEventListener("click", () => tell("close"));
  addEventListener("keydown", (event) => {
    if (event.key === "Escape" && !event.isComposing) tell("close");
  });
  return tell("ready");
}
