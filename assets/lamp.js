// Says whether the page is live: in the lamp, and, if the server does not answer or refuses the reader, in
// the title, the icon and the colours of the page.
"use strict";

const lamp = document.getElementById("lamp");
const icon = document.querySelector("link[rel=icon]");
const icons = { usual: icon.getAttribute("href"), lost: icon.dataset.lost };
// When it is needed, there is no server to load it from.
const lostIcon = Object.assign(new Image(), { src: icons.lost });

// The title of the page while the server answers.
let usualTitle = document.title;
let lastHeard = Date.now();

function tellLamp() {
  if (!live.dataset.events) return;
  lamp.hidden = false;
  const [word, text, title] = !canReach ? ["lost", `${navigator.onLine ? "No answer" : "No network"}. ${heard()}`, "no answer"]
    : isRefused ? ["lost", SIGN_IN, "signed out"]
    : isLive ? ["live", "Live"]
    : ["polling", `Looks every ${LOST_INTERVAL / 1000} s`];
  lamp.className = `lamp ${word}`;
  const link = text === SIGN_IN ? signIn() : null;
  if (lamp.textContent !== text || link && lamp.firstElementChild.href !== link.href) lamp.replaceChildren(link ?? text);
  tellLoss(title);
}

const SIGN_IN = "Sign in again";

// Leads back to this page.
function signIn() {
  const link = Object.assign(document.createElement("a"), { textContent: SIGN_IN });
  const name = location.pathname.split("/").pop() || "./";
  link.href = `login?${new URLSearchParams({ to: name + location.search })}`;
  return link;
}

function heard() {
  const [at, day] = [new Date(lastHeard), 24 * 3600e3];
  const clock = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const date = Date.now() - lastHeard < day ? "" : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, `;
  return `Last heard ${distance(Date.now() - lastHeard)} (${date}${clock})`;
}

// What the title says first is why the page is old, if it is.
function tellLoss(why) {
  document.documentElement.classList.toggle("lost", Boolean(why));
  const title = why ? `(${why}) ${usualTitle}` : usualTitle;
  if (document.title !== title) document.title = title;
  const shown = why ? icons.lost : icons.usual;
  if (icon.getAttribute("href") !== shown) icon.setAttribute("href", shown);
}
