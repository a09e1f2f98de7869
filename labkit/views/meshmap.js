// The page side of the mesh: boxes in columns, lines between them, dots that run along.

import { padlock, s, sentAs, tableFrom, write } from "./draw.js";
import { atNextPicture, onWidth, show, viewBox } from "./live.js";
import { pictureOf } from "./picture.js";

const BOX = { width: 152, height: 50, gap: 22, left: 8, way: 66, letters: 15 };

function places(nodes, width) {
  const columns = [...new Set(nodes.map((node) => node.column))].sort((a, b) => a - b);
  const step = columns.length > 1 ? Math.max(BOX.width + BOX.way, (width - BOX.width - 2 * BOX.left) / (columns.length - 1)) : 0;
  const most = Math.max(1, ...columns.map((c) => nodes.filter((node) => node.column === c).length));
  const height = most * (BOX.height + BOX.gap) + BOX.gap;
  const at = new Map();
  columns.forEach((column, n) => {
    const own = nodes.filter((node) => node.column === column);
    const whole = own.length * (BOX.height + BOX.gap) - BOX.gap;
    own.forEach((node, row) => at.set(node.name, {
      x: BOX.left + n * step, y: (height - whole) / 2 + row * (BOX.height + BOX.gap),
    }));
  });
  return { at, height, whole: Math.max(width, 2 * BOX.left + BOX.width + step * (columns.length - 1)) };
}

function nodeBox(node, { x, y }) {
  const isReady = node.ready === node.pods;
  const kind = !node.pods ? "nobody" : node.has_proxy ? "meshed" : "plain";
  const label = node.name.length > 22 ? `${node.name.slice(0, 21)}…` : node.name;
  const fit = label.length > BOX.letters ? { textLength: BOX.width - 42, lengthAdjust: "spacingAndGlyphs" } : {};
  const said = !node.pods ? "no pod behind it" : `${node.ready} of ${node.pods} ready${node.has_proxy ? "" : ", no proxy"}`;
  const g = s("g", { class: `lk-node lk-node-${kind}${isReady ? "" : " lk-node-busy"}`, transform: `translate(${x} ${y})` },
    s("rect", { width: BOX.width, height: BOX.height, rx: 9 }),
    ...(node.has_proxy ? [s("path", { class: "lk-hex", d: "M17 14l7 4v9l-7 4-7-4v-9z" })] : []),
    write({ x: 32, y: 21, "font-weight": 650, ...fit }, label), write({ x: 32, y: 38, class: "lk-axis" }, said));
  g.append(s("title", {}, document.createTextNode(`${node.name}: ${said}`)));
  return g;
}

function curve(from, to) {
  const [x1, y1] = [from.x + BOX.width, from.y + BOX.height / 2];
  const [x2, y2] = [to.x, to.y + BOX.height / 2];
  if (x2 <= from.x) { // back to the left, or within a column: around the outside
    const low = Math.max(from.y, to.y) + BOX.height + 14;
    return `M${from.x + BOX.width / 2} ${from.y + BOX.height}C${from.x + BOX.width / 2} ${low} ${to.x + BOX.width / 2} ${low} ${to.x + BOX.width / 2} ${to.y + BOX.height}`;
  }
  const bend = Math.max(24, (x2 - x1) / 2);
  return `M${x1} ${y1}C${x1 + bend} ${y1} ${x2 - bend} ${y2} ${x2} ${y2}`;
}

/** How long a dot takes for its distance to the next one: many requests, quick dots. */
const pace = (rate) => `${Math.min(2.5, Math.max(0.12, 1.6 / Math.sqrt(rate))).toFixed(2)}s`;

function tableOfEdges(edges) {
  return tableFrom("Requests between workloads, since this view began", ["from", "to", "per second", "requests", "failed", "sent as"],
    edges.map((e) => [[e.source], [e.target], [e.rate.toFixed(1)], [e.sent], [e.failed], [sentAs(e)]]));
}

