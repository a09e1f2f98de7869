// The page side of the service graph: boxes in columns, a line for each way, and the series of the one that is chosen.

import { h, s, set, spark, tableFrom, tone, write } from "./draw.js";
import { TALL, chips, routed } from "./ways.js";
import { atNextPicture, onWidth, show, viewBox } from "./live.js";
import { pictureOf } from "./picture.js";

const WIDE = { width: 130, height: 54, gap: 20, left: 10, top: 26, way: 140, chip: 88, letters: 13 };
const NARROW = { ...WIDE, width: 110, way: 104, chip: 86, letters: 11 };
const sizeFor = (width) => (width < 800 ? NARROW : WIDE); // less space between boxes rather than letters too small to read

const LOCK = "M-4 0h8v6h-8zM-2.5 0v-2.5a2.5 2.5 0 0 1 5 0v2.5";
const OPEN_LOCK = "M-4 0h8v6h-8zM-2.5 0v-2.5a2.5 2.5 0 0 1 5 0";

function spots(nodes, width, size) {
  const columns = [...new Set(nodes.map((node) => node.column))].sort((a, b) => a - b);
  const step = columns.length > 1 ? Math.max(size.width + size.way, (width - size.width - 2 * size.left) / (columns.length - 1)) : 0;
  const most = Math.max(1, ...columns.map((c) => nodes.filter((node) => node.column === c).length));
  const height = size.top + most * (size.height + size.gap) + 10;
  const at = new Map();
  columns.forEach((column, n) => {
    const own = nodes.filter((node) => node.column === column).sort((a, b) => a.row - b.row);
    const whole = own.length * (size.height + size.gap) - size.gap;
    own.forEach((node, row) => at.set(node.name, {
      x: size.left + n * step, y: size.top / 2 + (height - whole) / 2 + row * (size.height + size.gap),
    }));
  });
  return { at, height, width: Math.max(width, size.left * 2 + size.width + step * Math.max(0, columns.length - 1)) };
}

export function nodeSaid(node) {
  const pods = node.pods ? `${node.ready} of ${node.pods} pods ready` : "no pod of the mesh";
  const proxy = node.pods && !node.has_proxy ? ", no proxy" : "";
  return `${node.name}: ${pods}${proxy}${node.marks.length ? `; ${node.marks.join("; ")}` : ""}`;
}

export function edgeSaid(edge) {
  const lock = edge.mutual === null ? "" : edge.mutual ? ", mutual TLS" : ", plain text";
  const late = edge.p95 === null ? "" : `, 95 of 100 within ${edge.p95} milliseconds`;
  return `${edge.source} to ${edge.target}: ${edge.rate} requests per second, ${edge.errors ?? 0} percent failing${late}${lock}${carried(edge)}`;
}

// In ambient mode: who carries what goes this way.
const carried = (edge) => ((edge.hops ?? []).length ? `, by ${edge.hops.join(" and ")}` : "");

const late = (ms) => (ms < 10 ? `${ms} ms` : ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

// The two lines of a way's label: short enough for the space between two columns.
function labels(edge) {
  const hops = (edge.hops ?? []).join(" + ");
  if (!edge.rate) return [`${edge.sent} sent${edge.failed ? `, ${edge.failed} ✗` : ""}`, hops];
  const failing = edge.errors ? ` ✗ ${Math.round(edge.errors)} %` : "";
  return [`${edge.rate}/s${failing}`, [edge.p95 === null ? "" : late(edge.p95), hops].filter(Boolean).join(" · ")];
}

/** Attributes of a text that is made as narrow as its box where it has more letters than fit. */
const fitted = (text, most, size) => (text.length > most ? { textLength: size.width - 20, lengthAdjust: "spacingAndGlyphs" } : {});

function box(node, { x, y }, choose, size) {
  const kind = !node.pods ? "nobody" : node.has_proxy ? "meshed" : "plain";
  const busy = node.ready === node.pods ? "" : " lk-node-busy";
  const title = node.title.length > 22 ? `${node.title.slice(0, 21)}…` : node.title;
  const state = !node.pods ? "no pod of the mesh" : `${node.ready}/${node.pods} ready${node.has_proxy ? "" : ", no proxy"}`;
  const g = s("g", { class: `lk-node lk-node-${kind}${busy}`, "data-name": node.name, transform: `translate(${x} ${y})`, tabindex: 0,
    ...(choose ? { role: "button", "aria-pressed": "false" } : { role: "img" }), "aria-label": nodeSaid(node) },
    s("rect", { width: size.width, height: size.height, rx: 9 }),
    write({ x: 10, y: 21, "font-weight": 650, fill: "currentColor", ...fitted(title, size.letters, size) }, title),
    write({ x: 10, y: 38, class: "lk-axis" }, state));
  const mark = `⚠ ${node.marks[0]}`.slice(0, 24);
  if (node.marks.length) g.append(write({ x: 10, y: size.height - 5, class: "lk-mark", ...fitted(mark, size.letters + 4, size) }, mark));
  g.append(s("title", {}, document.createTextNode(nodeSaid(node))));
  if (choose) onPress(g, () => choose(node.name));
  return g;
}

/** A click, Enter or Space. */
function onPress(element, act) {
  element.addEventListener("click", act);
  element.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    act();
  });
}

