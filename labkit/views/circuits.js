// The page side of the circuit panel: one table, whose cells draw as well as say.

import { h, tableFrom } from "./draw.js";
import { show, viewBox } from "./live.js";
import { meterOf } from "./meter.js";

const PAIRS = ["connections", "waiting", "requests"];

function circuitOf(row) {
  if (row.open.length) return ["open", `open: ${row.open.join(", ")}`];
  if (row.lately || row.recent) return ["open", "open just now"];
  const [now, most] = row.connections;
  return most != null && now >= most ? ["full", "closed, connections used up"] : ["closed", "closed"];
}

/** One sentence for those who hear the page. */
export function circuitsSaid(rows) {
  const open = rows.filter((row) => circuitOf(row)[0] === "open");
  const ejected = rows.reduce((sum, row) => sum + row.ejected, 0);
  const names = open.map((row) => [row.service, row.subset].filter(Boolean).join(" "));
  const circuits = open.length ? `Open: ${names.join(", ")}.` : "Every circuit is closed.";
  return `${circuits} ${ejected ? `${ejected} endpoint${ejected > 1 ? "s are" : " is"} ejected.` : "No endpoint is ejected."}`;
}

function used([now, most]) {
  if (most == null) return [String(now)];
  const part = most ? Math.min(1, now / most) : 1;
  const bar = h("div", { className: "lk-bar", "aria-hidden": "true" },
    Object.assign(h("div"), { style: `width:${100 * part}%;background:${part >= 1 ? "var(--c1)" : "var(--c0)"}` }));
  return [`${now} of ${most}`, bar];
}

function endpointChips(row) {
  const signs = { healthy: "✓", ejected: "✗", unhealthy: "!" };
  return [h("ul", { className: "lk-chips" }, ...row.endpoints.map((e) => h("li", { className: `lk-chip-${e.state}` },
    `${signs[e.state]} ${e.address}${e.state === "healthy" ? "" : ` ${e.state}`}`)))];
}

function circuitTable(rows) {
  const head = ["upstream", "circuit", ...PAIRS, "refused", "endpoints"];
  return tableFrom("What is in use now, of its limit; refused since the proxy began", head, rows.map((row) => {
    const [state, said] = circuitOf(row);
    return [
      [[row.service, row.subset].filter(Boolean).join(" "), h("small", {}, `:${row.port}`)],
      [h("span", { className: `lk-pill lk-pill-${state}` }, said)],
      ...PAIRS.map((what) => used(row[what])),
      [String(row.refused), ...(row.lately ? [h("b", { className: "lk-out" }, ` +${row.lately}`)] : [])],
      endpointChips(row),
    ];
  }));
}

const CALLERS = [0, 1, 2, 3, 4, 6];

/** The load: how many callers at once, and what they were answered. */
function loadBar(model, follow) {
  const buttons = h("span", { className: "lk-presets", role: "group", "aria-label": "Callers at once" });
  const counted = h("span", { className: "lk-note", role: "status" });
  for (const callers of CALLERS) {
    const button = h("button", { type: "button" }, String(callers));
    button.addEventListener("click", () => { model.set("callers", callers); model.save_changes(); });
    buttons.append(button);
  }
  const drawCallers = () => [...buttons.children].forEach((button, n) => {
    button.setAttribute("aria-pressed", String(CALLERS[n] === model.get("callers")));
  });
  const drawCounts = () => {
    const counts = Object.entries(model.get("counts"));
    counted.textContent = counts.length ? `answered so far: ${counts.map(([status, n]) => `${n} × ${status === "-1" ? "nothing" : status}`).join(", ")}` : "";
  };
  follow("callers", drawCallers);
  follow("counts", drawCounts);
  drawCallers();
  drawCounts();
  return h("div", { className: "lk-load" }, h("span", {}, "Callers of ", h("code", {}, model.get("load")), ":"), buttons, counted);
}

function happened(events) {
  return events.length ? [h("div", { className: "lk-cap" }, "What happened"), h("ol", { className: "lk-events" },
    ...[...events].reverse().map((event) => h("li", {}, h("time", {}, event.time), ` ${event.what}`)))] : [];
}

const CHARTS = [
  { title: "Refused per second", name: "refused", colour: "var(--bad)", dash: "none" },
  { title: "Endpoints ejected", name: "ejected", colour: "var(--c0)", dash: "7 3" },
];

function render({ model, el }) {
  const sentence = (rows) => (rows.length ? circuitsSaid(rows) : "Nothing was read yet.");
  const meter = meterOf(model, { what: "circuits", sentence, tableOf: circuitTable, charts: CHARTS });
  const { title, header, message, told, table, small, follow, unfollow } = meter;
  const log = h("div", { className: "lk-log", tabIndex: 0, role: "region", "aria-label": "What happened" });
  const drawEvents = () => {
    log.hidden = !model.get("events").length;
    log.replaceChildren(...happened(model.get("events")));
  };
  follow("events", drawEvents);
  drawEvents();
  const load = model.get("load") ? [loadBar(model, follow)] : [];
  const below = h("div", { className: "lk-below" }, small, log);
  return show(model, el, viewBox("circuits", title, header, message, ...load, told, table, below), unfollow);
}

export default { render };
