// Holds the order of a table's rows while the pointer is over them or the focus is in them, so that no
// other row comes under the pointer. Held rows change in place; the reader may have them sorted again.
// A pointer that was left over the table, or a focus, holds them no longer than a minute.
"use strict";

const resort = Object.assign(document.createElement("button"), { type: "button", id: "resort", hidden: true });

const pointerHovers = matchMedia("(hover: hover)");

// The rows in their right order, while the table shows another.
let rightOrder = null;

const rowsBody = () => live.querySelector("tbody");

function isAimedAt(node) {
  return pointerHovers.matches && node.matches(":hover")
    || document.hasFocus() && node.contains(document.activeElement);
}

const HOLD_PATIENCE = 60000;
let lastAimed = Date.now();
for (const sign of ["pointermove", "wheel", "keydown"]) {
  document.addEventListener(sign, () => { lastAimed = Date.now(); }, { capture: true, passive: true });
}

// News wait for the reader; the rows of another filter do not.
const isOrderHeld = () => isNews && Date.now() - lastAimed < HOLD_PATIENCE && [rowsBody(), resort].some((node) => node && isAimedAt(node));

// Changes the rows that are shown. Rows that have come or gone do so when the rows are sorted.
function changeHeldRows(body, fresh) {
  const rows = [...body.children];
  const wanted = new Map([...fresh.children].map((row) => [keyOf(row), row]));
  // A row that shrank would let the rows below it move up.
  const heights = rows.map((row) => row.getBoundingClientRect().height);
  rows.forEach((row, place) => {
    const next = wanted.get(keyOf(row));
    row.style.setProperty("--held-height", `${heights[place]}px`);
    row.classList.toggle("gone", !next);
    if (next) changeRow(row, next);
    else tellGone(row);
  });
  rightOrder = fresh;
  const text = difference(rows.map(keyOf), [...wanted.keys()]);
  if (!resort.isConnected) document.body.append(resort);
  const offer = text && `${text}: sort again`;
  resort.hidden = !offer;
  if (resort.textContent === offer) return;
  resort.textContent = offer;
  if (offer) speakSoon();
}

// The state of a row that the list no longer has is not known.
function tellGone(row) {
  const said = document.createElement("span");
  said.textContent = "no longer in this list";
  row.querySelector("[data-label=State]")?.replaceChildren(said);
}

// Says how the rows that are shown differ from the right ones.
function difference(shown, right) {
  const [isShown, isRight] = [new Set(shown), new Set(right)];
  const kept = shown.filter((key) => isRight.has(key));
  const moved = kept.length - inOrder(kept, right.filter((key) => isShown.has(key))).size;
  const counts = [[moved, "moved"], [right.length - kept.length, "come"], [shown.length - kept.length, "gone"]];
  return counts.filter(([count]) => count).map(([count, what], place) => {
    const noun = place > 0 ? "" : count === 1 ? " row" : " rows";
    return `${count}${noun} ${count === 1 ? "has" : "have"} ${what}`;
  }).join(", ");
}

// Makes a change, and scrolls so that the row that the reader aims at stays where it is on the screen.
function withoutMoving(change) {
  const row = isOrderHeld() && (rowsBody()?.querySelector("tr:hover") ?? document.activeElement?.closest("tbody tr"));
  const before = row && row.getBoundingClientRect().top;
  change();
  if (!row || !row.isConnected) return;
  const moved = row.getBoundingClientRect().top - before;
  const root = document.documentElement;
  const missing = scrollY + moved - (root.scrollHeight - root.clientHeight);
  // A short page cannot be scrolled so far.
  if (moved > 0 && missing > 0) document.body.style.minHeight = `${document.body.scrollHeight + missing}px`;
  if (moved) scrollBy({ top: moved, behavior: "instant" });
}

// Ends the hold, before the rows are put in order.
function letGo(body) {
  resort.hidden = true;
  resort.textContent = "";
  rightOrder = null;
  document.body.style.minHeight = "";
  for (const row of body?.children ?? []) {
    row.style.removeProperty("--held-height");
    row.classList.remove("gone");
  }
}

function sortAgain() {
  const [body, right, focused] = [rowsBody(), rightOrder, document.activeElement];
  letGo(body);
  if (!right || !body) return;
  putInOrder(body, right);
  tellAges();
  if (focused === resort) live.focus({ preventScroll: true });
  else if (focused.isConnected && document.activeElement !== focused) focused.focus({ preventScroll: true });
}

function sortIfLeft() {
  if (rightOrder && !isOrderHeld()) sortAgain();
}

resort.addEventListener("click", sortAgain);
setInterval(sortIfLeft, 1000);
for (const leaving of ["pointerout", "focusout"]) {
  // Where the pointer or the focus goes is known only afterwards.
  document.addEventListener(leaving, () => { if (rightOrder) setTimeout(sortIfLeft); });
}