const NAMED = 3; // ways that the sentence names; the table has all

export function graphSaid(nodes, edges) {
  const busy = edges.filter((edge) => edge.rate > 0);
  const failing = busy.filter((edge) => edge.errors > 0);
  const slow = busy.filter((edge) => edge.p95 !== null).sort((a, b) => b.p95 - a.p95)[0];
  const sent = busy.length ? `requests on ${busy.length} way${busy.length === 1 ? "" : "s"}` : "no request just now";
  const begin = `${nodes.length} workloads, ${sent}`;
  const named = failing.slice(0, NAMED).map((e) => `${e.source} to ${e.target}`).join(", ");
  const others = failing.length > NAMED ? ` and ${failing.length - NAMED} more` : "";
  const bad = failing.length ? `; failing: ${named}${others}` : "";
  return `${begin}${bad}${slow ? `; slowest to ${slow.target}` : ""}.`;
}

function tableOfWays(edges) {
  return tableFrom("Ways that requests took since this view began",
    ["from", "to", "per second", "failing %", "p95 ms", "requests", "failed", "mutual TLS", "carried by"],
    edges.map((e) => [[e.source], [e.target], [e.rate.toFixed(1)], [e.errors ?? "–"], [e.p95 ?? "–"], [e.sent], [e.failed],
      [e.mutual === null ? "unknown" : e.mutual ? "yes" : "no"], [(e.hops ?? []).join(", ")]]));
}

