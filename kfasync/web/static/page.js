// The operator's page: what the station says, shown; nothing is decided here.

import { Asking } from "/asking.js";
import { Checks } from "/checks.js";
import { follow } from "/news.js";
import { token, words as wordsOfPage } from "/start.js";
import { Tiles } from "/tiles.js";
import { play, silent, wake } from "/tones.js";

const TONE_LATE_MS = 5000; // a tone for what was long ago would be taken for the next fob's

const at = (id) => document.getElementById(id);

const words = await wordsOfPage();
document.documentElement.lang = words.language;
document.title = `${words.station} - kfasync`;
at("station").textContent = words.station;
at("sound").textContent = words.silent;

at("keys").textContent = words.keys;

const tiles = new Tiles(at("tiles"), words);
const secret = token();
const checks = new Checks(words);
new Asking({ tiles, words, checks, token: secret });
let link = "cut-off";
let heardResults = 0;
let lastSeq = 0;

function delta(news) {
  if (news.whole) {
    heardResults = 0;
    lastSeq = 0;
  }
  tiles.show(news);
  let first = "";
  for (const result of news.results) {
    if (result.seq <= lastSeq) continue; // told before
    first ||= result.at;
    lastSeq = result.seq;
    heardResults += 1;
    const late = Date.now() - Date.parse(result.at) > TONE_LATE_MS;
    if (!news.whole && !late) play(result.state === "pass");
  }
  if (news.strip) showStrip(news.strip);
  if (first) document.body.dataset.at = first;
  document.body.dataset.results = heardResults;
  document.body.dataset.seq = news.seq;
  showBanner();
}

function showStrip(strip) {
  const percent = (part) => `${(100 * part).toFixed(1)} %`;
  const figures = [
    [words.hour, strip.hour],
    [words.takt, strip.takt_s],
    [words.yield_all, strip.yield_all, percent],
    [words.yield_50, strip.yield_50, percent],
    [words.content, strip.content, (pieces) => content(pieces, strip.content_h), pressing(strip)],
    [words.source, strip.source, (ok) => (ok ? words.source_ok : words.source_away), !strip.source],
    [words.certificate, strip.certificate_d, (days) => `${days} ${words.days}`,
      strip.certificate_d !== null && strip.certificate_d <= 30],
    [words.outbox, strip.outbox],
    [words.open, strip.open, String, strip.open > 0],
  ];
  at("strip").replaceChildren(
    ...figures.filter(([, value]) => value !== null).map(([name, value, say = String, bad = false]) => {
      const box = document.createElement("div");
      const term = document.createElement("dt");
      const figure = document.createElement("dd");
      term.textContent = name;
      figure.textContent = say(value);
      box.className = bad ? "bad" : "";
      box.append(term, figure);
      return box;
    }),
  );
  checks.show(strip.checks);
  at("problems").textContent = strip.problems.join("   ");
}

const content = (pieces, hours) =>
  hours === null ? String(pieces) : `${pieces} · ${hours} ${words.hours}`;
const pressing = (strip) => strip.content !== null && (strip.content === 0 || strip.content_h < 1 && strip.content_h !== null);

function showBanner() {
  const stopped = tiles.lanes.filter((lane) => lane.state === "stopped");
  const there = tiles.lanes.filter((lane) => lane.state !== "reader-fault");
  let said = "";
  if (link === "no-token") said = words.no_token;
  else if (link === "stale") said = words.stale;
  else if (link !== "ok") said = words.cut_off;
  else if (stopped.length && stopped.length === there.length) said = words.line_stopped;
  else if (stopped.length) said = words.lane_stopped.replace("{}", stopped.map((lane) => lane.slot).join(", "));
  else said = checks.open();
  const banner = at("banner");
  if (banner.textContent !== said) banner.textContent = said;
  banner.hidden = !said;
  document.body.dataset.link = link;
}

follow({
  token: secret,
  delta,
  link: (state) => {
    if (state === link) return;
    link = state;
    showBanner();
  },
});
showBanner();

const showSound = () => { at("sound").hidden = !silent(); };
for (const event of ["keydown", "pointerdown"]) {
  addEventListener(event, () => wake().then(showSound));
}
showSound();
setInterval(showSound, 2000);
