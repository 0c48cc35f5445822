// The history: the newest records, or those of one fob, page by page.

import { cell, head, rows } from "/charts.js";

export class History {
  // Args: `ask(path)` gives JSON or null; `open(number)` shows a record.
  constructor({ words, ask, open }) {
    this.words = words;
    this.ask = ask;
    this.open = open;
    this.search = "";
    this.before = null;
    this.table = document.querySelector("#history table");
    this.older = document.getElementById("older");
    this.none = document.getElementById("nothing");
    document.getElementById("history-title").textContent = words.history;
    document.getElementById("newest").textContent = words.newest;
    this.older.textContent = words.older;
    this.none.textContent = words.nothing;
    head(this.table, [words.number, words.at, words.lane, "UID", words.fesn, words.ended, words.cause]);
    document.getElementById("newest").addEventListener("click", () => this.find(this.search));
    this.older.addEventListener("click", () => this.show(this.before));
  }

  find(search) {
    this.search = search;
    return this.show(null);
  }

  async show(before) {
    const query = new URLSearchParams({ search: this.search });
    if (before !== null) query.set("before", before);
    const page = await this.ask(`/lead/history?${query}`);
    if (!page) return;
    this.before = page.before;
    this.older.disabled = page.before === null;
    this.none.hidden = page.lines.length > 0;
    rows(this.table, page.lines.map((line) => this.row(line)));
    this.table.dataset.search = this.search;
    this.table.dataset.first = page.lines[0]?.number ?? "";
  }

  row(line) {
    const button = document.createElement("button");
    button.textContent = line.number;
    button.addEventListener("click", () => this.open(line.number));
    const ended = this.words.ends[line.disposition] ?? { word: line.disposition, state: "" };
    const word = document.createElement("b");
    word.textContent = ended.word;
    word.className = ended.state;
    return [cell(button), when(line.finished), line.slot, line.uid, line.fesn, cell(word),
      line.cause === line.disposition ? "" : [line.sw, line.cause].filter(Boolean).join(" ")];
  }
}

// At this place, as a person writes it; the record has it in UTC.
export function when(text) {
  if (!/^\d{4}-\d\d-\d\dT[\d:.+]+$/.test(text)) return text;
  const at = new Date(text);
  const two = (part) => String(part).padStart(2, "0");
  const day = [at.getFullYear(), two(at.getMonth() + 1), two(at.getDate())].join("-");
  return `${day} ${[at.getHours(), at.getMinutes(), at.getSeconds()].map(two).join(":")}`;
}