function render({ model, el }) {
  const { follow, unfollow, header, message, told, tell, svg, figure, details, setTable } = pictureOf(model, {
    title: "The service graph", by: "as the proxies count it", role: "group", rows: "Ways that requests took", messages: "",
  });
  const [groups, lines, texts, boxes] = [s("g", { "aria-hidden": "true" }), s("g"), s("g", { class: "lk-texts", "aria-hidden": "true" }), s("g")];
  svg.append(groups, lines, texts, boxes); // no line is drawn over what another one says
  const chart = h("div", { className: "lk-sparks" });
  const panel = h("section", { "aria-label": "The chosen way", hidden: true }, chart);
  const inside = h("section", { "aria-label": "The chosen workload", className: "lk-inside", hidden: true });
  const choose = (key) => {
    model.set("selected", model.get("selected") === key ? "" : key);
    model.save_changes();
  };
  const drawn = new Map();
  let width = 900;
  let boxesSaid = "";
  const way = (key) => {
    if (drawn.has(key)) return drawn.get(key);
    const g = s("g", { class: "lk-way", tabindex: 0, role: "button" });
    const parts = { g, wide: s("path", { class: "lk-wide" }), line: s("path", { class: "lk-line-of" }), head: s("path", { class: "lk-head" }),
      chip: s("g", { class: "lk-chip" }), high: write({ class: "lk-label lk-high", y: 14, "text-anchor": "middle" }, ""),
      low: write({ class: "lk-label", y: 28, "text-anchor": "middle" }, ""), lock: s("path", { class: "lk-padlock" }),
      area: s("rect", { fill: "transparent", height: TALL }), plate: s("rect", { height: TALL, rx: 9 }) };
    g.append(parts.wide, parts.line, parts.head, parts.area);
    parts.chip.append(parts.plate, parts.lock, parts.high, parts.low);
    texts.append(parts.chip);
    onPress(g, () => choose(key));
    drawn.set(key, parts);
    lines.append(g);
    return parts;
  };
  const drawGraph = () => {
    const [nodes, edges] = [model.get("nodes"), model.get("edges")];
    const size = sizeFor(width);
    const { at, height, width: whole } = spots(nodes, width, size);
    set(svg, { viewBox: `0 0 ${whole} ${height}` });
    const news = JSON.stringify([nodes, width]);
    if (news !== boxesSaid) { // boxes that say nothing new stay, and keep the focus
      boxesSaid = news;
      const held = boxes.contains(document.activeElement) ? document.activeElement.dataset.name : "";
      boxes.replaceChildren(...nodes.map((node) => box(node, at.get(node.name), model.get("can_inspect") && choose, size)));
      if (held) boxes.querySelector(`[data-name="${CSS.escape(held)}"]`)?.focus();
      const together = new Map();
      for (const node of nodes) together.set(node.group, [...(together.get(node.group) ?? []), at.get(node.name)]);
      groups.replaceChildren(...[...together.values()].filter((own) => own.length > 1).map((own) => s("rect", {
        class: "lk-group", rx: 12, x: own[0].x - 7, y: Math.min(...own.map((o) => o.y)) - 7,
        width: size.width + 14, height: Math.max(...own.map((o) => o.y)) - Math.min(...own.map((o) => o.y)) + size.height + 14,
      })));
    }
    for (const g of boxes.children) {
      const isChosen = g.dataset.name === model.get("selected");
      g.classList.toggle("lk-chosen", isChosen);
      if (model.get("can_inspect")) set(g, { "aria-pressed": isChosen });
    }
    const keys = new Set();
    const placed = edges.filter((edge) => at.has(edge.source) && at.has(edge.target));
    const routes = routed(placed, at, size);
    const spotOf = chips(routes, [...at.values()].map(({ x, y }) => ({ x, y, width: size.width, height: size.height })), size.chip);
    placed.forEach((edge, n) => {
      const key = `${edge.source} ${edge.target}`;
      keys.add(key);
      const parts = way(key);
      const { g, wide, line, head, area, chip, lock } = parts;
      const state = !edge.rate ? "lk-idle" : edge.errors ? "lk-failing" : "";
      const isChosen = model.get("selected") === key;
      const [high, low] = labels(edge);
      const { d, tip } = routes[n];
      const spot = spotOf[n];
      const news = [state, isChosen, high, low, edge.rate, edge.errors, edge.p95, edge.mutual, d, spot?.x, spot?.y, size.chip].join("|");
      if (parts.news === news) return; // most ways look as they did a moment ago
      parts.news = news;
      set(g, { class: `lk-way ${state}${isChosen ? " lk-chosen" : ""}`, "aria-label": edgeSaid(edge), "aria-pressed": isChosen });
      set(wide, { d });
      set(line, { d, "stroke-width": edge.rate ? Math.min(6, 1.5 + Math.sqrt(edge.rate) / 2).toFixed(2) : 1.2 });
      set(head, { d: tip });
      chip.style.display = area.style.display = spot ? "" : "none"; // what finds no free place stands in the table
      if (!spot) return;
      if (parts.high.textContent !== high) parts.high.textContent = high;
      if (parts.low.textContent !== low) parts.low.textContent = low;
      set(area, { x: spot.x, y: spot.y, width: size.chip });
      set(parts.plate, { width: size.chip });
      set(chip, { class: `lk-chip ${state}${isChosen ? " lk-chosen" : ""}`, transform: `translate(${spot.x} ${spot.y})` });
      set(parts.high, { x: size.chip / 2, y: low || edge.mutual !== null ? 14 : 21 });
      set(parts.low, { x: size.chip / 2 + (edge.mutual === null ? 0 : 8) });
      set(lock, { class: `lk-padlock lk-padlock-${edge.mutual ? "closed" : "open"}`, d: edge.mutual ? LOCK : OPEN_LOCK,
        transform: `translate(${size.chip / 2 - (low ? 6 + 3 * low.length : 0)} 22)` });
      lock.style.display = edge.mutual === null ? "none" : "";
    });
    for (const [key, parts] of drawn) {
      if (keys.has(key)) continue;
      for (const part of [parts.g, parts.chip]) part.remove();
      drawn.delete(key);
    }
    tell(graphSaid(nodes, edges));
    setTable(() => tableOfWays(edges));
  };
  const drawSeries = () => {
    const [key, points] = [model.get("selected"), model.get("series")];
    panel.hidden = !key.includes(" ");
    if (panel.hidden) return;
    const last = points.at(-1) ?? {};
    const end = last.t ?? 0;
    const one = (title, name, unit) => spark(title, `${last[name] ?? "–"}${unit}`, points,
      [{ of: (p) => p[name], colour: tone(0), dash: "none" }], end);
    chart.replaceChildren(h("h5", {}, key.replace(" ", " → ")), one("requests per second", "rate", "/s"),
      one("failing", "errors", " %"), one("95 of 100 within", "p95", " ms"));
  };
  const drawInside = () => {
    const [name, proxies] = [model.get("selected"), model.get("proxies")];
    inside.hidden = !name || name.includes(" ") || !model.get("can_inspect");
    if (inside.hidden) return;
    const head = h("h5", {}, name);
    if (!proxies.length) return inside.replaceChildren(head, h("p", { className: "lk-note" }, "Asking its proxies…"));
    inside.replaceChildren(head, ...proxies.map(({ pod, words }) =>
      tableFrom(`The proxy of ${pod}`, ["what", "now"], words.map(([what, value]) => [[what], [value]]))),
      h("p", { className: "lk-note" }, "More of it: ", h("code", {}, `lab.proxy("${name.split("/").pop()}").routes()`), ", and ",
        h("code", {}, `istioctl proxy-config routes ${proxies[0].pod}.${name.split("/")[0]}`)));
  };
  follow("nodes edges selected", atNextPicture(drawGraph));
  follow("selected proxies", drawInside);
  follow("selected series", drawSeries);
  const resized = onWidth(figure, { first: width, least: 560 }, (wide) => {
    width = wide;
    drawGraph();
  });
  const leave = show(model, el, viewBox("graph", "The service graph", header, message, told, figure, panel, inside, details), resized, unfollow);
  drawGraph();
  drawSeries();
  drawInside();
  return leave;
}

export default { render };
