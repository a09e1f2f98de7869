// The page side of the split view: draws what the traits say; only the slider being dragged is ahead of them.

const SVG = "http://www.w3.org/2000/svg";
const SPAN = 60; // seconds that the chart shows
const ALIVE = 20_000; // milliseconds between signs of life; the kernel stops the traffic 90 s after the last one
const THROTTLE = 150; // milliseconds: a drag applies at most this often, and once more at its end
let serial = 0; // patterns need names of their own when a page holds several views

/** The weights with `name` at `value`: the others keep their proportions, and all sum to 100. */
export function linked(weights, name, value) {
  const set = Math.max(0, Math.min(100, Math.round(value) || 0));
  const others = Object.keys(weights).filter((other) => other !== name);
  const rest = 100 - set;
  const whole = others.reduce((sum, other) => sum + weights[other], 0);
  const exact = others.map((other, n) => (whole ? (weights[other] * rest) / whole : n === 0 ? rest : 0));
  const floors = exact.map(Math.floor);
  let missing = rest - floors.reduce((sum, x) => sum + x, 0);
  const byRemainder = others.map((_, n) => n).sort((a, b) => exact[b] - floors[b] - (exact[a] - floors[a]) || a - b);
  for (const n of byRemainder) if (missing-- > 0) floors[n] += 1;
  const made = Object.fromEntries(others.map((other, n) => [other, floors[n]]));
  return Object.fromEntries(Object.keys(weights).map((key) => [key, key === name ? set : made[key]]));
}

const percent = (share, digits = 0) => `${(100 * share).toFixed(digits)} %`;
const tone = (n) => `var(--c${n % 6})`;

function h(tag, props = {}, ...children) {
  const el = document.createElement(tag);
  for (const [key, value] of Object.entries(props)) {
    if (key in el && key !== "list") el[key] = value;
    else el.setAttribute(key, value);
  }
  el.append(...children);
  return el;
}

function s(tag, attributes = {}, ...children) {
  const el = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) el.setAttribute(key, value);
  el.append(...children);
  return el;
}

/** Colour and pattern of a version; the pattern tells it apart where colours do not. */
function pattern(id, n) {
  const colour = n < 0 ? "var(--bad)" : tone(n);
  const marks = {
    1: [s("path", { d: "M-2 2l4-4M0 8l8-8M6 10l4-4", stroke: "#0007", "stroke-width": 1.6 })],
    2: [s("circle", { cx: 2, cy: 2, r: 1.2, fill: "#fffb" }), s("circle", { cx: 6, cy: 6, r: 1.2, fill: "#fffb" })],
    3: [s("path", { d: "M0 4h8", stroke: "#fffa", "stroke-width": 1.6 })],
    [-1]: [s("path", { d: "M0 0l8 8M8 0l-8 8", stroke: "#fffc", "stroke-width": 1.4 })],
  }[n] ?? [];
  const base = s("rect", { width: 8, height: 8, fill: colour });
  return s("pattern", { id, width: 8, height: 8, patternUnits: "userSpaceOnUse" }, base, ...marks);
}

/** x of a time, for a chart that ends now. */
const scale = (end, left, width) => (t) => left + width * (1 - (end - t) / SPAN);

function bands(points, count) {
  // Cumulative shares, the failures on top: one [x time, lower, upper] list a band.
  const found = Array.from({ length: count + 1 }, () => []);
  for (const point of points) {
    let low = 0;
    [...point.shares, point.failed].forEach((share, n) => {
      found[n].push([point.t, low, low + share]);
      low += share;
    });
  }
  return found;
}

/** Runs of points without a pause between them. */
function runs(list, time, gap) {
  const found = [];
  for (const item of list) {
    const last = found.at(-1);
    if (last && time(item) - time(last.at(-1)) <= gap) last.push(item);
    else found.push([item]);
  }
  return found;
}

