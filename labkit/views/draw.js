// What every view draws with.

const SVG = "http://www.w3.org/2000/svg";
export const SPAN = 60; // seconds that a chart shows

export const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;
export const tone = (n) => `var(--c${n % 6})`;
export const DASHES = ["none", "7 3", "2 3", "9 3 2 3", "4 4", "1 4"];

export function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key in el && key !== "list") el[key] = value;
    else el.setAttribute(key, value);
  }
  el.append(...children);
  return el;
}

export function s(tag, attributes = {}, ...children) {
  const el = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) el.setAttribute(key, value);
  el.append(...children);
  return el;
}

/** Sets the attributes that are others than before: what stays the same costs the page nothing. */
export function set(el, attributes) {
  for (const [key, value] of Object.entries(attributes)) {
    const said = String(value);
    if (el.getAttribute(key) !== said) el.setAttribute(key, said);
  }
}

export const write = (attributes, said) => s("text", attributes, document.createTextNode(said));

/**
 * A padlock for a connection: closed where both sides show a certificate, open for plain text; nothing where nobody
 * knows. Its form tells the two apart where colours do not.
 */
export function padlock(security, attributes = {}, title = security) {
  const isClosed = security === "mutual TLS";
  const lock = s("g", { class: `lk-lock lk-lock-${isClosed ? "closed" : "open"}`, role: "img", "aria-label": title, ...attributes },
    s("path", { class: "lk-shackle", d: isClosed ? "M3 6V4a3 3 0 0 1 6 0v2" : "M9 6V3.5a3 3 0 0 1 6 0V5" }),
    s("rect", { x: 1, y: 6, width: 10, height: 7.5, rx: 1.5 }));
  lock.append(s("title", {}, document.createTextNode(title)));
  return lock;
}

/** The same beside words. */
export const padlockBesideWords = (security, title = security) =>
  s("svg", { class: "lk-inline-lock", viewBox: "0 0 16 15", width: 15, height: 14 }, padlock(security, {}, title));

/** How a way is sent, and whether its called proxy saw that or the rules say so. */
export const sentAs = ({ security, is_measured: isMeasured }) => (security ? `${security}, ${isMeasured ? "measured" : "as configured"}` : "–");

/** Colour and pattern of a version, twelve different ones; the pattern tells them apart where colours do not. */
export function pattern(id, n) {
  const colour = n < 0 ? "var(--bad)" : tone(n);
  const marks = n < 0
    ? [s("path", { d: "M0 0l8 8M8 0l-8 8", stroke: "#fffc", "stroke-width": 1.4 })]
    : [
        [],
        [s("path", { d: "M-2 2l4-4M0 8l8-8M6 10l4-4", stroke: "#0006", "stroke-width": 1.5 })],
        [s("circle", { cx: 2, cy: 2, r: 1.2, fill: "#fffb" }), s("circle", { cx: 6, cy: 6, r: 1.2, fill: "#fffb" })],
        [s("path", { d: "M0 4h8", stroke: "#fffa", "stroke-width": 1.6 })],
      ][n % 4];
  return s("pattern", { id, width: 8, height: 8, patternUnits: "userSpaceOnUse" },
    s("rect", { width: 8, height: 8, fill: colour }), ...marks);
}

/** x of a time, for a chart that ends now. */
export const scale = (end, left, width) => (t) => left + width * (1 - (end - t) / SPAN);

/** Runs of points without a pause between them. */
export function runs(list, time, gap) {
  const found = [];
  for (const item of list) {
    const last = found.at(-1);
    if (last && time(item) - time(last.at(-1)) <= gap) last.push(item);
    else found.push([item]);
  }
  return found;
}

/** A small chart of the same minute; `said` is its newest value in words. */
export function spark(title, said, points, lines, end) {
  const [W, H] = [280, 50];
  const x = scale(end, 0, W);
  const shown = points.filter((p) => p.t >= end - SPAN);
  // One slow request must not flatten the rest of the minute: the highest few values are cut off.
  const values = shown.flatMap((p) => lines.map((line) => line.of(p) ?? 0)).sort((a, b) => a - b);
  const most = Math.max(1e-9, 1.15 * (values[Math.floor(0.97 * (values.length - 1))] || values.at(-1) || 0));
  const svg = s("svg", { class: "lk-chart", viewBox: `0 0 ${W} ${H}`, preserveAspectRatio: "none", "aria-hidden": "true" });
  svg.append(s("line", { class: "lk-grid", x1: 0, x2: W, y1: H - 1, y2: H - 1 }));
  for (const line of lines) {
    const has = shown.filter((p) => line.of(p) != null);
    for (const run of runs(has, (p) => p.t, 3)) {
      const d = run.map((p) => `${x(p.t).toFixed(1)} ${(H - 2 - ((H - 6) * Math.min(line.of(p), most)) / most).toFixed(1)}`).join("L");
      const stroke = has.some(line.of) ? line.colour : "var(--line)"; // nothing failed: no alarming colour
      svg.append(s("path", { class: "lk-line", d: `M${d}`, stroke, "stroke-dasharray": line.dash }));
    }
  }
  return h("figure", {}, h("figcaption", {}, h("b", {}, said), h("span", {}, title)), svg);
}

/** A table; each cell is a list of what stands in it, and the first of a row names it. */
export function tableFrom(caption, head, rows) {
  const cell = (content, n) => n === 0 ? h("th", { scope: "row" }, ...content) : h("td", { "data-head": head[n] }, ...content);
  return h("table", {},
    h("caption", {}, caption),
    h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...rows.map((row) => h("tr", {}, ...row.map(cell)))));
}
