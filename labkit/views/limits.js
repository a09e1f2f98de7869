// The page side of the rate-limit meter: one table, whose cells draw as well as say.

import { h, percent, tableFrom } from "./draw.js";
import { show, viewBox } from "./live.js";
import { meterOf } from "./meter.js";

const asked = (row) => (row.most == null ? "no limit read" : `${row.most} per ${row.per} s`);

/** One sentence for those who hear the page. */
export function limitsSaid(rows) {
  if (!rows.length) return "No limit was found.";
  const refusing = rows.filter((row) => row.lately);
  const refused = refusing.length
    ? `Refusing now: ${refusing.map((row) => row.name).join(", ")}.`
    : "Nothing is refused at the moment.";
  const empty = rows.filter((row) => row.left != null && row.left < 1).map((row) => row.name);
  return empty.length ? `${refused} Used up: ${empty.join(", ")}.` : refused;
}

function leftOf(row) {
  if (row.left == null) return ["–"];
  const whole = Math.floor(row.left);
  const part = row.most ? Math.min(1, row.left / row.most) : 0;
  const bar = h("div", { className: "lk-bar", "aria-hidden": "true" },
    Object.assign(h("div"), { style: `width:${100 * part}%;background:${whole < 1 ? "var(--bad)" : "var(--c0)"}` }));
  return [`${whole} of ${row.most}`, bar];
}

function shareOf(row) {
  const total = row.allowed + row.refused;
  if (!total) return ["no request yet"];
  const shadow = row.shadow ? [h("small", {}, `${row.shadow} passed in shadow mode`)] : [];
  return [`${percent(row.refused / total)} of ${total} refused`, ...shadow];
}

function limitTable(rows) {
  const head = ["limit", "asked", "left", "allowed", "refused", "measured"];
  return tableFrom("Asked, what is left of it now, and what was counted since the proxy or the service began", head, rows.map((row) => [
    [row.name, h("small", {}, row.where === "proxy" ? "each proxy" : "the service")],
    [asked(row)],
    leftOf(row),
    [String(row.allowed), ...(row.passed ? [h("b", {}, ` +${row.passed}`)] : [])],
    [String(row.refused), ...(row.lately ? [h("b", { className: "lk-out" }, ` +${row.lately}`)] : [])],
    shareOf(row),
  ]));
}

const CHARTS = [
  { title: "Allowed per second", name: "allowed", colour: "var(--c0)", dash: "7 3" },
  { title: "Refused per second", name: "refused", colour: "var(--bad)", dash: "none" },
];

function render({ model, el }) {
  const meter = meterOf(model, { what: "rate limits", sentence: limitsSaid, tableOf: limitTable, charts: CHARTS });
  const { title, header, message, told, table, small, unfollow } = meter;
  return show(model, el, viewBox("limits", title, header, message, told, table, small), unfollow);
}

export default { render };
