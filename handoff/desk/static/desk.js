// What htmx leaves to us: ticking times, sound and badge, Enter to send, drafts, dialogs, toasts.
"use strict";
(() => {
  const body = document.body;
  const words = body.dataset;
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => [...root.querySelectorAll(selector)];
  const NEAR = 5 * 60 * 1000;

  // Times that tick -------------------------------------------------------------------------
  function span(ms) {
    const minutes = Math.floor(ms / 60000);
    if (minutes < 1) return words.under;
    if (minutes < 60) return words.minutes.replace("%m", minutes);
    return words.hours.replace("%h", Math.floor(minutes / 60)).replace("%m", minutes % 60);
  }
  function waited(ms) {
    const seconds = Math.max(Math.floor(ms / 1000), 0);
    if (seconds >= 3600) return span(ms);
    return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
  }
  function put(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }
  function tick() {
    const now = Date.now();
    for (const element of $$("[data-since]")) {
      put(element, words.waited.replace("%t", waited(now - Date.parse(element.dataset.since))));
    }
    for (const element of $$("[data-due]")) {
      const left = Date.parse(element.dataset.due) - now;
      const pattern = left < 0 ? words.late : words.left;
      put(element.lastElementChild, pattern.replace("%d", element.dataset.clock).replace("%t", span(Math.abs(left))));
      element.classList.toggle("near", left < NEAR);
      element.classList.toggle("late", left < 0);
    }
  }

  // Sound and badge on a new case -----------------------------------------------------------
  let audio = null;
  let known = null;
  let title = document.title;
  const silent = () => localStorage.getItem("desk.sound") === "off";
  function beep() {
    if (silent() || !audio) return;
    const start = audio.currentTime;
    [[660, 0], [880, 0.14]].forEach(([pitch, after]) => {
      const tone = audio.createOscillator();
      const volume = audio.createGain();
      tone.frequency.value = pitch;
      volume.gain.setValueAtTime(0, start + after);
      volume.gain.linearRampToValueAtTime(0.12, start + after + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.001, start + after + 0.3);
      tone.connect(volume).connect(audio.destination);
      tone.start(start + after);
      tone.stop(start + after + 0.32);
    });
  }
  function wakeAudio() {
    // Browsers let a page sound only after the person has touched it.
    if (!audio && window.AudioContext) audio = new AudioContext();
    if (audio && audio.state === "suspended") audio.resume();
  }
  function showSound() {
    const button = $("#sound");
    if (!button) return;
    button.setAttribute("aria-pressed", String(!silent()));
    put($(".word", button), silent() ? words.soundOff : words.soundOn);
  }
  function badge() {
    const count = $$('#queue [data-state="waiting"]').length;
    document.title = count ? words.badge.replace("%c", count).replace("%t", title) : title;
  }
  function newcomers() {
    const rows = $$('#queue [data-state="waiting"]');
    if (!$("#queue")) return;
    const fresh = known && rows.filter((row) => !known.has(row.dataset.case));
    known = new Set([...(known || []), ...rows.map((row) => row.dataset.case)]);
    if (fresh && fresh.length) {
      beep();
      toast(words.new.replace("%n", fresh[0].dataset.name), "new");
      body.dataset.beeps = String(Number(body.dataset.beeps || 0) + 1);
    }
  }

  // The queue is the same for everybody; what is mine is shown here -----------------------------
  function arrange() {
    const queue = $("#queue .groups");
    if (!queue) return;
    const mine = $(`.group[data-staff="${words.me}"]`, queue);
    if (mine) {
      mine.classList.add("mine");
      const heading = $("h2", mine);
      heading.firstChild.textContent = words.mine + " ";
      if (queue.firstElementChild !== mine) queue.prepend(mine);
    }
    const open = $("#desk").dataset.case;
    for (const row of $$("[data-case]", queue)) {
      if (row.dataset.case === open) row.setAttribute("aria-current", "true");
      else row.removeAttribute("aria-current");
    }
  }

  // Toasts --------------------------------------------------------------------------------------
  function toast(text, kind) {
    const place = $("#toasts");
    if (!place || !text) return;
    const element = document.createElement("p");
    element.className = `toast ${kind || "good"}`;
    element.textContent = text;
    place.append(element);
    setTimeout(() => element.remove(), kind === "bad" ? 8000 : 5000);
  }

  // Thread ------------------------------------------------------------------------------------
  let atEnd = true;
  function toEnd() {
    const scroll = $("#scroll");
    if (scroll) scroll.scrollTop = scroll.scrollHeight;
  }
  // A picture has no height before it is loaded.
  document.addEventListener("load", (event) => {
    if (atEnd && event.target.closest && event.target.closest("#thread")) toEnd();
  }, true);
  function watchScroll() {
    const scroll = $("#scroll");
    if (!scroll) return;
    scroll.addEventListener("scroll", () => {
      atEnd = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 80;
    });
  }
  function jump(id) {
    const line = document.getElementById(id);
    if (!line) return;
    pane("chat");
    line.scrollIntoView({ block: "center" });
    line.classList.add("flash");
    setTimeout(() => line.classList.remove("flash"), 2500);
  }

  // Composer ------------------------------------------------------------------------------------
  function grow(area) {
    // Rows, not a style: the page's policy allows no inline styles. CSS does better where it can.
    area.rows = Math.min(area.value.split("\n").length, 8);
    const left = 4000 - area.value.length;
    const note = $(".left", area.form);
    if (note) {
      note.hidden = left > 400;
      put(note, words.leftWords.replace("%c", left));
    }
  }
  // The customer sees that somebody is writing; said again while it goes on.
  let told = 0;
  function typing(area) {
    if (Date.now() - told < 3000) return;
    told = Date.now();
    fetch(`/api/cases/${area.closest("[data-draft]").dataset.draft}/typing`, {
      method: "POST", headers: { "X-CSRF-Token": $('[name="csrf"]', area.form).value },
    }).catch(() => {});
  }
  const draftKey = (area) => `desk.draft.${area.closest("[data-draft]").dataset.draft}.${area.id}`;
  function mode(which) {
    for (const form of $$(".composer form[data-mode]")) form.hidden = form.dataset.mode !== which;
    for (const button of $$(".modes button")) {
      button.setAttribute("aria-pressed", String(button.dataset.mode === which));
    }
    const area = $(`.composer form[data-mode="${which}"] textarea`);
    if (area) { grow(area); area.focus(); }
  }
  function pane(which) {
    const view = $(".case");
    if (!view || !$(".panes")) return;
    view.dataset.pane = which;
    for (const button of $$(".panes button")) {
      button.setAttribute("aria-pressed", String(button.dataset.pane === which));
    }
  }
  // The file beside a reply: checked here so that nobody waits for an upload that is refused.
  function chosen(input) {
    const file = input.files[0];
    const { takes, most, cannot, tooBig } = input.dataset;
    const limits = JSON.parse(takes);
    const limit = file && (limits[file.type] ?? limits["*"]);
    const largest = Math.min(limit, most);
    if (file && (limit === undefined || file.size > largest)) {
      toast(limit === undefined ? cannot : tooBig.replace("{0}", largest >> 20), "bad");
      input.value = "";
      return chosen(input);
    }
    const note = $(".chosen", input.form);
    note.hidden = !file;
    put($("span", note), file ? file.name : "");
    $("textarea", input.form).required = !file;
    return undefined;
  }
  function restoreDrafts() {
    for (const area of $$(".composer textarea")) {
      const kept = sessionStorage.getItem(draftKey(area));
      if (kept && !area.value) area.value = kept;
      grow(area);
    }
  }

  function settle() {
    arrange();
    restoreDrafts();
    watchScroll();
    atEnd = true;
    toEnd();
    tick();
    badge();
    showSound();
    const area = $('.composer form[data-mode="reply"] textarea');
    if (area && matchMedia("(min-width: 900px)").matches) area.focus();
    const link = $("#language");
    if (link) link.href = link.href.replace(/to=.*/, "to=" + encodeURIComponent(location.pathname));
  }

  // Events --------------------------------------------------------------------------------------
  document.addEventListener("pointerdown", wakeAudio);
  document.addEventListener("keydown", (event) => {
    wakeAudio();
    const area = event.target.closest && event.target.closest(".composer textarea");
    // isComposing: Enter that chooses a Chinese word must not send.
    if (area && event.key === "Enter" && !event.shiftKey && !event.isComposing && event.keyCode !== 229) {
      event.preventDefault();
      const file = $("[type=file]", area.form);
      if (area.value.trim() || (file && file.files.length)) area.form.requestSubmit();
    }
  });
  document.addEventListener("input", (event) => {
    const area = event.target.closest(".composer textarea");
    if (!area) return;
    grow(area);
    sessionStorage.setItem(draftKey(area), area.value);
    if (area.id === "reply-text" && area.value.trim()) typing(area);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches(".composer [type=file]")) chosen(event.target);
  });
  document.addEventListener("paste", (event) => {
    const input = event.target.closest && event.target.closest("form") && $("[type=file]", event.target.closest("form"));
    if (!input || !event.clipboardData.files.length) return;
    event.preventDefault();
    input.files = event.clipboardData.files;
    chosen(input);
  });
  document.addEventListener("click", (event) => {
    const hit = (selector) => event.target.closest(selector);
    const opener = hit("[data-opens]");
    if (opener) document.getElementById(opener.dataset.opens).showModal();
    const closer = hit("[data-closes]");
    if (closer) closer.closest("dialog").close();
    if (event.target.tagName === "DIALOG") event.target.close();
    const tab = hit(".modes button");
    if (tab) mode(tab.dataset.mode);
    const view = hit(".panes button");
    if (view) pane(view.dataset.pane);
    const link = hit("[data-jump]");
    if (link) { event.preventDefault(); jump(link.getAttribute("href").slice(1)); }
    const copy = hit("[data-copy]");
    if (copy && navigator.clipboard) {
      navigator.clipboard.writeText(copy.dataset.copy).then(() => toast(words.copied), () => {});
    }
    const detach = hit("[data-detach]");
    if (detach) {
      const input = $("[type=file]", detach.form);
      input.value = "";
      chosen(input);
      $("textarea", detach.form).focus();
    }
    if (hit("#sound")) {
      localStorage.setItem("desk.sound", silent() ? "on" : "off");
      showSound();
      wakeAudio();
      if (!silent()) beep();
    }
  });
  body.addEventListener("desk:toast", (event) => toast(event.detail.text, event.detail.kind));
  body.addEventListener("desk:stale", () => {
    if ($("#desk")) {
      htmx.ajax("GET", location.pathname, { target: "#desk", select: "#desk", swap: "outerHTML" });
    }
  });
  body.addEventListener("htmx:beforeSwap", (event) => {
    // What the server asks about stands on the page; the words stay where they are.
    if (event.detail.xhr.getResponseHeader("HX-Retarget")) event.detail.shouldSwap = true;
    if (event.detail.target && event.detail.target.id === "desk") {
      const queue = $("#queue");
      body.dataset.scroll = queue ? queue.scrollTop : 0;
    }
  });
  let held = null;
  body.addEventListener("htmx:sseBeforeMessage", () => {
    const focused = document.activeElement;
    held = focused && focused.closest("#queue") ? focused.dataset.case : null;
  });
  body.addEventListener("htmx:sseMessage", (event) => {
    if (event.target.id !== "queue") return;
    arrange();
    tick();
    newcomers();
    badge();
    // The fragment replaced the row that held the keyboard.
    if (held) { const row = $(`#queue [data-case="${held}"]`); if (row) row.focus(); }
  });
  body.addEventListener("htmx:afterSwap", (event) => {
    if (event.target.id === "thread" && atEnd) toEnd();
  });
  body.addEventListener("htmx:afterSettle", (event) => {
    if (event.target.id !== "desk") return;
    title = document.title.replace(/^\(\d+\) /, "");
    settle();
    $("#queue").scrollTop = Number(body.dataset.scroll || 0);
    newcomers();
  });
  body.addEventListener("htmx:afterRequest", (event) => {
    const form = event.target.closest(".composer form.write");
    if (!form || !event.detail.successful) return;
    const area = $("textarea", form);
    area.value = "";
    const file = $("[type=file]", form);
    if (file) { file.value = ""; chosen(file); }
    sessionStorage.removeItem(draftKey(area));
    grow(area);
    area.focus();
    atEnd = true;
    toEnd();
  });
  body.addEventListener("htmx:sendError", () => toast(words.network, "bad"));
  body.addEventListener("htmx:responseError", (event) => {
    const answer = (name) => event.detail.xhr.getResponseHeader(name);
    if (!answer("HX-Trigger") && !answer("HX-Retarget")) toast(words.failed, "bad");
  });
  const lost = (is) => { const sign = $("#lost"); if (sign) sign.hidden = !is; };
  body.addEventListener("htmx:sseError", () => lost(true));
  body.addEventListener("htmx:sseOpen", (event) => {
    lost(false);
    event.detail.source.addEventListener("signed_out", () => { location.href = "/desk/login"; });
  });

  settle();
  newcomers();
  setInterval(tick, 1000);
  if (location.hash.startsWith("#m-")) jump(location.hash.slice(1));
})();
