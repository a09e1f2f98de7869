// The page side of the request explorer: a form, answers, and what is known of the chosen one.

import { h, padlockBesideWords, sentAs, tableFrom } from "./draw.js";
import { following, messageBox, show, tableBox, viewBox } from "./live.js";
import { pageFrame } from "./frame.js";

const REASONS = {
  200: "OK", 301: "Moved", 302: "Found", 400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
  408: "Request Timeout", 429: "Too Many Requests", 500: "Internal Server Error", 502: "Bad Gateway", 503: "Service Unavailable",
  504: "Gateway Timeout",
};

/** A status with its sign, so that colour is not all that tells it. */
export function statusSaid(status) {
  const sign = !status || status >= 500 ? "✗" : status >= 400 ? "!" : "✓";
  return `${sign} ${status || "no answer"}${REASONS[status] ? ` ${REASONS[status]}` : ""}`;
}

function statusPill(status, { short = false } = {}) {
  const kind = !status || status >= 500 ? "bad" : status >= 400 ? "odd" : "good";
  const said = statusSaid(status);
  return h("span", { className: `lk-pill lk-pill-${kind}` }, short ? said.split(" ").slice(0, status ? 2 : 3).join(" ") : said);
}

function wayOf(hops) {
  const whole = Math.max(1e-9, ...hops.map((hop) => hop.start_ms + hop.ms));
  return h("ol", { className: "lk-way", "aria-label": "The way through the proxies" }, ...hops.map((hop) => {
    const bar = h("div", { className: "lk-time", "aria-hidden": "true" }, Object.assign(h("div"),
      { style: `margin-left:${(100 * hop.start_ms) / whole}%;width:${Math.max(1, (100 * hop.ms) / whole)}%` }));
    return h("li", {}, h("div", { className: "lk-hop" },
      h("b", { title: hop.proxy }, hop.proxy), h("span", {}, ...(hop.security ? [padlockBesideWords(hop.security, sentAs(hop)), " "] : []), "→ ", hop.sent_to), statusPill(hop.status, { short: true }),
      h("span", { className: "lk-ms" }, `${hop.ms.toFixed(1)} ms`)), bar,
      ...(hop.why ? [h("div", { className: "lk-out" }, `${hop.flags}: ${hop.why}`)] : []),
      ...(hop.rule ? [h("div", { className: "lk-note" }, hop.rule)] : []));
  }));
}

function wayTable(hops) {
  const head = ["proxy", "sent to", "sent as", "status", "began, ms", "took, ms", "why", "decided by"];
  return tableFrom("", head, hops.map((hop) => [[hop.proxy], [hop.sent_to], [sentAs(hop)], [String(hop.status || "–")],
    [hop.start_ms.toFixed(1)], [hop.ms.toFixed(1)], [hop.why || "–"], [hop.rule || "–"]]));
}

function field(label, input, hint = "") {
  return h("label", {}, h("span", {}, label), input, ...(hint ? [h("small", {}, hint)] : []));
}

function askForm(model, serial) {
  const path = h("input", { type: "text", spellcheck: false, required: true, name: "path" });
  const user = h("input", { type: "text", placeholder: "nobody", autocomplete: "off", name: "user" });
  const choices = h("datalist", { id: `lk-users-${serial}` }, ...model.get("users").map((name) => h("option", { value: name })));
  user.setAttribute("list", choices.id);
  const headers = h("textarea", { rows: 2, spellcheck: false, placeholder: "name: value, a line each", name: "headers" });
  const count = h("input", { type: "number", min: 1, max: 50, step: 1, name: "count" });
  const button = h("button", { type: "submit", className: "lk-go" }, "Send");
  const form = h("form", { className: "lk-ask", noValidate: true }, field("Path", path), field("User", user), choices,
    field("Times", count), field("Headers", headers), button);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (model.get("busy")) return;
    model.send({ send: { path: path.value, user: user.value, headers: headers.value, count: count.value } });
  });
  // A textarea's Enter is a new line; with Ctrl or ⌘ it sends, as in JupyterLab.
  headers.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  const draw = () => {
    const ask = model.get("ask");
    for (const [input, value] of [[path, ask.path], [user, ask.user], [headers, ask.headers], [count, ask.count]]) {
      if (document.activeElement !== input) input.value = value ?? "";
    }
  };
  return { form, button, draw };
}

