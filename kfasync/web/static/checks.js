// The check list before a batch: said in the banner while it is not done, and shown whole by a key.

import { cell, head, rows } from "/charts.js";

const SAID_MOST = 3; // as many names as the banner has room for

export class Checks {
  constructor(words) {
    this.words = words;
    this.list = [];
    this.box = document.getElementById("checks");
    this.table = this.box.querySelector("table");
    document.getElementById("checks-title").textContent = words.checks;
    const close = document.getElementById("checks-close");
    close.textContent = words.check_close;
    close.addEventListener("click", () => this.box.close());
    head(this.table, [words.check_state, words.check, words.check_said]);
  }

  show(list) {
    this.list = list;
    rows(this.table, list.map((one) => {
      const state = document.createElement("b");
      state.textContent = this.words.check_states[one.state];
      state.className = one.state;
      return [cell(state), this.name(one), one.said];
    }));
  }

  // What the banner says; "" when all is good, or nobody asks for a list.
  open() {
    const names = this.list.filter((one) => one.state !== "good").map((one) => this.name(one));
    const said = names.slice(0, SAID_MOST).join(", ") + (names.length > SAID_MOST ? ", ..." : "");
    return said && this.words.check_open.replace("{}", said);
  }

  // False where there is none.
  look() {
    if (!this.list.length) return false;
    if (!this.box.open) this.box.showModal();
    return true;
  }

  name(one) {
    return this.words.check_names[one.name] ?? one.name;
  }
}
