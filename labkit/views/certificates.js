// The page side of the certificate viewer: a row a certificate, a bar for what is left of its life, and its chain.

import { h, padlockBesideWords, tableFrom } from "./draw.js";
import { following, messageBox, runButton, show, tableBox, toldLine, viewBox } from "./live.js";

/** Seconds in words, as the table of the kernel has them. */
export function lifeSaid(seconds) {
  if (seconds <= 0) return "expired";
  const [size, unit] = [[86400, "d"], [3600, "h"], [60, "min"]].find(([size]) => seconds >= 2 * size) ?? [1, "s"];
  return `${Math.round(seconds / size)} ${unit}`;
}

export function certificatesSaid(rows) {
  if (!rows.length) return "No certificate yet.";
  const expired = rows.filter((row) => row.left <= 0).length;
  const first = rows.reduce((a, b) => (a.left < b.left ? a : b));
  const rotations = rows.reduce((sum, row) => sum + row.rotations, 0);
  return `${rows.length} certificate${rows.length > 1 ? "s" : ""}, ${rotations} rotation${rotations === 1 ? "" : "s"} seen. `
    + (expired ? `${expired} expired.` : `The first to end is that of ${first.proxy}, in ${lifeSaid(first.left)}.`);
}

function bar(row) {
  const share = Math.max(0, Math.min(1, row.left / row.life));
  const kind = row.left <= 0 ? "bad" : share < 0.5 ? "due" : "good";
  const said = `${lifeSaid(row.left)} of ${lifeSaid(row.life)} left`;
  return h("div", { className: `lk-life lk-life-${kind}` },
    h("div", { className: "lk-bar", role: "img", "aria-label": said }, Object.assign(h("div"), { style: `width:${100 * share}%` })), said);
}

/** An identity that breaks after a slash, where its column is narrow. */
function breakable(identity) {
  return identity.split(/(?<=\/)/).flatMap((part) => [part, h("wbr")]);
}

function chainOf(row) {
  return h("ol", { className: "lk-chain", "aria-label": `The chain of ${row.proxy}` }, ...row.chain.map((link) => h("li", {},
    h("b", {}, link.subject), h("div", { className: "lk-note" }, `signed by ${link.issuer} · ${link.begins} – ${link.ends} · ${lifeSaid(link.left)} left`),
    h("div", { className: "lk-note" }, "serial ", h("code", {}, link.serial)))));
}

function render({ model, el }) {
  const { follow, unfollow } = following(model);
  const say = h("span", { className: "lk-say", role: "status" });
  const { button, draw: drawRunning } = runButton(model, say, (on) => ({
    state: on ? "looking" : "stopped", start: "Look", label: on ? "Stop looking at the certificates" : "Look at the certificates",
  }));
  const { told, tell } = toldLine();
  const message = messageBox(model, follow);
  const table = tableBox("Certificates, row by row");
  const open = new Set();
  const chain = (row) => {
    const key = `${row.proxy} ${row.name}`;
    const details = h("details", { open: open.has(key) },
      h("summary", { "aria-label": `Chain of ${row.proxy}` }, padlockBesideWords("mutual TLS"), " ", ...breakable(row.identity)), chainOf(row));
    details.addEventListener("toggle", () => (details.open ? open.add(key) : open.delete(key)));
    return details;
  };
  const drawRows = () => {
    const rows = model.get("rows");
    const focused = [...table.querySelectorAll("summary")].indexOf(document.activeElement);
    tell(certificatesSaid(rows));
    table.replaceChildren(tableFrom("A certificate is renewed at half of its life", ["proxy", "identity and chain", "left", "rotations", "serial"],
      rows.map((row) => [[row.proxy], [chain(row)], [bar(row)], [String(row.rotations)], [h("code", {}, row.serial)]])));
    if (focused >= 0) table.querySelectorAll("summary")[focused]?.focus();
  };
  follow("running", drawRunning);
  follow("rows", drawRows);
  const root = viewBox("certificates", "Certificates",
    h("header", {}, h("h4", {}, "Certificates", h("small", {}, "as the proxies hold them")), say, button), message, told, table);
  for (const draw of [drawRunning, drawRows]) draw();
  return show(model, el, root, unfollow);
}

export default { render };
