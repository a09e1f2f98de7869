// The page side of the split view: draws what the traits say; only the slider being dragged is ahead of them.

import { DASHES, h, pattern, percent, runs, s, scale, SPAN, spark, tableFrom, tone, write } from "./draw.js";
import { following, lifeline, runButton, tableBox, viewBox } from "./live.js";
import { canaryPanel } from "./canary.js";

const PATIENCE = 5_000; // milliseconds after which a change without an answer no longer holds back the next one
let serial = 0; // patterns need names of their own when a page holds several views

/** The weights with `name` at `value`: the others keep their proportions, and all sum to 100. */
export function linked(weights, name, value) {
  const others = Object.keys(weights).filter((other) => other !== name);
  if (!others.length) return { [name]: 100 };
  const set = Math.max(0, Math.min(100, Math.round(value) || 0));
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

/** Tops of labels that are wanted at `tops` (from below to above), `step` apart, none above `first`. */
export function spread(tops, step, first) {
  const found = [];
  for (const top of tops) found.push(Math.min(top, (found.at(-1) ?? Infinity) - step));
  for (let n = found.length - 1, least = first; n >= 0; n--, least += step) found[n] = Math.max(found[n], least);
  return found;
}

/** A band a version, the lost requests on top: lists of time, lower and upper share. */
function bands(points, count) {
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

function shareChart(model, ids, end, W) {
  const H = W < 480 ? 230 : 290;
  const [left, right, top, bottom] = [44, 92, 10, 22];
  const versions = model.get("versions");
  const x = scale(end, left, W - left - right);
  const y = (share) => top + (H - top - bottom) * (1 - share);
  const points = model.get("points").filter((p) => p.t >= end - SPAN);
  const svg = s("svg", { class: "lk-chart", viewBox: `0 0 ${W} ${H}`, role: "img", "aria-label": spoken(versions, points.at(-1)) });
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
    svg.append(write({ class: "lk-axis", x: left - 6, y: y(share) + 4, "text-anchor": "end" }, percent(share)));
  }
  for (const ago of [60, 45, 30, 15, 0]) {
    svg.append(write({ class: "lk-axis", x: x(end - ago), y: H - 5, "text-anchor": "middle" }, ago ? `−${ago} s` : "now"));
  }
  askedLines(svg, model.get("asked"), versions.length, x, y, end);
  if (points.length) labels(svg, points.at(-1), versions, W - right + 8, y, top);
  else svg.append(write({ class: "lk-hint", x: left + (W - left - right) / 2, y: H / 2 - 4, "text-anchor": "middle" },
    model.get("running") ? "waiting for the first answers …" : model.get("can_send") ? "Start sends requests" : "nothing was recorded"));
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
      d += `${d ? "L" : "M"}${x(from).toFixed(1)} ${y(share).toFixed(1)}L${x(until).toFixed(1)} ${y(share).toFixed(1)}`;
    });
    if (d) svg.append(s("path", { class: "lk-halo", d }), s("path", { class: "lk-asked", d }));
  }
}

function labels(svg, last, versions, at, y, top) {
  let low = 0;
  const wanted = [];
  [...versions, "failed"].forEach((name, n) => {
    const share = n < versions.length ? last.shares[n] : last.failed;
    if (share > 0) wanted.push([y(low + share / 2) + 4, name, share]);
    low += share;
  });
  const tops = spread(wanted.map(([place]) => place), 15, top + 8);
  wanted.forEach(([, name, share], n) => {
    const short = name.length > 8 ? `${name.slice(0, 7)}…` : name;
    svg.append(s("text", { x: at, y: tops[n], "font-weight": 650 }, document.createTextNode(short),
      s("tspan", { dx: 6, "font-weight": 400 }, document.createTextNode(percent(share)))));
  });
}

function spoken(versions, last) {
  if (!last) return "Observed share of each version: nothing was sent yet.";
  const parts = versions.map((name, n) => `${name} ${percent(last.shares[n])}`);
  return `Observed share over the last three seconds: ${parts.join(", ")}, failed ${percent(last.failed)}.`;
}

function sparks(model, end) {
  const points = model.get("points");
  const newest = points.at(-1);
  const versions = model.get("versions").map((name, n) => ({ name, colour: tone(n), dash: DASHES[n % 6] }));
  const each = (of) => versions.map((line, n) => ({ ...line, of: (p) => of(p)[n] }));
  const known = versions.map(({ name }, n) => [name, newest?.latency[n]]).filter(([, ms]) => ms != null);
  const most = known.map(([, ms]) => ms);
  const latest = known.length > 3
    ? `${Math.min(...most).toFixed(1)} – ${Math.max(...most).toFixed(1)}`
    : known.map(([name, ms]) => `${name} ${ms.toFixed(1)}`).join("  ");
  return [
    spark("Requests per second", newest ? newest.rate.toFixed(0) : "–", points, each((p) => p.rates), end),
    spark("Failed per second", newest ? newest.errors.toFixed(0) : "–", points,
      [{ colour: "var(--bad)", dash: "none", of: (p) => p.errors }], end),
    spark("Median latency, ms", latest || "–", points, each((p) => p.latency), end),
  ];
}