export function meshSaid(nodes, edges) {
  const busy = edges.filter((edge) => edge.rate > 0);
  const failing = busy.filter((edge) => edge.failing > 0);
  const pods = nodes.filter((node) => node.pods);
  const proxied = pods.filter((node) => node.has_proxy).length;
  const traffic = busy.length ? `Requests on ${busy.length} way${busy.length > 1 ? "s" : ""}` : "No requests that a proxy sees";
  const plain = edges.filter((edge) => edge.security === "plain text").map((edge) => edge.target);
  const open = plain.length ? ` Plain text to ${[...new Set(plain)].join(", ")}.` : "";
  return `${proxied} of ${pods.length} workloads have a proxy. ${traffic}${failing.length ? `; failing to ${[...new Set(failing.map((e) => e.target))].join(", ")}` : ""}.${open}`;
}

function render({ model, el }) {
  const { follow, unfollow, header, message, told, tell, svg, figure, details, setTable } = pictureOf(model, {
    title: "The mesh", by: "as its proxies count it", role: "img", rows: "Requests between workloads",
  });
  const [lines, boxes] = [s("g"), s("g")];
  svg.append(lines, boxes);
  const drawn = new Map(); // a line's elements stay, so that its dots run on
  let width = 900;
  const drawMap = () => {
    const [nodes, edges] = [model.get("nodes"), model.get("edges")];
    const { at, height, whole } = places(nodes, width);
    svg.setAttribute("viewBox", `0 0 ${whole} ${height + 20}`);
    boxes.replaceChildren(...nodes.map((node) => nodeBox(node, at.get(node.name))));
    const keys = new Set();
    for (const edge of edges) {
      const [from, to] = [at.get(edge.source), at.get(edge.target)];
      if (!from || !to) continue;
      const key = `${edge.source} ${edge.target}`;
      keys.add(key);
      if (!drawn.has(key)) {
        const parts = ["lk-edge", "lk-dots", "lk-dots lk-dots-bad"].map((name) => s("path", { class: name }));
        parts.push(s("text", { class: "lk-axis", "text-anchor": "middle" }), s("g"));
        drawn.set(key, parts);
        lines.append(...parts);
      }
      const [line, good, bad, label, lock] = drawn.get(key);
      const d = curve(from, to);
      for (const path of [line, good, bad]) if (path.getAttribute("d") !== d) path.setAttribute("d", d);
      line.setAttribute("stroke-width", edge.rate ? Math.min(5, 1.5 + Math.sqrt(edge.rate) / 2) : 1);
      const fine = edge.rate - edge.failing;
      good.style.cssText = fine > 0.05 ? `animation-duration:${pace(fine)}` : "display:none";
      bad.style.cssText = edge.failing > 0.05 ? `animation-duration:${pace(edge.failing)}` : "display:none";
      const middle = line.getTotalLength ? line.getPointAtLength(line.getTotalLength() * 0.5) : from;
      label.setAttribute("x", middle.x);
      label.setAttribute("y", middle.y - 7);
      lock.setAttribute("transform", `translate(${middle.x - 6} ${middle.y + 3})`);
      if (lock.dataset.said !== sentAs(edge)) {
        lock.dataset.said = sentAs(edge);
        lock.replaceChildren(...(edge.security ? [padlock(edge.security, {}, sentAs(edge))] : []));
      }
      label.textContent = edge.rate ? `${edge.rate.toFixed(edge.rate < 10 ? 1 : 0)}/s${edge.failing ? `, ${edge.failing.toFixed(1)} ✗` : ""}` : "";
    }
    for (const [key, parts] of drawn) {
      if (keys.has(key)) continue;
      parts.forEach((part) => part.remove());
      drawn.delete(key);
    }
    tell(meshSaid(nodes, edges));
    setTable(() => tableOfEdges(edges));
  };
  follow("nodes edges", atNextPicture(drawMap));
  const resized = onWidth(figure, { first: width, least: 560 }, (wide) => {
    width = wide;
    drawMap();
  });
  const leave = show(model, el, viewBox("meshmap", "The mesh", header, message, told, figure, details), resized, unfollow);
  drawMap();
  return leave;
}

export default { render };
