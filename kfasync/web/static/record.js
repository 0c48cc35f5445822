// The record of one attempt, whole: what happened, its stages, every field, what was said.

import { bar, head, rows } from "/charts.js";

const at = (id) => document.getElementById(id);

export class RecordView {
  constructor({ words, ask }) {
    this.words = words;
    this.ask = ask;
    this.box = at("record");
    at("close").textContent = words.close;
    at("close").addEventListener("click", () => this.box.close());
    at("transcript-title").textContent = words.transcript;
    head(at("record-stages"), [words.stage, words.began, words.took, ""]);
    head(at("record-fields"), [words.field, words.value]);
    head(at("record-transcript"), [words.stage, words.command, "SW", words.answer, words.took]);
  }

  async show(number) {
    const found = await this.ask(`/lead/records/${number}`);
    if (!found) return;
    const { stages: timed, transcript: said, ...fields } = found.record;
    const stages = timed ?? []; // a person's decision has none
    const transcript = said ?? [];
    at("record-title").textContent = this.words.record.replace("{}", number);
    at("happened").textContent = [found.happened, found.action].filter(Boolean).join(". ");
    const end = Math.max(0, ...stages.map((one) => one.offset_us + one.took_us));
    const name = (stage) => this.words.stage_names[stage] ?? stage;
    rows(at("record-stages"), stages.map((one) => [
      name(one.stage), ms(one.offset_us), ms(one.took_us),
      bar([[one.offset_us, one.offset_us + one.took_us, "time"]], end),
    ]));
    rows(at("record-fields"), Object.entries(fields)
      .filter(([, value]) => value !== null && value !== "")
      .map(([field, value]) => [field, typeof value === "object" ? JSON.stringify(value) : value]));
    rows(at("record-transcript"), transcript.map((one) => [
      name(one.stage), `${one.command} (${one.command_bytes})`, one.sw,
      one.answer ?? `(${one.answer_bytes})`, ms(one.took_us),
    ]));
    at("record-stages").hidden = !stages.length;
    at("record-transcript").hidden = at("transcript-title").hidden = !transcript.length;
    if (!this.box.open) this.box.showModal();
    this.box.scrollTop = 0;
    this.box.dataset.number = number;
  }
}

const ms = (us) => (us / 1000).toFixed(1);
