// The page side of the rate-limit meter: one table, whose cells draw as well as say.

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

function render({ model, el }) {
  const stops = [];
  const follow = (names, draw) => names.split(" ").forEach((trait) => {
    model.on(`change:${trait}`, draw);
    stops.push(() => model.off(`change:${trait}`, draw));
  });
  const proxy = model.get("proxy");
  const say = h("span", {});
  const button = h("button", { type: "button", className: "lk-go" });
  button.addEventListener("click", () => {
    model.set("running", !model.get("running"));
    model.save_changes();
  });
  const drawRunning = () => {
    const on = model.get("running");
    say.className = on ? "lk-say lk-on" : "lk-say";
    say.replaceChildren(h("span", { className: "lk-dot" }), !model.get("can_read") ? "recorded" : on ? "live" : "stopped");
    button.hidden = !model.get("can_read");
    button.textContent = on ? "■ Stop" : "▶ Start";
    button.setAttribute("aria-label", `${on ? "Stop" : "Start"} looking at the rate limits of ${proxy}`);
  };
  const told = h("p", { className: "lk-told", role: "status" });
  const table = h("div", { className: "lk-table", tabIndex: 0, role: "region", "aria-label": `Rate limits of ${proxy}` });
  const small = h("div", { className: "lk-sparks" });
  const message = h("div", { className: "lk-msg lk-bad", "aria-live": "polite" });
  const drawRows = () => {
    const rows = model.get("rows");
    const said = limitsSaid(rows);
    if (told.textContent !== said) told.textContent = said;
    table.replaceChildren(limitTable(rows));
  };
  const drawPoints = () => {
    const points = model.get("points");
    const newest = points.at(-1);
    const end = newest?.t ?? 0;
    small.hidden = points.length < 2;
    small.replaceChildren(
      spark("Allowed per second", newest ? newest.allowed.toFixed(0) : "–", points, [{ colour: "var(--c0)", dash: "7 3", of: (p) => p.allowed }], end),
      spark("Refused per second", newest ? newest.refused.toFixed(0) : "–", points, [{ colour: "var(--bad)", dash: "none", of: (p) => p.refused }], end));
  };
  const drawMessage = () => { message.textContent = model.get("message"); };
  follow("running can_read", drawRunning);
  follow("rows", drawRows);
  follow("points", drawPoints);
  follow("message", drawMessage);
  for (const draw of [drawRunning, drawRows, drawPoints, drawMessage]) draw();
  const root = viewBox("limits", `Rate limits of ${proxy}`,
    h("header", {}, h("h4", {}, proxy, h("small", {}, "rate limits")), say, button), message, told, table, small);
  el.append(root);
  const leave = lifeline(model, root);
  return () => {
    stops.forEach((stop) => stop());
    leave();
  };
}

export default { render };
