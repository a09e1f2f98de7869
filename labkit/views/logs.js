// The page side of access logs: a filter, rows that come in at the end, and the fields of the line that is chosen.

import { h, tableFrom } from "./draw.js";
import { following, messageBox, runButton, show, tableBox, toldLine, viewBox } from "./live.js";

const COLUMNS = ["proxy", "time", "request", "status", "flags", "went to", "ms", "why"];
const NUMBERS = new Set(["status", "ms"]);
const TYPED = 200; // milliseconds after the last letter until a filter is sent

/** One sentence for those who hear the page. */
export function logsSaid(rows, fitting, count) {
  if (!count) return "No line yet.";
  const newest = rows.at(-1);
  if (!newest) return `None of ${count} lines fits the filter.`;
  const [proxy, , request, status, flags, , , why] = newest.cells;
  return `${fitting} of ${count} lines. The newest: ${proxy}, ${request}, ${status === "0" ? "no answer" : status}${flags ? `, ${flags}, ${why}` : ""}.`;
}

function filterForm(model, follow) {
  const text = (name, label, props = {}) => {
    const input = h("input", { type: "text", spellcheck: false, autocomplete: "off", name, ...props });
    let typed;
    input.addEventListener("input", () => {
      clearTimeout(typed);
      typed = setTimeout(() => { model.set(name, input.value); model.save_changes(); }, TYPED);
    });
    const draw = () => { if (document.activeElement !== input && input.value !== model.get(name)) input.value = model.get(name); };
    follow(name, draw);
    draw();
    return h("label", {}, label, input);
  };
  const failed = h("input", { type: "checkbox", name: "failed" });
  failed.addEventListener("change", () => { model.set("failed", failed.checked); model.save_changes(); });
  const drawFailed = () => { failed.checked = model.get("failed"); };
  follow("failed", drawFailed);
  drawFailed();
  const form = h("form", { className: "lk-ask", noValidate: true, "aria-label": "Which lines" },
    text("proxy", "Proxy begins with", { placeholder: "reviews" }), text("path", "Path contains", { placeholder: "/reviews" }),
    text("status", "Status", { className: "lk-short", inputMode: "numeric", placeholder: "503" }),
    text("flags", "Flag", { className: "lk-short", placeholder: "UF" }),
    h("label", { className: "lk-check" }, failed, "only failures"));
  form.addEventListener("submit", (event) => event.preventDefault());
  return form;
}

function rowOf(row, choose) {
  const [proxy, ...rest] = row.cells;
  const open = h("button", { type: "button", "aria-label": `Explain the line of ${proxy}: ${rest[1]}, ${rest[2]}` }, proxy);
  open.addEventListener("click", () => choose(row.key));
  const cells = rest.map((value, n) => {
    const name = COLUMNS[n + 1];
    const shown = name === "status" ? `${row.failed ? "✗ " : ""}${value === "0" ? "–" : value}` : value;
    return h("td", { className: NUMBERS.has(name) ? "lk-number" : "" }, row.failed && name === "status" ? h("span", { className: "lk-out" }, shown) : shown);
  });
  return h("tr", {}, h("th", { scope: "row" }, open), ...cells);
}

function render({ model, el }) {
  const { follow, unfollow } = following(model);
  const say = h("span");
  const { button, draw: drawRunning } = runButton(model, say, (on) => ({
    state: !model.get("can_read") ? "recorded" : on ? "following" : "paused",
    start: "Follow",
    label: on ? "Stop following the access logs" : "Follow the access logs",
    isHidden: !model.get("can_read"),
  }));
  const { told, tell } = toldLine();
  const body = h("tbody");
  const caption = h("caption");
  const table = tableBox("Lines of access logs", h("table", {}, caption,
    h("thead", {}, h("tr", {}, ...COLUMNS.map((name) => h("th", { scope: "col" }, name)))), body));
  const empty = h("p", { className: "lk-note" }, "No line yet. Are access logs on? lab.access_logs() switches them on; then send a request.");
  const fields = h("div", { className: "lk-fields" });
  const panel = h("section", { "aria-label": "The chosen line", hidden: true }, fields);
  const choose = (key) => {
    model.set("selected", model.get("selected") === key ? "" : key);
    model.save_changes();
  };
  const drawn = new Map();
  const drawRows = () => {
    const [rows, fitting, count] = ["rows", "fitting", "count"].map((name) => model.get(name));
    const isAtEnd = table.scrollTop + table.clientHeight >= table.scrollHeight - 8;
    const keys = new Set(rows.map((row) => row.key));
    for (const [key, tr] of drawn) if (!keys.has(key)) { tr.remove(); drawn.delete(key); }
    // Lines come at the end, so most rows stay where they are, and the one with the focus keeps it.
    rows.forEach((row, n) => {
      if (!drawn.has(row.key)) drawn.set(row.key, rowOf(row, choose));
      const tr = drawn.get(row.key);
      if (body.children[n] !== tr) body.insertBefore(tr, body.children[n] ?? null);
    });
    caption.textContent = `${fitting} of ${count} lines${fitting > rows.length ? `, the newest ${rows.length} of them` : ""}`;
    empty.hidden = count > 0;
    table.hidden = count === 0;
    if (isAtEnd) table.scrollTop = table.scrollHeight;
    tell(logsSaid(rows, fitting, count));
  };
  const drawChosen = () => {
    const [key, listed] = [model.get("selected"), model.get("fields")];
    for (const [own, tr] of drawn) tr.classList.toggle("lk-chosen", own === key);
    panel.hidden = !listed.length;
    fields.replaceChildren(...(listed.length ? [h("pre", { className: "lk-line", tabIndex: 0, role: "region", "aria-label": "The line" }, model.get("text")),
      tableFrom("Its fields", ["field", "value", "meaning"], listed.map((field) => field.map((cell) => [cell])))] : []));
  };
  follow("running can_read", drawRunning);
  follow("rows fitting count", drawRows);
  follow("selected fields text rows", drawChosen);
  for (const draw of [drawRunning, drawRows, drawChosen]) draw();
  const header = h("header", {}, h("h4", {}, "Access logs", h("small", {}, "of all proxies")), say, button);
  const leave = show(model, el, viewBox("logs", "Access logs", header, messageBox(model, follow), told, filterForm(model, follow), empty, table, panel), unfollow);
  table.scrollTop = table.scrollHeight;
  return leave;
}

export default { render };
