// One tile a lane: glyph, place, word, and what to do. Texts go in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
// Drawn in a square of 24, with the colour of the text.
const GLYPHS = {
  empty: "M4 17v3h16v-3M12 3v10M8 9l4 4 4-4",
  reading: "M4 12a8 8 0 0 1 16 0M8 12a4 4 0 0 1 8 0M12 12v8",
  leasing: "M12 3v12M7 10l5 5 5-5M4 20h16",
  waiting: "M6 3h12M6 21h12M7 3c0 6 5 6 5 9s-5 3-5 9M17 3c0 6-5 6-5 9s5 3 5 9",
  writing: "M4 20l1-5L16 4l4 4L9 19zM13 7l4 4",
  locking: "M5 11h14v10H5zM8 11V7a4 4 0 0 1 8 0v4",
  pass: "M3 13l6 6L21 5",
  fail: "M4 4l16 16M20 4L4 20",
  retry: "M20 12a8 8 0 1 1-3-6M20 3v5h-5",
  bound: "M10 14l4-4M9 8l3-3a4 4 0 0 1 6 6l-3 3M15 16l-3 3a4 4 0 0 1-6-6l3-3",
  "in-doubt": "M7 7a5 5 0 1 1 7 4c-2 1-2 2-2 4M12 18v4",
  "reader-fault": "M7 3v5M17 3v5M5 8h14v4a7 7 0 0 1-14 0zM12 19v3M2 2l20 20",
  stopped: "M8 2h8l6 6v8l-6 6H8l-6-6V8zM8 12h8",
};
// Letters of a reason, from which on it takes smaller ones to fit.
const LONG = 98;
const LONGEST = 160;
const SHAPES = [[1, 1], [2, 1], [2, 2], [3, 2], [3, 3], [4, 3], [4, 4]];

export class Tiles {
  constructor(place, words) {
    this.place = place;
    this.words = words;
    this.tiles = new Map();
    this.none = document.createElement("p");
    this.none.textContent = words.no_lane;
    new ResizeObserver(() => this.fit()).observe(place);
    document.fonts?.ready.then(() => this.fit());
  }

  show(news) {
    if (news.whole) {
      this.tiles.forEach((tile) => tile.box.remove());
      this.tiles.clear();
    }
    const before = this.tiles.size;
    for (const lane of news.tiles) {
      let tile = this.tiles.get(lane.slot);
      if (!tile) {
        tile = new Tile(lane.slot);
        this.tiles.set(lane.slot, tile);
      }
      tile.show(lane, this.words);
    }
    if (this.tiles.size !== before || news.whole) this.arrange();
  }

  get lanes() {
    return [...this.tiles.values()].map((tile) => tile.lane);
  }

  arrange() {
    const inOrder = [...this.tiles.keys()].sort((one, other) => one - other);
    this.place.replaceChildren(...inOrder.map((slot) => this.tiles.get(slot).box));
    if (!inOrder.length) this.place.append(this.none);
    this.fit();
  }

  // As large as the room allows: from three metres, words are what is read.
  fit() {
    const count = Math.max(this.tiles.size, 1);
    const [columns, rows] = SHAPES.find(([c, r]) => c * r >= count) ?? [5, Math.ceil(count / 5)];
    const style = this.place.style;
    style.setProperty("--columns", columns);
    style.setProperty("--rows", rows);
    const width = this.place.clientWidth / columns;
    const height = this.place.clientHeight / rows;
    const size = Math.min(width / 474, height / 240);
    for (const tile of this.tiles.values()) tile.fit(size);
  }
}

class Tile {
  constructor(slot) {
    this.box = element("section", "tile");
    this.box.id = `lane-${slot}`;
    const head = element("header", "");
    this.glyph = document.createElementNS(SVG, "svg");
    this.glyph.setAttribute("viewBox", "0 0 24 24");
    this.glyph.setAttribute("aria-hidden", "true");
    this.path = document.createElementNS(SVG, "path");
    for (const [name, value] of [
      ["fill", "none"],
      ["stroke", "currentColor"],
      ["stroke-width", "3"],
      ["stroke-linejoin", "round"],
    ]) {
      this.path.setAttribute(name, value);
    }
    this.glyph.append(this.path);
    this.slot = element("span", "place");
    this.uid = element("span", "uid");
    this.seen = element("span", "seen");
    head.append(this.glyph, this.slot, this.seen, this.uid);
    this.word = element("h2", "word");
    this.do = element("p", "do");
    this.why = element("p", "why");
    this.code = element("span", "code");
    this.reason = document.createTextNode("");
    this.why.append(this.code, this.reason);
    this.progress = document.createElement("progress");
    this.box.append(head, this.word, this.do, this.why, this.progress);
  }

  show(lane, words) {
    const new_word = lane.state !== this.lane?.state;
    this.lane = lane;
    const label = `${words.lane} ${lane.slot}`;
    this.box.setAttribute("aria-label", label);
    this.progress.setAttribute("aria-label", label);
    set(this.slot, String(lane.slot));
    set(this.uid, lane.uid);
    if (new_word) {
      this.box.className = `tile ${lane.state}`;
      this.path.setAttribute("d", GLYPHS[lane.state] ?? GLYPHS["in-doubt"]);
      set(this.word, words.states[lane.state] ?? lane.state);
      this.squeeze();
    }
    const taken = lane.state === "pass" && !lane.there;
    set(this.do, words.verbs[lane.words.do] ?? (taken ? words.next : words.glance[lane.state]) ?? "");
    const { code, happened, action } = lane.words;
    const said = [happened, action].filter(Boolean).join(". ");
    set(this.code, code ? `${code} ` : "");
    set(this.reason, lane.message || said || (lane.state === "empty" ? lane.reader : lane.fesn));
    const letters = this.why.textContent.length;
    this.why.classList.toggle("long", letters > LONG);
    this.why.classList.toggle("longest", letters > LONGEST);
    this.progress.hidden = !["writing", "locking"].includes(lane.state);
    if (lane.steps) {
      this.progress.max = lane.steps;
      this.progress.value = lane.step;
    } else {
      this.progress.removeAttribute("value");
    }
    set(this.seen, lane.seen ? `✓ ${words.seen}` : "");
  }

  fit(size) {
    this.box.style.setProperty("--size", size);
    this.squeeze();
  }

  // A long word becomes narrower and not smaller: its height is what carries over three metres.
  squeeze() {
    this.word.style.transform = "";
    const room = this.word.clientWidth;
    const needed = this.word.scrollWidth;
    if (room && needed > room) this.word.style.transform = `scaleX(${room / needed})`;
  }
}

function element(kind, name) {
  const made = document.createElement(kind);
  made.className = name;
  return made;
}

function set(node, text) {
  if (node.textContent !== text) node.textContent = text;
}
