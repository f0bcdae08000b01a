// Keeps a page live: hears that something has changed, reads the page anew, and changes in place
// what is different. Everything it shows was made by the server, so numbers and list agree. Without
// this script the pages work too, by reloading.
"use strict";

const live = document.getElementById("live");
const lamp = document.getElementById("lamp");
const spoken = document.getElementById("spoken");

// How often the page is read at the most, however much changes.
const READING_INTERVAL = 600;
const READING_PATIENCE = 15000;
// A stream that is alive says so every 15 s.
const STREAM_PATIENCE = 40000;
// How often to look without having been told: when the stream is lost, in the background, otherwise.
const LOST_INTERVAL = 5000;
const IDLE_INTERVAL = 60000;
const SPEAKING_INTERVAL = 5000;

document.documentElement.classList.add("scripted");

// ---- ages ----

let serverAhead = 0;

function noteServerTime() {
  serverAhead = Date.parse(live.dataset.now) - Date.now();
}

// Says it as the server does.
function distance(millis) {
  const span = Math.abs(millis);
  const [size, unit] = span < 60e3 ? [1e3, "s"] : span < 3600e3 ? [60e3, "min"]
    : span < 172800e3 ? [3600e3, "h"] : [86400e3, "d"];
  const text = `${Math.floor(span / size)} ${unit}`;
  return millis < 0 ? `in ${text}` : `${text} ago`;
}

function tellAges() {
  const now = Date.now() + serverAhead;
  for (const time of live.querySelectorAll("time")) {
    const text = distance(now - Date.parse(time.dateTime));
    if (time.textContent !== text) time.textContent = text;
  }
}

// ---- changing in place ----

// Elements are the same if their keys are, or, without keys, if they are of one kind.
const keyOf = (node) => node.dataset?.key;

function changeInto(old, fresh) {
  if (old.nodeType === Node.TEXT_NODE) {
    if (old.data !== fresh.data) old.data = fresh.data;
    return;
  }
  if (old.nodeType !== Node.ELEMENT_NODE) return;
  for (const { name, value } of fresh.attributes) {
    if (old.getAttribute(name) !== value) old.setAttribute(name, value);
  }
  for (const { name } of [...old.attributes]) {
    // What the reader has opened stays open.
    const isReaders = name === "open" || name === "class" && old.localName === "tr";
    if (!isReaders && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  // Ages are told by the clock of this page.
  if (old.localName !== "time") changeChildren(old, fresh);
}

function changeChildren(old, fresh) {
  if ([...old.children, ...fresh.children].some(keyOf)) return changeRows(old, fresh);
  let place = old.firstChild;
  for (const next of [...fresh.childNodes]) {
    if (place && place.nodeType === next.nodeType && place.nodeName === next.nodeName) {
      const same = place;
      place = place.nextSibling;
      changeInto(same, next);
    } else {
      old.insertBefore(next, place);
    }
  }
  while (place) {
    const gone = place;
    place = place.nextSibling;
    gone.remove();
  }
}

// Moves as few rows as can be: one that is moved loses the reader's selection.
function changeRows(old, fresh) {
  const known = new Map([...old.children].map((row) => [keyOf(row), row]));
  const wanted = new Set([...fresh.children].map(keyOf));
  for (const child of [...old.childNodes]) if (!wanted.has(keyOf(child))) child.remove();
  const staying = inOrder([...old.children], [...fresh.children].map((row) => known.get(keyOf(row))).filter(Boolean));
  let place = old.firstElementChild;
  for (const next of [...fresh.children]) {
    const same = known.get(keyOf(next));
    if (same === place) place = place?.nextElementSibling ?? null;
    if (!same) {
      old.insertBefore(next, place);
      flash(next);
      continue;
    }
    if (staying.has(same)) place = same.nextElementSibling;
    else old.insertBefore(same, place);
    const before = stateOf(same);
    changeInto(same, next);
    if (stateOf(same) !== before) flash(same);
  }
}

// Returns the largest set of rows that are in the same order before and after.
function inOrder(before, after) {
  const places = new Map(before.map((row, place) => [row, place]));
  // Of each length, the chain that ends earliest: its last row, and the chain before it.
  const ends = [];
  for (const row of after) {
    const place = places.get(row);
    let [low, high] = [0, ends.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (ends[middle].place < place) low = middle + 1;
      else high = middle;
    }
    ends[low] = { row, place, rest: ends[low - 1] };
  }
  const staying = new Set();
  for (let chain = ends.at(-1); chain; chain = chain.rest) staying.add(chain.row);
  return staying;
}

const stateOf = (row) => [...row.querySelectorAll(".state")].map((state) => state.textContent).join();

let isNews = true;

function flash(row) {
  if (!isNews) return;
  row.classList.add("new");
  row.addEventListener("animationend", () => row.classList.remove("new"), { once: true });
}

// ---- reading the page anew ----

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

// Reads the page soon; many wishes are one reading.
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
    const answer = await fetch(address, { headers, cache: "no-store", signal: giveUp.signal });
    canReach = true;
    if (answer.status === 304) return;
    // An entry that is gone is shown as such; other failures leave what was there.
    if (!answer.ok && answer.status !== 404) throw new Error(`status ${answer.status}`);
    const text = await answer.text();
    // The reader may have gone on meanwhile, or a later reading may have been quicker.
    if (address !== location.href || number !== readings) return;
    show(new DOMParser().parseFromString(text, "text/html"));
    tag = answer.headers.get("ETag") ?? "";
  } catch {
    // A reading that was given up says nothing of the server.
    if (number === readings) canReach = false;
  } finally {
    clearTimeout(patience);
    tellLamp();
  }
}