let explorers = 0;

function render({ model, el }) {
  const { follow, unfollow } = following(model);
  const { form, button, draw: drawAsk } = askForm(model, ++explorers);
  form.hidden = !model.get("can_send");
  const say = h("span", { className: "lk-say", role: "status" });
  const message = messageBox(model, follow);
  const answers = tableBox("Answers");
  const way = h("div");
  const log = h("div", { className: "lk-log" });
  const page = h("div");
  const shown = h("div", { className: "lk-body" });
  const nothing = h("p", { className: "lk-note" }, "Send a request to see its answer and its way.");

  const drawBusy = () => {
    const busy = model.get("busy");
    button.textContent = busy ? "Sending …" : "Send";
    button.setAttribute("aria-disabled", String(busy));
  };
  const drawAnswers = () => {
    const rows = model.get("answers");
    nothing.hidden = rows.length > 0;
    shown.hidden = answers.hidden = !rows.length;
    const newest = rows[model.get("chosen")];
    say.replaceChildren(...(newest ? [statusPill(newest.status), ` in ${newest.latency_ms.toFixed(1)} ms`] : []));
    const at = model.get("chosen");
    answers.hidden = rows.length < 2; // one answer is all said above
    answers.replaceChildren(tableFrom("Answers; choose one to look into it", ["number", "status", "ms", "version", "x-request-id", "error"], rows.map((row, n) => {
      const choose = h("button", { type: "button", "aria-pressed": String(n === at), "aria-label": `Look into answer ${n + 1}` }, String(n + 1));
      choose.addEventListener("click", () => model.send({ choose: n }));
      return [[choose], [statusPill(row.status, { short: true })], [row.latency_ms.toFixed(1)], [row.version || "–"], [row.request_id || "–"], [row.error || "–"]];
    })));
  };
  const drawPage = () => {
    // A new frame each time: Chromium lays out nothing in one whose text changed while it was hidden.
    page.replaceChildren(pageFrame(model.get("page"), model.get("ask").path, () => {}));
  };
  const drawTrace = () => {
    const { hops = [], lines = [], note = "" } = model.get("trace");
    const isOpen = way.querySelector("details")?.open ?? false;
    way.replaceChildren(h("div", { className: "lk-cap" }, "The way it took"),
      ...(hops.length ? [wayOf(hops), Object.assign(h("details", {}, h("summary", {}, "The way as a table"),
        tableBox("The way as a table", wayTable(hops))), { open: isOpen })]
        : [h("p", { className: "lk-note" }, note || "Nothing is known of its way.")]),
      ...(hops.length && note ? [h("p", { className: "lk-note" }, note)] : []));
    log.replaceChildren(...(lines.length ? [h("div", { className: "lk-cap" }, "Access-log lines it left"),
      h("pre", { tabIndex: 0, role: "region", "aria-label": "Access-log lines" }, ...lines.flatMap(([proxy, line]) => [h("b", {}, proxy), `  ${line}\n`]))] : []));
  };
  follow("ask", drawAsk);
  follow("busy", drawBusy);
  follow("answers chosen", drawAnswers);
  follow("page", drawPage);
  follow("trace", drawTrace);
  shown.append(h("div", {}, way, log), h("div", {}, h("div", { className: "lk-cap" }, "The page"), page));
  for (const draw of [drawAsk, drawBusy, drawAnswers, drawPage, drawTrace]) draw();
  const root = viewBox("explorer", "Request explorer",
    h("header", {}, h("h4", {}, "Request explorer"), say), form, message, nothing, answers, shown);
  return show(model, el, root, unfollow);
}

export default { render };
