// The page side of the golden signals: three charts of the same minutes, with a numbered line at each change.

import { h, runs, s, tableFrom, write } from "./draw.js";
import { following, messageBox, runButton, show, tableBox, toldLine, viewBox } from "./live.js";

const SIGNALS = { width: 760, height: 92, left: 54, right: 84, top: 10 };
const PANELS = [
  { title: "requests per second", lines: [{ name: "requests_per_s", label: "sent", colour: "var(--c0)" }] },
  { title: "failed, per cent", lines: [{ name: "failed_percent", label: "failed", colour: "var(--bad)" }] },
  { title: "milliseconds", lines: [
    { name: "p50_ms", label: "half", colour: "var(--c2)" },
    { name: "p95_ms", label: "95 %", colour: "var(--c1)", dash: "6 3" },
    { name: "p99_ms", label: "99 %", colour: "var(--c3)", dash: "2 3" },
  ] },
];
const COLUMNS = PANELS.flatMap((panel) => panel.lines.map((line) => line.name));

const clock = (t) => new Date(1000 * t).toISOString().slice(11, 19);
const brief = (value) => (value >= 10 ? value.toFixed(0) : String(Number(value.toPrecision(2))));

/** The next round number, so that an axis ends in one. */
export function roundUp(value) {
  const power = 10 ** Math.floor(Math.log10(value));
  return power * [1, 1.5, 2, 3, 4, 5, 6, 8, 10].find((step) => step * power >= value);
}

/** One sentence for those who hear the page. */
export function signalsSaid(said, changes) {
  const newest = changes.at(-1);
  return newest ? `${said}. Last change: ${newest.what} at ${clock(newest.t)}.` : `${said}.`;
}

function chart({ title, lines }, points, changes) {
  const { width, height, left, right, top } = SIGNALS;
  const [first, last] = [points[0].t, points.at(-1).t];
  const x = (t) => left + ((width - left - right) * (t - first)) / Math.max(1, last - first);
  const values = points.flatMap((p) => lines.map((line) => p[line.name]).filter((value) => value != null));
  const most = roundUp(Math.max(1, ...values));
  const y = (value) => height - ((height - top) * value) / most;
  const said = lines.map(({ name, label }) => {
    const newest = points.findLast((p) => p[name] != null);
    return `${label} ${newest ? brief(newest[name]) : "nothing"}`;
  });
  const svg = s("svg", { class: "lk-chart", viewBox: `0 0 ${width} ${height + 18}`, role: "img", "aria-label": `${title}: now ${said.join(", ")}` },
    write({ x: left - 6, y: top + 8, "text-anchor": "end", class: "lk-axis" }, brief(most)),
    write({ x: left - 6, y: height, "text-anchor": "end", class: "lk-axis" }, "0"),
    s("line", { class: "lk-grid", x1: left, x2: width - right, y1: height, y2: height }),
    write({ x: left, y: height + 14, class: "lk-axis" }, clock(first)),
    write({ x: width - right, y: height + 14, "text-anchor": "end", class: "lk-axis" }, clock(last)));
  changes.forEach((change, n) => {
    if (change.t < first || change.t > last) return;
    svg.append(s("line", { class: "lk-change", x1: x(change.t), x2: x(change.t), y1: top, y2: height }),
      write({ x: x(change.t) + 3, y: top + 8 }, String(n + 1)));
  });
  lines.forEach(({ name, label, colour, dash = "none" }, n) => {
    for (const run of runs(points.map((p, at) => ({ at, t: p.t, value: p[name] })).filter((p) => p.value != null), (p) => p.at, 1)) {
      const d = run.map((p) => `${x(p.t).toFixed(1)} ${y(p.value).toFixed(1)}`).join("L");
      svg.append(s("path", { class: "lk-line", d: `M${d}`, stroke: colour, "stroke-dasharray": dash }));
    }
    const at = top + 4 + 18 * n;
    svg.append(s("line", { class: "lk-line", x1: width - right + 8, x2: width - right + 28, y1: at, y2: at, stroke: colour, "stroke-dasharray": dash }),
      write({ x: width - right + 34, y: at + 4 }, label));
  });
  return h("figure", {}, h("figcaption", {}, title), svg);
}

function render({ model, el }) {
  const { follow, unfollow } = following(model);
  const say = h("span");
  const service = model.get("service");
  const { button, draw: drawRunning } = runButton(model, say, (on) => ({
    state: !model.get("can_read") ? "recorded" : on ? "live" : "stopped",
    start: "Start",
    label: `${on ? "Stop" : "Start"} looking at the signals of ${service}`,
    isHidden: !model.get("can_read"),
  }));
  const { told, tell } = toldLine();
  const charts = h("div");
  const listed = h("div", { className: "lk-changes" });
  const table = tableBox("The signals as a table");
  const details = h("details", {}, h("summary", {}, "The same as a table"), table);
  const draw = () => {
    const [points, changes] = [model.get("points"), model.get("changes")];
    tell(signalsSaid(model.get("said"), changes));
    charts.replaceChildren(...(points.length ? PANELS.map((panel) => chart(panel, points, changes)) : []));
    details.hidden = !points.length;
    listed.replaceChildren(...(changes.length ? ["configuration changed:", h("ol", {}, ...changes.map(({ t, what }) => h("li", {}, `${clock(t)} ${what}`)))] : []));
    table.replaceChildren(tableFrom("One row per moment, UTC, the newest first", ["time", ...COLUMNS],
      points.toReversed().map((p) => [[clock(p.t)], ...COLUMNS.map((name) => [p[name] == null ? "–" : String(p[name])])])));
  };
  follow("running can_read", drawRunning);
  follow("points changes said", draw);
  drawRunning();
  draw();
  const header = h("header", {}, h("h4", {}, service, h("small", {}, "as its callers see it")), say, button);
  return show(model, el, viewBox("signals", `Golden signals of ${service}`, header, messageBox(model, follow), told, charts, listed, details), unfollow);
}

export default { render };
