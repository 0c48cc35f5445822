// The lead's page: what has become of fobs. It reads, and nothing is changed here.

import { bar, cell, head, rows } from "/charts.js";
import { History } from "/history.js";
import { RecordView } from "/record.js";
import { token, words as wordsOfPage } from "/start.js";

const at = (id) => document.getElementById(id);
const all = await wordsOfPage();
const words = all.lead;
const secret = token();

document.documentElement.lang = all.language;
document.title = `${words.title} - ${all.station}`;
at("station").textContent = all.station;
at("find-what").textContent = words.search;
at("lanes").textContent = words.lanes;

async function ask(path) {
  const headers = secret ? { Authorization: `Bearer ${secret}` } : {};
  try {
    const answer = await fetch(path, { headers, cache: "no-store" });
    if (answer.ok) {
      say("");
      return await answer.json();
    }
    say(answer.status === 401 ? all.no_token : words.away);
  } catch {
    say(words.away);
  }
  return null;
}

function say(sentence) {
  at("banner").textContent = sentence;
  at("banner").hidden = !sentence;
}

const view = new RecordView({ words, ask });
const history = new History({ words, ask, open: (number) => view.show(number) });

// ------------------------------------------------------------------ yield by cause

const yields = document.querySelector("#yield table");
at("yield-title").textContent = words.yields;
head(yields, [words.ended, words.cause, words.pieces, ""]);
for (const [days, name] of Object.entries(words.days)) {
  const button = document.createElement("button");
  button.textContent = name;
  button.dataset.days = days;
  button.addEventListener("click", () => showYield(days));
  at("days").append(button, " ");
}

async function showYield(days) {
  const found = await ask(`/lead/yield?days=${days}`);
  if (!found) return;
  for (const button of at("days").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(button.dataset.days === days));
  }
  const part = found.part === null ? "" : `${(100 * found.part).toFixed(1)} %: `;
  at("sums").textContent = `${part}${found.passed} ${words.passed}, ${found.failed} ${words.failed}, `
    + `${found.again} ${words.again}`;
  const most = Math.max(1, ...found.shares.map((one) => one.pieces));
  rows(yields, found.shares.map((one) => {
    const word = document.createElement("b");
    word.textContent = all.states[one.state];
    word.className = one.state;
    return [cell(word), [one.happened, one.sw && `(${one.sw})`].filter(Boolean).join(" "),
      one.pieces, bar([[0, one.pieces, `share ${one.state}`]], most)];
  }));
  yields.dataset.days = days;
}

// ------------------------------------------------------------------ times of the stages

const stages = document.querySelector("#stages table");
at("stages-title").textContent = words.stages;
head(stages, [words.stage, words.half, words.most, words.slowest, ""]);

async function showStages() {
  const found = await ask("/lead/stages");
  if (!found) return;
  at("of-fobs").textContent = words.of_fobs.replace("{}", found.fobs);
  const slowest = Math.max(0, ...found.stages.map((one) => one.most_ms));
  rows(stages, found.stages.map((one) => [
    words.stage_names[one.stage] ?? one.stage, one.p50_ms.toFixed(1),
    one.p95_ms.toFixed(1), one.most_ms.toFixed(1),
    bar([[0, one.most_ms, "thin"], [0, one.p95_ms, "most"], [0, one.p50_ms, "time"]], slowest),
  ]));
  stages.dataset.fobs = found.fobs;
}

// ------------------------------------------------------------------ by keyboard

at("find").addEventListener("submit", (event) => {
  event.preventDefault();
  history.find(at("find-answer").value.replace(/[\s:-]/g, ""));
  at("find-answer").select();
});
at("newest").addEventListener("click", () => {
  showYield(yields.dataset.days ?? "1");
  showStages();
});
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || at("record").open) return;
  if (event.key === "Escape") {
    if (document.activeElement === at("find-answer")) at("find-answer").blur();
    else location.assign("/");
  } else if (event.key === "/" && document.activeElement !== at("find-answer")) {
    event.preventDefault();
    at("find-answer").focus();
    at("find-answer").select();
  }
});

await Promise.all([history.find(""), showYield("1"), showStages()]);
document.body.dataset.link = "ok"; // everything is there
