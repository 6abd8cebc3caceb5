// Ask for a token where the engine wants one.

import { h } from "./dom.js";

export function logInForm(logIn) {
  const problem = h("p", { class: "problem", role: "alert" });
  const input = h("input", { type: "password", id: "token", autocomplete: "current-password", required: true });
  const submit = async (event) => {
    event.preventDefault();
    problem.textContent = "";
    try {
      await logIn(input.value.trim());
      input.value = "";
    } catch (error) {
      problem.textContent = `That did not work: ${error.message}.`;
    }
  };
  return h(
    "form",
    { class: "login", onsubmit: submit },
    h("h1", {}, "A token, please"),
    h("p", {}, "This engine shows its numbers to those who have a token with the scope ", h("code", {}, "read"), ". An administrator makes one with ", h("code", {}, "slo token create"), "."),
    h("label", { for: "token" }, "Token"),
    input,
    h("button", {}, "Open the board"),
    problem,
  );
}
