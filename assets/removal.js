// Removes an entry, once the reader has confirmed it.
"use strict";

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
      const answer = await fetch(button.dataset.url, { method: "DELETE" });
      if (answer.ok || answer.status === 404) return location.assign(button.dataset.home);
      problem.textContent = (await answer.json()).message;
    } catch {
      problem.textContent = "The server does not answer.";
    }
    yes.disabled = false;
  });
  dialog.showModal();
  no.focus();
});
