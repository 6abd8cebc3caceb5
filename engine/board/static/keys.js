// Work the board from the keyboard.

import { h } from "./dom.js";

const KEYS = [
  ["/", "Find a service or SLO"],
  ["\u2191 \u2193 or k j", "Go through the rows"],
  ["Enter", "Open the chosen SLO"],
  ["\u2190 \u2192", "Turn pages"],
  ["Esc", "Clear the search or the filters, or go back"],
  ["o a w", "Overview, activity, wall"],
  ["t", "Change the theme"],
  ["?", "Show the keys"],
];

export function helpDialog() {
  const dialog = h(
    "dialog",
    { class: "help", "aria-labelledby": "help-title" },
    h("h2", { id: "help-title" }, "Keys"),
    h("dl", {}, KEYS.map(([key, text]) => h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, text)))),
    h("form", { method: "dialog" }, h("button", { autofocus: true }, "Close")),
  );
  document.body.append(dialog);
  return dialog;
}

// Call the action of a key, unless somebody is typing or a dialog is open.
export function listen(actions, dialog) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || dialog.open) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
    if (typing && !(event.key === "Escape" || (event.key === "ArrowDown" && event.target.type === "search"))) return;
    const action = actions[event.key];
    if (action && action(event) !== false) event.preventDefault();
  });
}
