// The page side of the policy matrix: a row a caller, a column a service, and below it why the chosen cell is so.

import { h, tableFrom } from "./draw.js";
import { following, messageBox, show, tableBox, toldLine, viewBox } from "./live.js";

export function policiesSaid(cells) {
  if (!cells.length) return "Nobody calls anybody here.";
  const allowed = cells.filter((cell) => cell.allowed).length;
  const other = cells.filter((cell) => cell.differs).length;
  return `${allowed} of ${cells.length} pairs are allowed. `
    + (other ? `${other} answer${other > 1 ? "" : "s"} differently.` : "Every answer measured is as the policies say.");
}

const measured = (cell) => (cell.status < 0 ? "not measured" : cell.status ? String(cell.status) : "no answer");

function cellSaid(cell) {
  return `${cell.caller} calls ${cell.service}: ${cell.allowed ? "allowed" : "refused"} by the policies, measured: ${measured(cell)}`
    + (cell.differs ? ", which differs" : "");
}

function render({ model, el }) {
  const { follow, unfollow } = following(model);
  let chosen = "";
  const key = (cell) => `${cell.caller} ${cell.service}`;
  const button = h("button", { type: "button", className: "lk-go" });
  button.addEventListener("click", () => {
    model.set("measuring", true);
    model.save_changes();
  });
  const { told, tell } = toldLine();
  const message = messageBox(model, follow);
  const table = tableBox("Who may call whom, row by row");
  const why = h("div", { className: "lk-msg lk-why", role: "status" });
  const drawWhy = () => {
    const cell = model.get("cells").find((one) => key(one) === chosen);
    why.replaceChildren();
    if (!cell) return;
    why.append(h("b", {}, `${cell.caller} → ${cell.service}`), ` ${cell.request}: ${cell.allowed ? "allowed" : "refused"}, measured ${measured(cell)}.`,
      h("div", {}, cell.why));
    if (cell.differs) why.append(h("div", {}, `It differs: ${cell.differs}`));
  };
  const choose = (cell) => {
    chosen = key(cell);
    for (const one of table.querySelectorAll("button")) one.setAttribute("aria-pressed", String(one.dataset.key === chosen));
    drawWhy();
  };
  const square = (cell) => {
    const one = h("button", { type: "button", className: `lk-pair lk-pair-${cell.allowed ? "yes" : "no"}${cell.differs ? " lk-pair-other" : ""}`,
      "aria-label": cellSaid(cell), "aria-pressed": String(key(cell) === chosen) },
      h("span", { "aria-hidden": "true" }, cell.allowed ? "✓ allowed" : "✕ refused"), h("small", { "aria-hidden": "true" }, measured(cell)));
    one.dataset.key = key(cell);
    one.addEventListener("click", () => choose(cell));
    return one;
  };
  const drawCells = () => {
    const cells = model.get("cells");
    const focused = document.activeElement?.dataset?.key;
    tell(policiesSaid(cells));
    const services = [...new Set(cells.map((cell) => cell.service))];
    const callers = [...new Set(cells.map((cell) => cell.caller))];
    const at = new Map(cells.map((cell) => [key(cell), cell]));
    table.replaceChildren(tableFrom("A row calls a column; above what the policies say, below what came", ["caller", ...services],
      callers.map((caller) => [[caller], ...services.map((service) => {
        const cell = at.get(`${caller} ${service}`);
        return [cell ? square(cell) : "–"];
      })])));
    if (focused) [...table.querySelectorAll("button")].find((one) => one.dataset.key === focused)?.focus();
    drawWhy();
  };
  const drawMeasuring = () => {
    const on = model.get("measuring");
    button.textContent = on ? "… measuring" : "↻ Measure again";
    button.disabled = on;
  };
  follow("cells", drawCells);
  follow("measuring", drawMeasuring);
  const root = viewBox("policies", "Who may call whom",
    h("header", {}, h("h4", {}, "Who may call whom", h("small", {}, "asked and measured")), button), message, told, table, why);
  for (const draw of [drawCells, drawMeasuring]) draw();
  return show(model, el, root, unfollow);
}

export default { render };
