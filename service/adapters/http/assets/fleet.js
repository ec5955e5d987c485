// Keeps the page current: hears of changes, fetches the page again and changes only what differs, so that nothing
// flickers, and focus, selection and scroll position stay. Without this script the page works, but has to be reloaded.
"use strict";

const SOONEST = 1000; // milliseconds between two refreshes
const LATEST = 10000; // a refresh without a change: next polls and ages of answers
const connection = document.getElementById("connection");
let wanted = false, running = false, last = 0, source = null, timer = null;

function duration(seconds) {
  const whole = Math.max(0, Math.floor(seconds));
  const minutes = Math.floor(whole / 60), hours = Math.floor(whole / 3600), days = Math.floor(whole / 86400);
  if (whole < 60) return `${whole} s`;
  if (minutes < 60) return `${minutes} min`;
  if (hours < 24) return `${hours} h ${minutes % 60} min`;
  return `${days} d ${hours % 24} h`;
}

// The server's clock counts, not the one of this machine.
let ahead = Date.now() - Date.parse(document.documentElement.dataset.now);

function tick() {
  const now = Date.now() - ahead;
  for (const time of document.querySelectorAll("time[data-age], time[data-until]")) {
    const at = Date.parse(time.dateTime);
    let text;
    if (time.hasAttribute("data-age")) text = duration((now - at) / 1000);
    else text = at > now ? `in ${duration((at - now) / 1000)}` : "now";
    if (time.textContent !== text) time.textContent = text;
  }
}

const keyOf = (node) => (node.nodeType === 1 ? node.getAttribute("data-key") || node.id || "" : "");
const alike = (one, other) => one.nodeType === other.nodeType && one.nodeName === other.nodeName && keyOf(one) === keyOf(other);

function update(present, fresh) {
  if (present.nodeType === 3) {
    if (present.data !== fresh.data) present.data = fresh.data;
    return;
  }
  if (present.nodeType !== 1) return;
  if (present === document.activeElement && present.matches("input, select")) return;
  for (const { name } of [...present.attributes]) {
    if (!fresh.hasAttribute(name) && !KEPT.has(name)) present.removeAttribute(name);
  }
  for (const { name, value } of fresh.attributes) {
    if (present.getAttribute(name) !== value && !KEPT.has(name)) present.setAttribute(name, value);
  }
  children(present, fresh);
}

const KEPT = new Set(["open", "hidden", "class"]); // what the reader or this script has changed

function children(present, fresh) {
  const keyed = new Map();
  for (const child of present.childNodes) if (keyOf(child)) keyed.set(keyOf(child), child);
  let at = present.firstChild;
  for (const child of [...fresh.childNodes]) {
    const key = keyOf(child);
    let match = key ? keyed.get(key) : at;
    if (match && !key && keyOf(match)) match = null;
    if (match && alike(match, child)) {
      if (match !== at) present.insertBefore(match, at);
      else at = at.nextSibling;
      if (match.nodeType === 1 && match.className !== child.className) match.className = child.className;
      update(match, child);
    } else {
      const added = document.importNode(child, true);
      present.insertBefore(added, at);
      if (key && added.localName === "tr") added.classList.add("fresh");
      if (!key && at && !keyOf(at)) { const old = at; at = at.nextSibling; old.remove(); }
    }
  }
  while (at) { const old = at; at = at.nextSibling; old.remove(); }
}

async function refresh() {
  if (running) { wanted = true; return; }
  running = true;
  wanted = false;
  const address = location.href;
  try {
    const answer = await fetch(address, { headers: { Accept: "text/html" }, cache: "no-store", credentials: "same-origin" });
    const text = await answer.text();
    if (address !== location.href) { wanted = true; return; }
    if (!answer.ok && answer.status !== 404) return;
    const fresh = new DOMParser().parseFromString(text, "text/html");
    for (const part of document.querySelectorAll("[data-live]")) {
      const other = fresh.getElementById(part.id);
      if (!other) continue;
      if (part.className !== other.className) part.className = other.className;
      update(part, other);
    }
    clocks(answer);
    offer();
    tick();
    document.dispatchEvent(new Event("refreshed"));
  } catch {
    lost();
  } finally {
    running = false;
    last = Date.now();
    if (wanted) soon();
  }
}

function clocks(answer) {
  const served = Date.parse(answer.headers.get("X-Now") || "");
  if (served) ahead = Date.now() - served;
}

function soon() {
  if (timer !== null) return;
  timer = setTimeout(() => { timer = null; refresh(); }, Math.max(0, last + SOONEST - Date.now()));
}

function state(name, text) {
  if (!connection || connection.textContent === text) return;
  connection.className = name;
  connection.textContent = text;
}

let lostAt = "";

function lost() {
  lostAt = lostAt || new Date().toLocaleTimeString();
  state("lost", `no answer from this replica since ${lostAt}; what you see is from then`);
}

function listen() {
  if (source || document.hidden) return;
  source = new EventSource("/api/stream");
  source.addEventListener("change", soon);
  source.onopen = () => { lostAt = ""; state("live", "live"); soon(); };
  source.onerror = () => {
    lost();
    if (source && source.readyState === EventSource.CLOSED) { source = null; setTimeout(listen, 3000); }
  };
}

document.addEventListener("visibilitychange", () => {
  if (document.hidden && source) { source.close(); source = null; } // a browser has few connections for each server
  else { listen(); }
});

// Filters apply as they are changed; the address names them, so that it can be kept or sent to others.
const form = document.querySelector("form.filters");
let typing = null;

function filter() {
  const given = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) given.set(name, value);
  history.replaceState(null, "", `${form.getAttribute("action")}?${given}`);
  last = 0;
  refresh();
}

if (form) {
  form.addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(filter, 250); });
  form.addEventListener("submit", (event) => { event.preventDefault(); clearTimeout(typing); filter(); });
  form.querySelector("button").hidden = true;
}

document.addEventListener("keydown", (event) => {
  const search = document.getElementById("q");
  if (!search || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "/" && !event.target.matches("input, select, textarea")) { event.preventDefault(); search.focus(); search.select(); }
  if (event.key === "Escape" && event.target === search && search.value) { search.value = ""; filter(); }
});

function offer() {
  if (!navigator.clipboard) return;
  for (const button of document.querySelectorAll("button[data-copy]")) button.hidden = false;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.previousElementSibling.textContent);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});

offer();
listen();
setInterval(tick, 1000);
setInterval(() => { if (!document.hidden && Date.now() - last >= LATEST) refresh(); }, 1000);
