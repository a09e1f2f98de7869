// The page side of a picture of the mesh: a header that sends requests, the picture, and the same as a table.

import { h, s } from "./draw.js";
import { following, messageBox, runButton, tableBox, toldLine } from "./live.js";

/** The parts of a picture, followed but for what is drawn of it; `rows` names its table. */
export function pictureOf(model, { title, by, role, rows, messages }) {
  const { follow, unfollow } = following(model);
  const say = h("span", { className: "lk-say", role: "status" });
  const { button, draw: drawRunning } = runButton(model, say, (on) => ({
    state: on ? `sending ${model.get("load")}` : "looking",
    start: "Send",
    label: on ? "Stop sending requests" : `Send ${model.get("load")}`,
    isHidden: !model.get("load"),
  }));
  follow("running load", drawRunning);
  drawRunning();
  const svg = s("svg", { class: "lk-chart lk-map", role, "aria-label": title });
  const table = tableBox(rows);
  const details = h("details", {}, h("summary", {}, "The same as a table"), table);
  let tableOf = () => "";
  // A table that nobody has opened is not drawn.
  const drawTable = () => { if (details.open) table.replaceChildren(tableOf()); };
  details.addEventListener("toggle", drawTable);
  return {
    follow, unfollow, ...toldLine(), svg, details,
    setTable: (make) => {
      tableOf = make;
      drawTable();
    },
    header: h("header", {}, h("h4", {}, title, h("small", {}, by)), say, button),
    message: messageBox(model, follow, messages),
    figure: h("figure", {}, svg),
  };
}
