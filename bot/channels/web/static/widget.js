// The one line on a website: <script src="https://our.address/widget.js" data-key="shop" async></script>
// A button that opens our page in a frame. The website's page and ours see nothing of each other but
// the messages below. Also: data-language="en", and data-user with data-hmac for identify().
(() => {
  "use strict";
  const script = document.currentScript;
  if (!script || window.CourierDesk) return;
  const { key, language = "", user, hmac } = script.dataset;
  const home = new URL(script.src).origin;
  const small = matchMedia("(max-width: 640px), (max-height: 480px)");
  const SHELF = `courier.${key}`; // whether he has talked; for a frame without storage, its things

  let claim = user && hmac ? { user, hmac } : null;
  let begun = false; // the frame has heard hello
  let waiting = null; // of identify(): { resolve, reject }
  let unread = 0;
  let ui = null;

  function element(tag, parent, attributes = {}) {
    const svg = ["svg", "path"].includes(tag);
    const made = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    parent.append(made);
    return made;
  }

  function css({ colours: { light, dark }, theme }) {
    const set = ({ colour, on }, sheet) => `:host{--colour:${colour};--on:${on};--sheet:${sheet}}`;
    const day = set(light, "#fff");
    const night = set(dark, "#15181d");
    return `:host{all:initial}
      ${theme === "dark" ? night : day}
      ${theme === "auto" ? `@media (prefers-color-scheme:dark){${night}}` : ""}
      .launcher{position:fixed;z-index:2147483000;right:calc(20px + env(safe-area-inset-right));bottom:calc(20px + env(safe-area-inset-bottom));
        width:60px;height:60px;padding:0;border:0;border-radius:50%;background:var(--colour);color:var(--on);cursor:pointer;
        display:grid;place-items:center;box-shadow:0 2px 6px rgb(0 0 0/18%),0 10px 28px -6px rgb(0 0 0/35%);transition:transform .15s}
      .launcher:hover{transform:scale(1.05)}
      .launcher:focus-visible{outline:3px solid var(--colour);outline-offset:3px}
      svg{grid-area:1/1;width:30px;height:30px;fill:none;stroke:currentColor;stroke-width:1.8;stroke-linecap:round;stroke-linejoin:round;transition:opacity .15s,transform .15s}
      [aria-expanded=true] .talk,[aria-expanded=false] .down{opacity:0;transform:scale(.6)}
      .badge{position:absolute;top:-4px;right:-4px;min-width:24px;height:24px;box-sizing:border-box;padding:0 7px;border-radius:12px;
        background:#c0322b;color:#fff;font:600 13px/24px system-ui,sans-serif;text-align:center;box-shadow:0 0 0 2px var(--sheet)}
      .said{position:fixed;width:1px;height:1px;overflow:hidden;clip-path:inset(50%)}
      dialog{position:fixed;z-index:2147483000;inset:auto calc(20px + env(safe-area-inset-right)) calc(96px + env(safe-area-inset-bottom)) auto;
        width:400px;height:min(680px,100vh - 116px);max-width:none;max-height:none;margin:0;padding:0;border:0;border-radius:20px;overflow:hidden;
        background:var(--sheet);box-shadow:0 0 0 1px rgb(0 0 0/8%),0 24px 60px -16px rgb(0 0 0/40%)}
      dialog[open]{animation:rise .18s ease-out}
      dialog:modal{inset:0;width:100%;height:100%;border-radius:0;box-shadow:none}
      iframe{display:block;width:100%;height:100%;border:0}
      [hidden]{display:none!important}
      @keyframes rise{from{opacity:0;transform:translateY(12px)}}
      @media (prefers-reduced-motion:reduce){*{animation:none!important;transition:none!important}}
      @media (forced-colors:active){.launcher{border:2px solid}}
      @media print{.launcher,dialog{display:none!important}}`;
  }

  function build(look) {
    const outer = element("courier-desk", document.body);
    const root = outer.attachShadow({ mode: "open" });
    // A constructed sheet is not an inline style: the website's own policy may forbid those.
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(css(look));
    root.adoptedStyleSheets = [sheet];
    const launcher = element("button", root, { class: "launcher", type: "button", part: "launcher", "aria-haspopup": "dialog", "aria-expanded": "false" });
    for (const [name, path] of [["talk", "M4 6.5A2.5 2.5 0 0 1 6.5 4h11A2.5 2.5 0 0 1 20 6.5v7a2.5 2.5 0 0 1-2.5 2.5H11l-4.5 4v-4A2.5 2.5 0 0 1 4 13.5zM8.5 8.8h7M8.5 11.8h4.5"], ["down", "m6 9.5 6 6 6-6"]]) {
      element("path", element("svg", launcher, { class: name, viewBox: "0 0 24 24", "aria-hidden": "true" }), { d: path });
    }
    const badge = element("span", launcher, { class: "badge", "aria-hidden": "true" });
    const panel = element("dialog", root, { "aria-label": look.title });
    const said = element("span", root, { class: "said", role: "status" });
    ui = { root, launcher, badge, panel, said, look, frame: null };
    launcher.addEventListener("click", () => (panel.open ? close() : open()));
    for (const part of [launcher, panel]) {
      part.addEventListener("keydown", (event) => event.key === "Escape" && panel.open && close());
    }
    panel.addEventListener("cancel", (event) => { event.preventDefault(); close(); });
    small.addEventListener("change", () => { if (panel.open) { panel.close(); show(); } });
    count(0);
    if (claim || kept().talked) load();
    document.dispatchEvent(new CustomEvent("courier:ready"));
  }

  function kept() {
    try {
      return JSON.parse(localStorage.getItem(SHELF)) ?? {};
    } catch {
      return {};
    }
  }

  function keep(name, value) {
    try {
      localStorage.setItem(SHELF, JSON.stringify({ ...kept(), [name]: value }));
    } catch {
      /* the next page finds nothing kept */
    }
  }

  function load() {
    if (ui.frame) return;
    ui.frame = element("iframe", ui.panel, { title: ui.look.title, allow: "", referrerpolicy: "origin" });
    ui.frame.src = `${home}/widget/${encodeURIComponent(key)}?lang=${ui.look.language}`;
  }

  const tell = (type, facts) => ui.frame.contentWindow.postMessage({ courier: key, type, ...facts }, home);

  addEventListener("message", ({ source, origin, data }) => {
    if (!ui?.frame || source !== ui.frame.contentWindow || origin !== home || data?.courier !== key) return;
    if (data.type === "ready") {
      begun = true;
      tell("hello", { claim, kept: kept() });
      if (ui.panel.open) tell("shown", { shown: true });
    }
    if (data.type === "unread") count(data.count);
    if (data.type === "keep") keep(data.name, data.value);
    if (data.type === "close") close();
    if (data.type === "identity") {
      if (data.ok) waiting?.resolve();
      else (waiting ? waiting.reject(new Error(data.message)) : console.error(`Courier Desk: ${data.message}`));
      if (!data.ok) claim = null;
      waiting = null;
    }
  });

  function count(number) {
    const more = number > unread;
    unread = number;
    const label = number ? ui.look.unread.replace("{title}", ui.look.title).replace("{count}", number) : ui.look.title;
    ui.launcher.setAttribute("aria-label", label);
    ui.badge.textContent = number > 99 ? "99+" : number;
    ui.badge.hidden = !number;
    if (more || !number) ui.said.textContent = number ? label : "";
  }

  function show() {
    // Modal on a phone, where it covers all; beside the page on a desktop, which stays in use.
    if (small.matches) ui.panel.showModal();
    else ui.panel.show();
    document.documentElement.style.overflow = small.matches ? "hidden" : "";
    ui.frame.focus();
  }

  function open() {
    if (!ui || ui.panel.open) return;
    load();
    keep("talked", true);
    show();
    ui.launcher.setAttribute("aria-expanded", "true");
    if (begun) tell("shown", { shown: true });
  }

  function close() {
    if (!ui?.panel.open) return;
    const inside = ui.panel.contains(ui.root.activeElement);
    ui.panel.close();
    document.documentElement.style.overflow = "";
    ui.launcher.setAttribute("aria-expanded", "false");
    if (begun) tell("shown", { shown: false });
    if (inside) ui.launcher.focus();
  }

  // Resolves once the service has confirmed who it is; else rejects, and the visitor stays a guest.
  function identify(name, signature) {
    claim = { user: String(name), hmac: String(signature) };
    waiting?.reject(new Error("identified anew"));
    const done = new Promise((resolve, reject) => { waiting = { resolve, reject }; });
    if (begun) tell("become", { claim });
    else if (ui) load();
    return done;
  }

  // On signing out: the next person at this browser sees nothing of the last one.
  function forget() {
    claim = null;
    if (begun) tell("become", { claim });
  }

  window.CourierDesk = Object.freeze({ open, close, identify, forget });

  async function start() {
    try {
      const found = await fetch(`${home}/widget/${encodeURIComponent(key)}/launcher?lang=${encodeURIComponent(language)}`, { credentials: "omit" });
      if (!found.ok) throw new Error(found.status);
      build(await found.json());
    } catch (error) {
      console.error(`Courier Desk: no chat here. Is the data-key "${key}" in policies/widget.yml, and ${location.origin} among its sites? (${error.message})`);
    }
  }
  if (document.body) start();
  else addEventListener("DOMContentLoaded", start);
})();