// Reads another selection, at once: what is shown is of the one before, and so are its links.
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
  // Those of extensions are not the server's.
  const own = (of) => [...of.querySelectorAll("script[src^='assets/']")];
  const scripts = (of) => own(of).map((script) => script.getAttribute("src")).join();
  if (scripts(fresh) !== scripts(document)) {
    // Another version of the server: its pages need its script.
    location.reload();
    return;
  }
  const [said, asked] = [sentence(), live.dataset.events];
  // On a wall the lamp is within what is replaced, and is this script's own.
  const lampThere = page.querySelector("#lamp");
  if (lampThere) lampThere.replaceWith(lamp.cloneNode(true));
  // What another filter shows is not news.
  isNews = shownAddress === location.href;
  shownAddress = location.href;
  const focused = document.activeElement;
  changeInto(live, page);
  if (focused.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
  document.title = fresh.title;
  noteServerTime();
  tellAges();
  showOrigin();
  if (sentence() !== said) speakSoon();
  if (live.dataset.events !== asked) listen();
}

const sentence = () => document.getElementById("sentence")?.textContent.trim().replace(/\s+/g, " ") ?? "";

// Says the latest of it, now and then: a listener cannot skip what was said too often.
function speakSoon() {
  speaking ??= setTimeout(() => {
    [speaking, lastSpeaking] = [null, Date.now()];
    spoken.textContent = sentence();
  }, Math.max(0, lastSpeaking + SPEAKING_INTERVAL - Date.now()));
}

// ---- hearing of changes ----

let stream = null;
let retry = null;
let isLive = false;
let lastHeard = 0;

function listen() {
  clearTimeout(retry);
  stream?.close();
  stream = null;
  isLive = false;
  if (!live.dataset.events || document.hidden) return tellLamp();
  const opened = new EventSource(live.dataset.events);
  stream = opened;
  for (const kind of ["start", "alive", "entry", "gone"]) opened.addEventListener(kind, () => { lastHeard = Date.now(); });
  opened.addEventListener("start", (event) => {
    isLive = true;
    // The page may be older than the stream.
    if (!JSON.parse(event.data).resumed) readSoon();
    tellLamp();
  });
  opened.addEventListener("entry", readSoon);
  opened.addEventListener("gone", readSoon);
  opened.onerror = () => {
    isLive = false;
    tellLamp();
    // The browser tries again by itself, unless it was told no.
    if (opened.readyState === EventSource.CLOSED && opened === stream) retry = setTimeout(listen, LOST_INTERVAL);
  };
}

function tellLamp() {
  if (!live.dataset.events) return;
  lamp.hidden = false;
  const time = new Date(Date.now()).toLocaleTimeString();
  const [word, text] = isLive && canReach ? ["live", "Live"]
    : canReach ? ["polling", `Looks every ${LOST_INTERVAL / 1000} s`]
    : ["lost", lamp.classList.contains("lost") ? lamp.textContent : `No answer since ${time}`];
  lamp.className = `lamp ${word}`;
  if (lamp.textContent !== text) lamp.textContent = text;
}

// A browser allows a server few connections: a page that nobody sees gives its own back.
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

// A connection can be dead without either end knowing, and a reading can fail while it is not.
setInterval(() => {
  if (isLive && Date.now() - lastHeard > STREAM_PATIENCE) listen();
  const wait = document.hidden || isLive && canReach ? IDLE_INTERVAL : LOST_INTERVAL;
  if (!reading && Date.now() - lastReading > wait) readSoon();
}, 1000);
setInterval(tellAges, 1000);

// ---- beginning ----

// Only the browser knows the path under which the server is reached.
function showOrigin() {
  const origin = document.getElementById("origin");
  if (origin) origin.textContent = new URL("./", document.baseURI).href;
}

noteServerTime();
tellAges();
showOrigin();
listen();