function tableOf(model) {
  const head = ["version", "asked", "measured", "requests", "expected range", "failed", "median latency"];
  const range = (row) => !row.expected ? ["–"] : [`${row.expected[0]} – ${row.expected[1]}`, ...(row.agrees == null ? []
    : [h("span", { className: row.agrees ? "lk-good" : "lk-out" }, row.agrees ? " ✓" : " ✗ outside")])];
  return tableFrom("Since the last change", head, model.get("rows").map((row) => [
    [row.version],
    [row.asked == null ? "–" : percent(row.asked)],
    [row.measured == null ? "–" : percent(row.measured, 1)],
    [row.requests],
    range(row),
    [row.failed],
    [row.latency_ms == null ? "–" : `${row.latency_ms.toFixed(1)} ms`],
  ]));
}

/** Splits that are worth a button, by their label. */
export function presets(versions) {
  const all = (shares) => Object.fromEntries(versions.map((v, n) => [v, shares[n] ?? 0]));
  const only = (n) => versions.map((_, at) => (at === n ? 100 : 0));
  const equal = versions.map((_, n) => Math.floor(100 / versions.length) + (n < 100 % versions.length ? 1 : 0));
  if (versions.length === 2) return [[100, 0], [90, 10], [50, 50], [0, 100]].map((x) => [x.join(" / "), all(x)]);
  return [...versions.map((v, n) => [`all ${v}`, all(only(n))]), ["equal", all(equal)]];
}