function shareChart(model, ids, end) {
  const [W, H, left, right, top, bottom] = [880, 220, 44, 112, 8, 22];
  const versions = model.get("versions");
  const x = scale(end, left, W - left - right);
  const y = (share) => top + (H - top - bottom) * (1 - share);
  const points = model.get("points").filter((p) => p.t >= end - SPAN);
  const svg = s("svg", { class: "lk-chart", viewBox: `0 0 ${W} ${H}`, role: "img" });
  svg.append(s("defs", {}, ...versions.map((_, n) => pattern(ids[n], n)), pattern(`${ids[0]}bad`, -1)));
  svg.append(s("rect", { class: "lk-frame", x: left, y: top, width: W - left - right, height: H - top - bottom }));
  bands(points, versions.length).forEach((band, n) => {
    const fill = `url(#${n < versions.length ? ids[n] : `${ids[0]}bad`})`;
    for (const run of runs(band, (b) => b[0], 3)) {
      const up = run.map(([t, , high]) => `${x(t).toFixed(1)} ${y(high).toFixed(1)}`);
      const down = run.map(([t, low]) => `${x(t).toFixed(1)} ${y(low).toFixed(1)}`).reverse();
      svg.append(s("path", { d: `M${up.concat(down).join("L")}Z`, fill }));
    }
  });
  for (const share of [0, 0.25, 0.5, 0.75, 1]) {
    svg.append(s("line", { class: "lk-grid", x1: left, x2: W - right, y1: y(share), y2: y(share) }));
    const label = s("text", { class: "lk-axis", x: left - 6, y: y(share) + 4, "text-anchor": "end" });
    label.textContent = percent(share);
    svg.append(label);
  }
  for (const ago of [60, 45, 30, 15, 0]) {
    const label = s("text", { class: "lk-axis", x: x(end - ago), y: H - 6, "text-anchor": "middle" });
    label.textContent = ago ? `−${ago} s` : "now";
    svg.append(label);
  }
  askedLines(svg, model.get("asked"), versions.length, x, y, end);
  labels(svg, points.at(-1), versions, W - right + 8, y);
  svg.setAttribute("aria-label", spoken(model, points.at(-1)));
  return svg;
}

/** A dashed step line at each border between two versions. */
function askedLines(svg, asked, count, x, y, end) {
  for (let border = 1; border < count; border++) {
    const steps = asked.map(([t, ...shares]) => [t, shares.slice(0, border).reduce((a, b) => a + b, 0)]);
    let d = "";
    steps.forEach(([t, share], n) => {
      const until = steps[n + 1]?.[0] ?? end;
      if (until < end - SPAN) return;
      const from = Math.max(t, end - SPAN);
      d += `${d ? "L" : "M"}${x(from)} ${y(share)}L${x(until)} ${y(share)}`;
    });
    if (d) svg.append(s("path", { class: "lk-asked", d }));
  }
}

function labels(svg, last, versions, at, y) {
  if (!last) return;
  let low = 0;
  let floor = Infinity; // labels of thin bands must not lie on each other
  [...versions, "failed"].forEach((name, n) => {
    const share = n < versions.length ? last.shares[n] : last.failed;
    if (share > 0) {
      floor = Math.min(y(low + share / 2) + 4, floor - 14);
      const label = s("text", { x: at, y: floor, "font-weight": 600 });
      label.textContent = `${name}  ${percent(share)}`;
      svg.append(label);
    }
    low += share;
  });
}

function spoken(model, last) {
  if (!last) return "Observed share of each version: nothing was sent yet.";
  const parts = model.get("versions").map((name, n) => `${name} ${percent(last.shares[n])}`);
  return `Observed share over the last three seconds: ${parts.join(", ")}, failed ${percent(last.failed)}.`;
}

