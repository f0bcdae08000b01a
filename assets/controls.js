// The reader's actions: filtering and keyboard shortcuts. page.js shows the page.
"use strict";

const form = document.getElementById("filters");

// ---- filtering while typing ----

let typing = null;
let isNewPlace = true;
let shownSearch = location.search;

function filterNow() {
  clearTimeout(typing);
  const query = new URLSearchParams();
  for (const [name, value] of new FormData(form)) if (value) query.append(name, value);
  const text = String(query);
  const address = text ? `./?${text}` : "./";
  if (new URL(address, document.baseURI).href === location.href) return;
  // Continuous typing is one step of the browser history.
  history[isNewPlace ? "pushState" : "replaceState"](null, "", address);
  isNewPlace = false;
  shownSearch = location.search;
  readOther();
}

form?.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(filterNow, 250);
});
form?.addEventListener("change", () => {
  filterNow();
  isNewPlace = true;
});
form?.addEventListener("submit", (event) => {
  event.preventDefault();
  filterNow();
  isNewPlace = true;
});
window.addEventListener("popstate", () => {
  // A jump within the page does not change the filter.
  if (location.search !== shownSearch) location.reload();
});

// ---- names to choose from ----

for (const name of ["repo", "server"]) {
  const input = form?.querySelector(`#${name}`);
  if (!input) continue;
  const list = document.createElement("datalist");
  list.id = `${name}-names`;
  input.after(list);
  input.setAttribute("list", list.id);
  let asked = null;
  const suggest = async () => {
    const typed = input.value;
    if (typed === asked || /[,{}*]/.test(typed)) return;
    asked = typed;
    const query = new URLSearchParams({ fields: name, limit: "50" });
    if (typed) query.set(name, `*${typed}*`);
    try {
      const rows = await (await ask(`api/${name}s?${query}`)).json();
      if (asked !== typed) return;
      list.replaceChildren(...rows.map((row) => new Option("", row[name])));
    } catch {
      // The field works without suggestions.
      asked = null;
    }
  };
  input.addEventListener("focus", suggest);
  input.addEventListener("input", suggest);
}

// ---- keys ----

const keys = document.getElementById("keys");

function step(by) {
  const rows = [...live.querySelectorAll("tbody tr")];
  if (!rows.length) return;
  const at = rows.indexOf(document.activeElement?.closest("tbody tr"));
  const next = at < 0 ? (by > 0 ? 0 : rows.length - 1) : Math.min(rows.length - 1, Math.max(0, at + by));
  rows[next].focus();
  rows[next].scrollIntoView({ block: "nearest" });
}

document.addEventListener("keydown", (event) => {
  const { target, key } = event;
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
  const isField = /^(INPUT|SELECT|TEXTAREA)$/.test(target.tagName);
  if (isField) {
    if (key !== "Escape") return;
    target.blur();
    // By default the browser would clear the field.
    event.preventDefault();
    return;
  }
  if (document.querySelector("dialog[open]")) return;
  const search = document.getElementById("q");
  if (key === "/" && search) {
    search.focus();
    search.select();
  } else if (key === "j") step(1);
  else if (key === "k") step(-1);
  else if (key === "s" && !resort.hidden) sortAgain();
  else if (key === "?" && keys) keys.showModal();
  else if (key === "c" && document.getElementById("clear")) document.getElementById("clear").click();
  else if (key === "Enter" && target.localName === "tr" && target.querySelector("a.details")) target.querySelector("a.details").click();
  else return;
  event.preventDefault();
});

// ---- copying a command ----

document.addEventListener("click", async (event) => {
  const button = event.target.closest?.("[data-copies]");
  if (!button) return;
  const command = document.getElementById(button.dataset.copies);
  getSelection().selectAllChildren(command);
  try {
    await navigator.clipboard.writeText(command.textContent);
  } catch {
    // Over plain HTTP from another host there is no clipboard, but the selection can be copied.
    document.execCommand("copy");
  }
  button.textContent = "Copied";
});
