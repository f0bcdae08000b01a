// Says whether the page is live: in the lamp, and, if the server does not answer, in the title, the icon
// and the colours of the page.
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
  const [word, text] = !canReach ? ["lost", `${navigator.onLine ? "No answer" : "No network"}. ${heard()}`]
    : isLive ? ["live", "Live"]
    : ["polling", `Looks every ${LOST_INTERVAL / 1000} s`];
  lamp.className = `lamp ${word}`;
  if (lamp.textContent !== text) lamp.textContent = text;
  tellLoss(word === "lost");
}

function heard() {
  const [at, day] = [new Date(lastHeard), 24 * 3600e3];
  const clock = at.toLocaleTimeString("en-GB", { hour: "2-digit", minute: "2-digit" });
  const date = Date.now() - lastHeard < day ? "" : `${at.toLocaleDateString("en-GB", { day: "numeric", month: "short" })}, `;
  return `Last heard ${distance(Date.now() - lastHeard)} (${date}${clock})`;
}

function tellLoss(isLost) {
  document.documentElement.classList.toggle("lost", isLost);
  const title = isLost ? `(no answer) ${usualTitle}` : usualTitle;
  if (document.title !== title) document.title = title;
  const shown = isLost ? icons.lost : icons.usual;
  if (icon.getAttribute("href") !== shown) icon.setAttribute("href", shown);
}
