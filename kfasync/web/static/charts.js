// Tables with a bar in each row. Texts go in as text, never as markup.

const SVG = "http://www.w3.org/2000/svg";
const WIDE = 100; // a bar is drawn on a line of this many units

export function cell(text, kind = "td") {
  const box = document.createElement(kind);
  if (text instanceof Node) box.append(text);
  else box.textContent = text ?? "";
  if (kind === "th") box.scope = "col";
  return box;
}

export function head(table, names) {
  const row = document.createElement("tr");
  row.append(...names.map((name) => (name === "" ? cell("") : cell(name, "th"))));
  table.tHead.replaceChildren(row);
}

export function rows(table, lines) {
  table.tBodies[0].replaceChildren(...lines.map((cells) => {
    const row = document.createElement("tr");
    row.append(...cells.map((one) => (one instanceof HTMLTableCellElement ? one : cell(one))));
    return row;
  }));
}

// `parts` are [from, to, class], of a line that ends at `whole`; the figures stand beside it.
export function bar(parts, whole) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", `0 0 ${WIDE} 10`);
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("aria-hidden", "true");
  svg.setAttribute("class", "bar");
  const at = (value) => (whole > 0 ? (WIDE * value) / whole : 0);
  for (const [from, to, kind] of parts) {
    const box = document.createElementNS(SVG, "rect");
    box.setAttribute("x", at(from).toFixed(2));
    box.setAttribute("width", Math.max(at(to - from), 0.4).toFixed(2));
    box.setAttribute("y", kind === "thin" ? 4 : 1);
    box.setAttribute("height", kind === "thin" ? 2 : 8);
    box.setAttribute("class", kind);
    svg.append(box);
  }
  return cell(svg);
}