function render({ model, el }) {
  serial += 1;
  const service = model.get("service");
  const versions = model.get("versions");
  const ids = versions.map((_, n) => `lk${serial}p${n}`);
  const { follow, unfollow } = following(model);
  const sliders = new Map();

  // One change is under way at a time: the kernel applies it and says so by `turn`, then the newest one follows.
  let local = { ...model.get("weights") };
  let isWaiting = false;
  let isBehind = false;
  let patience = 0;
  const push = () => {
    isWaiting = true;
    isBehind = false;
    clearTimeout(patience);
    patience = setTimeout(answered, PATIENCE);
    model.set("weights", { ...local });
    model.save_changes();
  };
  const answered = () => {
    clearTimeout(patience);
    isWaiting = false;
    if (isBehind) push();
    else drawWeights();
  };
  const same = (a, b) => versions.every((v) => a[v] === b[v]);
  const ask = (wanted) => {
    local = wanted;
    showWeights();
    if (isWaiting) isBehind = true;
    else if (!same(local, model.get("weights"))) push();
  };

  const say = h("span", { className: "lk-say", role: "status" });
  const { button, draw: drawRunning } = runButton(model, say, (on) => ({
    state: !model.get("can_send") ? "recorded" : on ? "sending requests" : "stopped",
    start: "Start",
    label: `${on ? "Stop" : "Start"} sending requests to ${service}`,
    isHidden: !model.get("can_send"),
  }));

  const plan = model.get("plan"); // only a canary has one: then its buttons set the weights, not the sliders
  const canApply = model.get("can_apply") && !plan;
  const weights = h("div", { className: "lk-weights", role: "group", "aria-label": `Weights of ${service}, in percent` });
  versions.forEach((version, n) => {
    const swatch = s("svg", { "aria-hidden": "true" }, s("defs", {}, pattern(`${ids[n]}s`, n)),
      s("rect", { width: 20, height: 14, fill: `url(#${ids[n]}s)` }));
    const disabled = !canApply || versions.length < 2;
    const range = h("input", { type: "range", min: 0, max: 100, step: 1, disabled, "aria-label": `Weight of ${version}` });
    range.style.setProperty("--tone", tone(n));
    const number = h("input", { type: "number", min: 0, max: 100, step: 1, disabled, "aria-label": `Weight of ${version}, as a number` });
    range.addEventListener("input", () => ask(linked(local, version, range.valueAsNumber)));
    number.addEventListener("change", () => ask(linked(local, version, number.valueAsNumber)));
    sliders.set(version, [range, number]);
    weights.append(h("span", { className: "lk-name" }, swatch, h("span", { title: version }, version)), range,
      h("label", { className: "lk-num" }, number, "%"));
  });
  const showWeights = () => {
    for (const [version, inputs] of sliders) {
      for (const input of inputs) if (input.value !== String(local[version])) input.value = local[version] ?? 0;
      inputs[0].setAttribute("aria-valuetext", `${local[version]} percent`);
      inputs[0].style.setProperty("--at", `${local[version]}%`);
    }
    const sum = versions.reduce((whole, version) => whole + (local[version] ?? 0), 0);
    const hasRule = Object.keys(model.get("applied")).length > 0;
    const isLive = same(local, model.get("applied"));
    total.className = isLive ? "lk-sum" : "lk-sum lk-pending";
    total.textContent = !model.get("can_apply") ? `sum ${sum} %` : isLive ? `sum ${sum} %, applied` : hasRule ? `sum ${sum} %, not applied yet` : "no rule in the cluster";
  };
  const drawWeights = () => {
    if (isWaiting || isBehind) return; // a drag is under way: the page is ahead of the kernel
    local = { ...model.get("weights") };
    showWeights();
  };
  const total = h("div", { className: "lk-sum" });
  const choices = h("div", { className: "lk-presets", role: "group", "aria-label": "Common splits" },
    ...(canApply && versions.length > 1 ? presets(versions).map(([label, made]) => {
      const choice = h("button", { type: "button" }, label);
      choice.addEventListener("click", () => ask(made));
      return choice;
    }) : []));

  const kept = h("div", { className: "lk-kept" });
  const drawKept = () => {
    const rows = model.get("kept");
    kept.replaceChildren(...(rows.length ? [h("div", { className: "lk-cap" }, "Rules before the weights, kept"),
      h("ul", {}, ...rows.map((rule) => h("li", {}, rule.when, " → ", h("b", {}, rule.to))))] : []));
  };

  const message = h("div", { className: "lk-msg", "aria-live": "polite" });
  const trouble = h("div", { className: "lk-msg lk-bad" }); // not live: its numbers change with every picture
  const chart = h("figure");
  const small = h("div", { className: "lk-sparks" });
  const table = tableBox(`Measurements of ${service}`);
  const yaml = h("pre", { tabIndex: 0, role: "region", "aria-label": "The YAML it applied" });
  const details = h("details", {}, h("summary", {}, "The YAML it applied"), yaml);
  const drawMessage = () => {
    message.textContent = model.get("message");
    trouble.textContent = model.get("trouble");
  };
  const drawYaml = () => {
    const lines = model.get("yaml").split("\n");
    const at = yaml.scrollTop;
    yaml.replaceChildren(...lines.map((line) => h("span", { className: /^\s*-?\s*weight:/.test(line) ? "lk-hot" : "" }, `${line}\n`)));
    yaml.scrollTop = at;
  };
  let width = 720; // pixels of the chart: drawn as wide as it is, so that its words keep their size
  const drawCharts = () => {
    const points = model.get("points");
    const newest = Math.max(points.at(-1)?.t ?? 0, model.get("can_send") ? model.get("asked").at(-1)?.[0] ?? 0 : 0);
    chart.replaceChildren(h("figcaption", {}, h("span", {}, "Observed share, over three seconds"),
      h("span", { className: "lk-key" }, s("svg", { viewBox: "0 0 26 8", "aria-hidden": "true" }, s("path", { class: "lk-asked", d: "M0 4h26" })), "asked")),
      shareChart(model, ids, newest, width));
    small.replaceChildren(...sparks(model, newest));
  };
  const drawTable = () => table.replaceChildren(tableOf(model));

  follow("running can_send", drawRunning);
  follow("running", drawCharts);
  follow("weights applied", drawWeights);
  follow("turn", answered);
  follow("message trouble", drawMessage);
  follow("yaml", drawYaml);
  follow("kept", drawKept);
  follow("points asked", drawCharts);
  follow("rows", drawTable);
  for (const draw of [drawRunning, showWeights, drawMessage, drawYaml, drawKept, drawCharts, drawTable]) draw();

  const root = viewBox("split", `${plan ? "Canary" : "Traffic split"} of ${service}`,
    h("header", {}, h("h4", {}, service, h("small", {}, plan ? `canary of ${plan.new} beside ${plan.stable}` : "traffic split")), say, button), message, trouble,
    ...(plan ? [canaryPanel(model, follow)] : []),
    h("div", { className: "lk-body" },
      h("div", { className: "lk-left" }, h("div", { className: "lk-cap" }, "Asked", total), weights, choices, kept, details),
      h("div", { className: "lk-right" }, chart, small)),
    table, h("p", { className: "lk-note" }, "A right split leaves the expected range once in 10,000 times. ✓ inside, ✗ outside."));
  el.append(root);
  let isPlaced = false;
  const resized = new ResizeObserver(() => {
    if (!isPlaced && chart.clientWidth > 0) {
      isPlaced = true;
      details.open = root.clientWidth > 900; // there is room beside the chart
      const first = yaml.querySelector(".lk-hot");
      if (first) yaml.scrollTop = Math.max(0, first.offsetTop - 96);
    }
    const wide = Math.max(280, chart.clientWidth);
    if (chart.clientWidth > 0 && wide !== width) {
      width = wide;
      drawCharts();
    }
  });
  resized.observe(chart);

  const leave = lifeline(model, root);
  return () => {
    clearTimeout(patience);
    resized.disconnect();
    unfollow();
    leave();
  };
}

export default { render };
