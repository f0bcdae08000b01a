// Removes an entry, once the reader has confirmed it, and goes back to the list that they came from.
"use strict";

// Browsers may refuse the storage; then the reader comes to the list of everything.
function remember(name, value) {
  try {
    sessionStorage.setItem(name, JSON.stringify(value));
  } catch {}
}

function recall(name) {
  try {
    return JSON.parse(sessionStorage.getItem(name));
  } catch {
    return null;
  }
}

const base = new URL("./", document.baseURI).href;

// ---- back to the list ----

document.addEventListener("click", (event) => {
  if (event.target.closest?.("a.details")) remember("list", { address: location.href, top: scrollY });
});

// Returns the address of the list from which this page was opened, perhaps in another tab.
function listAddress() {
  const addresses = [recall("list")?.address, document.referrer];
  return addresses.find((address) => address?.startsWith(base) && !address.startsWith(`${base}entry`)) ?? base;
}

function goBack(done) {
  const address = listAddress();
  remember("done", { address, ...done });
  // The page of the removed entry is no place to come back to.
  location.replace(address);
}

// Shows a name as the pages do: each character that only changes the direction of text in a box.
function shown(name) {
  const bdi = document.createElement("bdi");
  for (const [index, piece] of name.split(/([\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069])/).entries()) {
    // What the split keeps of its separators is every second piece.
    if (index % 2 === 0) {
      bdi.append(piece);
      continue;
    }
    const mark = Object.assign(document.createElement("span"), { className: "control", dir: "ltr", textContent: piece });
    mark.dataset.mark = `U+${piece.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`;
    bdi.append(mark);
  }
  return bdi;
}

function tellDone() {
  const done = recall("done");
  remember("done", null);
  if (done?.address !== location.href) return;
  const list = recall("list");
  if (list?.address === location.href) scrollTo(0, list.top);
  const said = Object.assign(document.createElement("p"), { id: "done" });
  const text = document.createElement("span");
  text.append(shown(done.repo), " on ", shown(done.server), " has been removed.");
  const close = Object.assign(document.createElement("button"), { type: "button", textContent: "Close" });
  close.addEventListener("click", () => said.remove());
  said.append(text, close);
  document.body.append(said);
  // A screen reader announces what comes into this element after the page was loaded.
  setTimeout(() => { spoken.textContent = text.textContent; }, 100);
}

tellDone();

// ---- the removal itself ----

document.addEventListener("click", (event) => {
  const button = event.target.closest?.("#remove");
  if (!button) return;
  const dialog = document.createElement("dialog");
  dialog.setAttribute("aria-labelledby", "removal-title");
  const heading = Object.assign(document.createElement("h2"), { id: "removal-title" });
  heading.append("Remove ", ...[...document.querySelector("h1").childNodes].map((node) => node.cloneNode(true)), "?");
  const problem = Object.assign(document.createElement("p"), { role: "alert" });
  const no = Object.assign(document.createElement("button"), { textContent: "Keep it" });
  const yes = Object.assign(document.createElement("button"), { textContent: "Remove", type: "button", className: "danger" });
  const choice = Object.assign(document.createElement("form"), { method: "dialog" });
  choice.append(no, yes);
  dialog.append(heading, problem, choice);
  document.body.append(dialog);
  dialog.addEventListener("close", () => dialog.remove());
  yes.addEventListener("click", async () => {
    yes.disabled = true;
    try {
      const answer = await ask(button.dataset.url, { method: "DELETE" });
      const pair = new URLSearchParams(location.search);
      if (answer.ok || answer.status === 404) return goBack({ repo: pair.get("repo"), server: pair.get("server") });
      problem.textContent = (await answer.json()).message;
    } catch {
      problem.textContent = "The server does not answer.";
    }
    yes.disabled = false;
  });
  dialog.showModal();
  no.focus();
});
