// What a person changes, with the keyboard or a barcode scanner alone: a key begins, Enter answers one
// question after the other, Escape takes it all back. The lanes stay in sight.

const SAID_MS = 6000;

export class Asking {
  constructor({ tiles, words, checks, token }) {
    this.tiles = tiles;
    this.checks = checks;
    this.words = words;
    this.token = token;
    this.form = document.getElementById("ask");
    this.label = document.getElementById("ask-what");
    this.input = document.getElementById("ask-answer");
    this.said = document.getElementById("said");
    this.questions = null;
    addEventListener("keydown", (event) => this.press(event));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.answer(this.input.value.trim());
    });
    this.input.addEventListener("blur", () => {
      if (this.questions) setTimeout(() => this.input.focus(), 0);
    });
  }

  press(event) {
    if (this.questions) {
      if (event.key === "Escape") this.close();
      return;
    }
    if (event.ctrlKey || event.altKey || event.metaKey || this.checks.box.open) return;
    if (event.key.toLowerCase() === "c" && !this.checks.look()) this.tell(this.words.nothing);
    if (event.key.toLowerCase() === "h") location.assign("/lead");
    const begin = { a: this.acknowledge, r: this.resume, d: this.resolve }[event.key.toLowerCase()];
    if (begin) {
      event.preventDefault(); // the key is not the first letter of the answer
      begin.call(this);
    }
  }

  acknowledge() {
    const open = this.tiles.lanes.filter((lane) => lane.words.do && !lane.seen);
    this.ask(open.map((lane) => lane.slot), [this.words.ask_acknowledge], ([slot]) => {
      const lane = open.find((one) => one.slot === Number(slot));
      return { type: "acknowledge", slot: Number(slot), attempt: lane?.attempt ?? "" };
    });
  }

  resume() {
    const stopped = this.tiles.lanes.filter((lane) => lane.state === "stopped");
    const { ask_resume, ask_pin, ask_reason } = this.words;
    this.ask(stopped.map((lane) => lane.slot), [ask_resume, ask_pin, ask_reason],
      ([slot, pin, reason]) => ({ type: "resume", slot: Number(slot), pin, reason }));
  }

  resolve() {
    const doubtful = this.tiles.lanes.filter((lane) => lane.state === "in-doubt");
    const { ask_resolve, ask_as, ask_pin, ask_reason } = this.words;
    // Also of a fob that no lane shows any more: its UID is typed or scanned.
    this.ask([...doubtful.map((lane) => lane.uid), ""], [ask_resolve, ask_as, ask_pin, ask_reason],
      ([uid, as, pin, reason]) => (
        { type: "resolve", uid, resolved_as: as === "2" ? "recoverable" : "fail", pin, reason }));
  }

  // `choices` are what the first answer can be; the first of them is there to be taken by Enter.
  ask(choices, questions, change) {
    if (!choices.length) {
      this.tell(this.words.nothing);
      return;
    }
    this.questions = questions;
    this.answers = [];
    this.change = change;
    this.next(String(choices[0]));
  }

  next(begun = "") {
    const question = this.questions[this.answers.length];
    this.label.textContent = question;
    this.input.type = question === this.words.ask_pin ? "password" : "text";
    this.input.value = begun;
    this.said.hidden = true;
    this.form.hidden = false;
    this.input.focus();
    this.input.select();
  }

  answer(text) {
    const question = this.questions[this.answers.length];
    if (!text || (question === this.words.ask_as && !["1", "2"].includes(text))) {
      this.input.select();
      return;
    }
    this.answers.push(text);
    if (this.answers.length < this.questions.length) {
      this.next();
      return;
    }
    const change = this.change(this.answers);
    this.close();
    this.send(change);
  }

  close() {
    this.questions = null;
    this.answers = [];
    this.input.value = "";
    this.form.hidden = true;
  }

  async send(change) {
    const headers = { "Content-Type": "application/json" };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    try {
      const answer = await fetch("/changes", { method: "POST", headers, body: JSON.stringify(change) });
      const { refused } = await answer.json();
      this.tell(refused || this.words.done);
    } catch {
      this.tell(this.words.cut_off);
    }
  }

  tell(sentence) {
    this.said.textContent = sentence;
    this.said.hidden = false;
    clearTimeout(this.telling);
    this.telling = setTimeout(() => { this.said.hidden = true; }, SAID_MS);
  }
}