function spark(title, unit, points, lines, end) {
  const [W, H] = [280, 56];
  const x = scale(end, 0, W);
  const shown = points.filter((p) => p.t >= end - SPAN);
  const most = Math.max(1e-9, ...shown.flatMap((p) => lines.map((line) => line.of(p) ?? 0)));
  const svg = s("svg", { class: "lk-chart", viewBox: `0 0 ${W} ${H}`, "aria-hidden": "true" });
  svg.append(s("line", { class: "lk-grid", x1: 0, x2: W, y1: H - 1, y2: H - 1 }));
  for (const line of lines) {
    const has = shown.filter((p) => line.of(p) != null);
    for (const run of runs(has, (p) => p.t, 3)) {
      const d = run.map((p) => `${x(p.t).toFixed(1)} ${(H - 2 - ((H - 6) * line.of(p)) / most).toFixed(1)}`).join("L");
      svg.append(s("path", { d: `M${d}`, fill: "none", stroke: line.colour, "stroke-width": 2, "stroke-dasharray": line.dash }));
    }
  }
  const newest = shown.at(-1);
  const value = lines.map((line) => newest && line.of(newest)).filter((v) => v != null);
  const said = value.length ? `${Math.max(...value).toFixed(unit === "ms" ? 1 : 0)} ${unit}` : "–";
  return h("figure", {}, h("figcaption", {}, `${title} `, h("b", {}, said)), svg);
}

function sparks(model, end) {
  const points = model.get("points");
  const dashes = ["none", "7 3", "2 3", "9 3 2 3", "4 4", "1 4"];
  const versions = model.get("versions").map((_, n) => ({ colour: tone(n), dash: dashes[n % 6] }));
  const each = (of) => versions.map((line, n) => ({ ...line, of: (p) => of(p)[n] }));
  return [
    spark("Requests", "per s", points, [{ colour: "var(--soft)", dash: "none", of: (p) => p.rate }], end),
    spark("Failed", "per s", points, [{ colour: "var(--bad)", dash: "none", of: (p) => p.errors }], end),
    spark("Median latency", "ms", points, each((p) => p.latency), end),
  ];
}

function tableOf(model) {
  const head = ["version", "asked", "measured", "requests", "expected range", "median latency"];
  const cells = (row) => [
    percent(row.asked),
    row.measured == null ? "–" : percent(row.measured, 1),
    row.requests,
    row.expected ? `${row.expected[0]}–${row.expected[1]} ${row.agrees ? "✓" : "✗ outside"}` : "–",
    row.latency_ms == null ? "–" : `${row.latency_ms.toFixed(1)} ms`,
  ];
  return h("table", {},
    h("caption", {}, "Measured since the last change"),
    h("thead", {}, h("tr", {}, ...head.map((name) => h("th", { scope: "col" }, name)))),
    h("tbody", {}, ...model.get("rows").map((row) => h("tr", {},
      h("th", { scope: "row" }, row.version), ...cells(row).map((cell) => h("td", {}, String(cell)))))));
}

function presets(versions) {
  const [first, second] = versions;
  const rest = Object.fromEntries(versions.map((v) => [v, 0]));
  return [[100, 0], [90, 10], [50, 50], [0, 100]].map(([a, b]) => [`${a} / ${b}`, { ...rest, [first]: a, [second]: b }]);
}

