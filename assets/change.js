// Changes the shown page into a fresh one in place, so that the reader keeps focus, selection and
// opened parts. page.js fetches the fresh page.
"use strict";

// Elements match if their keys are equal, or, without keys, if their tags are.
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
    // Opened details stay open, and the scripts mark rows.
    const isReaders = name === "open" || old.localName === "tr" && /^(class|style)$/.test(name);
    if (!isReaders && !fresh.hasAttribute(name)) old.removeAttribute(name);
  }
  // Ages follow the clock of this page.
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

function changeRows(old, fresh) {
  if (isOrderHeld()) return changeHeldRows(old, fresh);
  letGo(old);
  putInOrder(old, fresh);
}

// Moves as few rows as possible, since a moved row loses the reader's selection.
function putInOrder(old, fresh) {
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
    changeRow(same, next);
  }
}

function changeRow(row, next) {
  const before = stateOf(row);
  changeInto(row, next);
  if (stateOf(row) !== before) flash(row);
}

// Returns the longest sequence of rows whose order is the same before and after.
function inOrder(before, after) {
  const places = new Map(before.map((row, place) => [row, place]));
  // For each length, the chain that ends earliest: its last row, and the chain before it.
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
