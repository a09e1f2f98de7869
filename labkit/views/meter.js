// The page side of a meter: a table of the rows of one proxy, and small charts of the last minute.

import { h, spark } from "./draw.js";
import { following, messageBox, runButton, tableBox, toldLine } from "./live.js";

/** The parts of a meter of `what`, drawn and followed; a chart is `{ title, name, colour, dash }`, `name` that of a point's number. */
export function meterOf(model, { what, sentence, tableOf, charts }) {
  const { follow, unfollow } = following(model);
  const proxy = model.get("proxy");
  const title = `${what[0].toUpperCase()}${what.slice(1)} of ${proxy}`;
  const say = h("span");
  const { button, draw: drawRunning } = runButton(model, say, (on) => ({
    state: !model.get("can_read") ? "recorded" : on ? "live" : "stopped",
    start: "Start",
    label: `${on ? "Stop" : "Start"} looking at the ${what} of ${proxy}`,
    isHidden: !model.get("can_read"),
  }));
  const { told, tell } = toldLine();
  const table = tableBox(`${title}, row by row`);
  const small = h("div", { className: "lk-sparks" });
  const drawRows = () => {
    const rows = model.get("rows");
    tell(sentence(rows));
    table.replaceChildren(tableOf(rows));
  };
  const drawPoints = () => {
    const points = model.get("points");
    const newest = points.at(-1);
    small.hidden = points.length < 2;
    small.replaceChildren(...charts.map(({ title, name, colour, dash }) =>
      spark(title, newest ? newest[name].toFixed(0) : "–", points, [{ colour, dash, of: (p) => p[name] }], newest?.t ?? 0)));
  };
  follow("running can_read", drawRunning);
  follow("rows", drawRows);
  follow("points", drawPoints);
  for (const draw of [drawRunning, drawRows, drawPoints]) draw();
  const header = h("header", {}, h("h4", {}, proxy, h("small", {}, what)), say, button);
  return { follow, unfollow, title, header, message: messageBox(model, follow), told, table, small };
}