export function render({ model, el }) {
  const service = model.get("service");
  const versions = model.get("versions");
  const ids = versions.map((_, n) => `lk${++serial}p${n}`);
  const stops = [];
  const sliders = new Map();
  const follow = (names, draw) => names.split(" ").forEach((name) => {
    model.on(`change:${name}`, draw);
    stops.push(() => model.off(`change:${name}`, draw));
  });

  let local = { ...model.get("weights") };
  let timer = 0;
  let sent = 0;
  const push = () => {
    clearTimeout(timer);
    timer = 0;
    sent = Date.now();
    model.set("weights", { ...local });
    model.save_changes();
  };
  const ask = (weights, { now }) => {
    local = weights;
    showWeights();
    if (now || Date.now() - sent > THROTTLE) push();
    else if (!timer) timer = setTimeout(push, THROTTLE);
  };

  const say = h("span", { className: "lk-say" });
  const button = h("button", { type: "button" });
  button.addEventListener("click", () => {
    model.set("running", !model.get("running"));
    model.save_changes();
  });
  const drawRunning = () => {
    const on = model.get("running");
    say.className = on ? "lk-say lk-on" : "lk-say";
    const rate = model.get("points").at(-1)?.rate;
    const text = !model.get("can_send") ? "recorded" : on ? `sending${rate ? ` ${Math.round(rate)} requests/s` : " …"}` : "stopped";
    say.replaceChildren(h("span", { className: "lk-dot" }), text);
    button.textContent = on ? "Stop" : "Start";
    button.disabled = !model.get("can_send");
    button.setAttribute("aria-label", `${on ? "Stop" : "Start"} sending requests to ${service}`);
  };

  const weights = h("div", { className: "lk-weights", role: "group", "aria-label": `Weights of ${service}, in percent` });
  versions.forEach((name, n) => {
    const swatch = s("svg", { "aria-hidden": "true" }, s("defs", {}, pattern(`${ids[n]}s`, n)),
      s("rect", { width: 20, height: 14, fill: `url(#${ids[n]}s)` }));
    const range = h("input", { type: "range", min: 0, max: 100, step: 1, "aria-label": `Weight of ${name}` });
    range.style.setProperty("--tone", tone(n));
    const number = h("input", { type: "number", min: 0, max: 100, step: 1, "aria-label": `Weight of ${name}, as a number` });
    range.addEventListener("input", () => ask(linked(local, name, range.valueAsNumber), { now: false }));
    range.addEventListener("change", () => ask(linked(local, name, range.valueAsNumber), { now: true }));
    number.addEventListener("change", () => ask(linked(local, name, number.valueAsNumber), { now: true }));
    sliders.set(name, [range, number]);
    weights.append(h("span", { className: "lk-name" }, swatch, name), range, h("label", { className: "lk-num" }, number, "%"));
  });
  // Keys are the slider's here: JupyterLab would take arrows for moving between cells.
  weights.addEventListener("keydown", (event) => event.stopPropagation());
  const showWeights = () => {
    for (const [name, inputs] of sliders) {
      for (const input of inputs) if (Number(input.value) !== local[name]) input.value = local[name] ?? 0;
      inputs[0].setAttribute("aria-valuetext", `${local[name]} percent`);
      inputs[0].style.setProperty("--at", `${local[name]}%`);
    }
  };
  const drawWeights = () => {
    if (timer) return; // a drag is under way: the page is ahead of the kernel
    local = { ...model.get("weights") };
    showWeights();
  };
  const choices = h("div", { className: "lk-presets" }, ...(versions.length > 1 ? presets(versions).map(([label, made]) => {
    const choice = h("button", { type: "button", "aria-label": `Split ${label}` }, label);
    choice.addEventListener("click", () => ask(made, { now: true }));
    return choice;
  }) : []));

  const message = h("div", { className: "lk-msg", "aria-live": "polite" });
  const chart = h("figure");
  const small = h("div", { className: "lk-sparks" });
  const table = h("div");
  const yaml = h("pre", { tabIndex: 0 });
  const drawMessage = () => { message.textContent = model.get("message"); };
  const drawYaml = () => { yaml.textContent = model.get("yaml"); };
  const drawCharts = () => {
    const points = model.get("points");
    const newest = Math.max(points.at(-1)?.t ?? 0, model.get("can_send") ? model.get("asked").at(-1)?.[0] ?? 0 : 0);
    chart.replaceChildren(h("figcaption", {}, "Observed share, over three seconds; dashed: the share asked for"), shareChart(model, ids, newest));
    small.replaceChildren(...sparks(model, newest));
    drawRunning();
  };
  const drawTable = () => table.replaceChildren(tableOf(model));

  follow("running can_send", drawRunning);
  follow("weights", drawWeights);
  follow("message", drawMessage);
  follow("yaml", drawYaml);
  follow("points asked", drawCharts);
  follow("rows", drawTable);
  for (const draw of [drawRunning, showWeights, drawMessage, drawYaml, drawCharts, drawTable]) draw();

  const root = h("section", { className: "lk-split", "aria-label": `Traffic split of ${service}` },
    h("header", {}, h("h4", {}, service), say, button), weights, choices, message, chart, small, table,
    h("details", {}, h("summary", {}, "The YAML it applied"), yaml));
  el.append(root);

  const beat = () => model.send("alive");
  const alive = setInterval(beat, ALIVE);
  beat();
  return () => {
    clearInterval(alive);
    clearTimeout(timer);
    stops.forEach((stop) => stop());
  };
}

export default { render };
