// Keeps a page live: when the stream reports a change, it fetches the page again and replaces what
// differs. The server renders everything that it shows, so numbers and list agree. Without this script
// the pages still work, by reloading.
"use strict";

const live = document.getElementById("live");
const spoken = document.getElementById("spoken");

// The shortest time between two fetches of the page, however much changes.
const READING_INTERVAL = 600;
const READING_PATIENCE = 15000;
// A live stream sends an event at least every 15 s.
const STREAM_PATIENCE = 40000;
// How often to fetch without an event: when the stream is lost, in the background, and otherwise.
const LOST_INTERVAL = 5000;
const IDLE_INTERVAL = 60000;
const SPEAKING_INTERVAL = 5000;

document.documentElement.classList.add("scripted");

// A password that was part of the address must not get into links, streams and the history. The browser
// remembers it, and sends it by itself.
const plainAddress = Object.assign(new URL(document.URL), { username: "", password: "" }).href;
const isLeaving = plainAddress !== document.URL;
if (isLeaving) location.replace(plainAddress);

// ---- ages ----

let serverAhead = 0;

function noteServerTime() {
  serverAhead = Date.parse(live.dataset.now) - Date.now();
}

// The wording is that of the server.
function span(millis) {
  const [size, unit] = millis < 60e3 ? [1e3, "s"] : millis < 3600e3 ? [60e3, "min"]
    : millis < 172800e3 ? [3600e3, "h"] : [86400e3, "d"];
  return `${Math.floor(millis / size)} ${unit}`;
}

const distance = (millis) => millis < 0 ? `in ${span(-millis)}` : `${span(millis)} ago`;

function tellAges() {
  const now = Date.now() + serverAhead;
  for (const time of live.querySelectorAll("time")) {
    const passed = now - Date.parse(time.dateTime);
    const text = time.dataset.form === "span" ? span(Math.abs(passed)) : distance(passed);
    if (time.textContent !== text) time.textContent = text;
  }
}

// ---- fetching ----

// Asks the server. The header tells it that no person has just opened this: where a token is missing,
// the answer must not make the browser ask for a password.
function ask(address, options = {}) {
  return fetch(address, { ...options, headers: { ...options.headers, "X-Requested-With": "fetch" } });
}

// ---- fetching the page again ----

let tag = "";
let reading = null;
let readings = 0;
let giveUp = new AbortController();
let shownAddress = location.href;
let isWanted = false;
let lastReading = 0;
let lastSpeaking = 0;
let speaking = null;
let canReach = true;
// Whether the server has refused the reader, whose token has ended or may not read.
let isRefused = false;

// Fetches the page soon, and coalesces the calls until then.
function readSoon() {
  isWanted = true;
  if (reading) return;
  const wait = Math.max(0, lastReading + READING_INTERVAL - Date.now());
  reading = setTimeout(async () => {
    isWanted = false;
    await read();
    reading = null;
    if (isWanted) readSoon();
  }, wait);
}

async function read() {
  lastReading = Date.now();
  const [address, number] = [location.href, ++readings];
  giveUp = new AbortController();
  const patience = setTimeout((of) => of.abort(), READING_PATIENCE, giveUp);
  try {
    const headers = tag ? { "If-None-Match": tag } : {};
    const answer = await ask(address, { headers, cache: "no-store", signal: giveUp.signal });
    const wasRefused = isRefused;
    isRefused = [401, 403].includes(answer.status);
    // A removed entry is shown as removed. Other failures leave the page as it was.
    if (!answer.ok && !isRefused && ![304, 404].includes(answer.status)) throw new Error(`status ${answer.status}`);
    canReach = true;
    lastHeard = Date.now();
    if (isRefused !== wasRefused) listen();
    if (isRefused) return;
    if (answer.status === 304) return;
    const text = await answer.text();
    // The reader may have changed the filter meanwhile, or a later fetch may have been faster.
    if (address !== location.href || number !== readings) return;
    show(new DOMParser().parseFromString(text, "text/html"));
    tag = answer.headers.get("ETag") ?? "";
  } catch {
    // An aborted fetch says nothing about the server.
    if (number === readings) canReach = false;
  } finally {
    clearTimeout(patience);
    tellLamp();
  }
}

