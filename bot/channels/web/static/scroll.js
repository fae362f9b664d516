// Follows the talk, unless the reader has scrolled up: then a button says there is something new.

const log = document.getElementById("log");
const jump = document.getElementById("jump");
const NEAR = 90;
let following = true;

export const atEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < NEAR;

export function toEnd(smooth = false) {
  following = true;
  jump.hidden = true;
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  log.scrollTo({ top: log.scrollHeight, behavior: smooth && !calm ? "smooth" : "instant" });
}

// Call after something was added below; `news` if it is worth a button.
export function follow(news) {
  if (following) toEnd(true);
  else if (news) jump.hidden = false;
}

// Run `change`, which adds something above, without moving what is being read.
export function keepPlace(change) {
  const before = log.scrollHeight - log.scrollTop;
  change();
  log.scrollTop = log.scrollHeight - before;
}

let last = 0;
log.addEventListener("scroll", () => {
  // Only going up stops following: a smooth scroll on its way down is not "reading up".
  if (atEnd()) {
    following = true;
    jump.hidden = true;
  } else if (log.scrollTop < last - 2) following = false;
  last = log.scrollTop;
}, { passive: true });

// The keyboard of a phone, a longer message being written, a turned screen.
new ResizeObserver(() => following && toEnd()).observe(log);
// A picture has no height before it is loaded.
log.addEventListener("load", () => following && toEnd(), true);
jump.addEventListener("click", () => toEnd(true));