// Fetches another selection at once, since the page still shows the previous one with its links.
function readOther() {
  clearTimeout(reading);
  readings++;
  giveUp.abort();
  [reading, tag] = [null, ""];
  live.setAttribute("aria-busy", "true");
  lastReading = 0;
  readSoon();
}

function show(fresh) {
  const page = fresh.getElementById("live");
  if (!page) return;
  // Scripts of browser extensions do not count.
  const own = (of) => [...of.querySelectorAll("script[src^='assets/']")];
  const scripts = (of) => own(of).map((script) => script.getAttribute("src")).join();
  if (scripts(fresh) !== scripts(document)) {
    // The server has another version, whose pages need its own script.
    location.reload();
    return;
  }
  const [said, asked] = [sentence(), live.dataset.events];
  // On a wall, the lamp is inside the replaced part, but belongs to this script.
  const lampThere = page.querySelector("#lamp");
  if (lampThere) lampThere.replaceWith(lamp.cloneNode(true));
  // A difference that comes from a new filter is not announced.
  isNews = shownAddress === location.href;
  shownAddress = location.href;
  const focused = document.activeElement;
  withoutMoving(() => changeInto(live, page));
  if (focused.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
  usualTitle = fresh.title;
  noteServerTime();
  tellAges();
  sortIfLeft();
  showOrigin();
  if (sentence() !== said) speakSoon();
  if (live.dataset.events !== asked) listen();
  const [account, its] = [document, fresh].map((of) => of.getElementById("account"));
  if (account && its) changeInto(account, its);
}

const sentence = () => document.getElementById("sentence")?.textContent.trim().replace(/\s+/g, " ") ?? "";

// Announces the latest number at intervals, since screen reader users cannot skip announcements.
function speakSoon() {
  speaking ??= setTimeout(() => {
    [speaking, lastSpeaking] = [null, Date.now()];
    spoken.textContent = resort.hidden ? sentence() : `${sentence()} ${resort.textContent}`;
  }, Math.max(0, lastSpeaking + SPEAKING_INTERVAL - Date.now()));
}

// ---- the stream of changes ----

let stream = null;
let retry = null;
let isLive = false;
let streamHeard = 0;

function listen() {
  clearTimeout(retry);
  stream?.close();
  stream = null;
  isLive = false;
  if (!live.dataset.events || document.hidden || isRefused || isLeaving) return tellLamp();
  const opened = new EventSource(live.dataset.events);
  stream = opened;
  for (const kind of ["start", "alive", "entry", "gone"]) opened.addEventListener(kind, () => { lastHeard = streamHeard = Date.now(); });
  opened.addEventListener("start", (event) => {
    isLive = true;
    // The page may be older than the start of the stream.
    if (!JSON.parse(event.data).resumed) readSoon();
    tellLamp();
  });
  opened.addEventListener("entry", readSoon);
  opened.addEventListener("gone", readSoon);
  opened.onerror = () => {
    isLive = false;
    tellLamp();
    // The browser reconnects by itself, unless the server has refused. The page finds out why.
    if (opened.readyState !== EventSource.CLOSED || opened !== stream) return;
    readSoon();
    retry = setTimeout(listen, LOST_INTERVAL);
  };
}

// A browser opens few connections per server, so a hidden page closes its stream.
document.addEventListener("visibilitychange", () => {
  listen();
  if (!document.hidden) readSoon();
});
for (const wake of ["online", "pageshow"]) {
  window.addEventListener(wake, (event) => {
    if (wake === "pageshow" && !event.persisted) return;
    listen();
    readSoon();
  });
}

// Without a network the stream may stay open for long. A server on this machine still answers.
window.addEventListener("offline", () => {
  canReach = false;
  tellLamp();
  readSoon();
});

// A connection can be dead without an error, and a fetch can fail while the stream is open.
setInterval(() => {
  if (isLive && Date.now() - streamHeard > STREAM_PATIENCE) listen();
  const wait = document.hidden || isRefused && canReach || isLive && canReach ? IDLE_INTERVAL : LOST_INTERVAL;
  if (!reading && Date.now() - lastReading > wait) readSoon();
}, 1000);
setInterval(() => {
  tellAges();
  tellLamp();
}, 1000);

// ---- start ----

// Only the browser knows the path prefix of the server.
function showOrigin() {
  const origin = document.getElementById("origin");
  if (origin) origin.textContent = new URL("./", document.baseURI).href;
}

noteServerTime();
tellAges();
showOrigin();
listen();
