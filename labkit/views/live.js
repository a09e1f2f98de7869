// What every live view is built of.

import { h } from "./draw.js";

const PATIENT = 12; // signs of life without an answer, four minutes, after which the kernel counts as gone
const ALIVE = 20_000; // milliseconds between signs of life; the kernel stops the traffic 90 s after the last one

/** Calls `draw` when one of the traits changes: `follow("rows points", draw)`; call `unfollow` at the end. */
export function following(model) {
  const stops = [];
  const follow = (traits, draw) => traits.split(" ").forEach((trait) => {
    model.on(`change:${trait}`, draw);
    stops.push(() => model.off(`change:${trait}`, draw));
  });
  return { follow, unfollow: () => stops.forEach((stop) => stop()) };
}

/** `draw` at the page's next picture, once, however often it is asked for until then. */
export function atNextPicture(draw) {
  let asked = 0;
  return () => {
    asked ||= requestAnimationFrame(() => {
      asked = 0;
      draw();
    });
  };
}

/**
 * The button that sets `running`, beside `say`, which shows a dot and the state. `words(on)` has what they say:
 * `{ state, start, label }`, and `isHidden` where there is nothing to start.
 */
export function runButton(model, say, words) {
  const button = h("button", { type: "button", className: "lk-go" });
  button.addEventListener("click", () => {
    model.set("running", !model.get("running"));
    model.save_changes();
  });
  let shown = "";
  const draw = () => {
    const on = model.get("running");
    const { state, start, label, isHidden = false } = words(on);
    const news = JSON.stringify([on, state, label, isHidden]);
    if (shown === news) return; // a screen reader hears changes, not every picture
    shown = news;
    say.className = on ? "lk-say lk-on" : "lk-say";
    say.replaceChildren(h("span", { className: "lk-dot" }), state);
    button.hidden = isHidden;
    button.textContent = on ? "■ Stop" : `▶ ${start}`;
    button.setAttribute("aria-label", label);
  };
  return { button, draw };
}

/** The line for those who hear the page; the same sentence again is not read out again. */
export function toldLine() {
  const told = h("p", { className: "lk-told", role: "status" });
  return { told, tell: (sentence) => { if (told.textContent !== sentence) told.textContent = sentence; } };
}

/** The line for what went wrong; `kind` is empty where it also says what is usual. */
export function messageBox(model, follow, kind = "lk-bad") {
  const message = h("div", { className: `lk-msg ${kind}`.trim(), "aria-live": "polite" });
  const draw = () => { message.textContent = model.get("message"); };
  follow("message", draw);
  draw();
  return message;
}

/** A box for a table that may be wider than the page: keys scroll it. */
export const tableBox = (label, ...children) =>
  h("div", { className: "lk-table", tabIndex: 0, role: "region", "aria-label": label }, ...children);

/** Calls `draw` with the width of an element when it changes; call what it returns at the end. */
export function onWidth(element, { first, least }, draw) {
  let width = first;
  const resized = new ResizeObserver(() => {
    const wide = Math.max(least, element.clientWidth);
    if (element.clientWidth > 0 && wide !== width) {
      width = wide;
      draw(width);
    }
  });
  resized.observe(element);
  return () => resized.disconnect();
}

/** The box of a view. Keys are its own: JupyterLab would take arrows and Enter for moving between cells. */
export function viewBox(kind, label, ...children) {
  return h("section", { className: `lk-view lk-${kind}`, "aria-label": label, "data-lm-suppress-shortcuts": "true" }, ...children);
}

/** Puts a view into its place. What it returns takes the view away, and calls `ends`: `render` returns it. */
export function show(model, el, root, ...ends) {
  el.append(root);
  const leave = lifeline(model, root);
  return () => { for (const end of [...ends, leave]) end(); };
}

/** Leaves commands such as Ctrl+S to JupyterLab, also while a view has the focus; call what it returns at the end. */
function keepCommands(root) {
  const sort = (event) => {
    const isCommand = (event.ctrlKey || event.metaKey) && event.key !== "Enter";
    if (isCommand) root.removeAttribute("data-lm-suppress-shortcuts");
    else root.setAttribute("data-lm-suppress-shortcuts", "true");
  };
  window.addEventListener("keydown", sort, true); // before JupyterLab, which listens at the document
  const own = (event) => { if (root.hasAttribute("data-lm-suppress-shortcuts")) event.stopPropagation(); };
  root.addEventListener("keydown", own);
  return () => window.removeEventListener("keydown", sort, true);
}

/**
 * Ties a view to its kernel: tells it that a page shows the view, and tells the reader when the kernel has ended.
 * Call what it returns when the view is taken away.
 */
export function lifeline(model, root) {
  const name = `page${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
  const origin = model.get("origin");
  const over = h("div", { className: "lk-msg lk-over", role: "status" });
  root.prepend(over);
  let isOver = false;
  let unanswered = 0;
  const end = (why) => {
    if (isOver) return;
    isOver = true;
    root.classList.add("lk-is-over");
    over.replaceChildren(h("b", {}, "This view is over. "), `${why} What you see are its last numbers. `,
      "To begin again, run the first cells of this notebook, and then this one: ", h("code", {}, origin || "the cell above"));
    for (const control of root.querySelectorAll("button, input, textarea")) control.disabled = true;
    for (const say of root.querySelectorAll(".lk-say")) {
      say.className = "lk-say";
      say.replaceChildren(h("span", { className: "lk-dot" }), "over");
    }
  };
  const check = async () => {
    const own = await model.widget_manager?.get_model?.(model.get("me"))?.catch?.(() => null);
    if (own?.comm_live === false) end("The kernel that drove it has ended.");
  };
  const heard = (message) => { if (message?.here === name) unanswered = 0; };
  const beat = () => {
    if (isOver) return;
    // A busy kernel answers later; one that crashed and began anew never does.
    if (unanswered >= PATIENT) end("The kernel has not answered for some minutes: it was started again, or a cell runs on.");
    unanswered += 1;
    model.send({ alive: name });
  };
  const timer = setInterval(beat, ALIVE);
  const release = keepCommands(root);
  model.on("comm_live_update", check);
  model.on("msg:custom", heard);
  check();
  model.send({ alive: name, first: true });
  return () => {
    clearInterval(timer);
    release();
    model.off("comm_live_update", check);
    model.off("msg:custom", heard);
    if (!isOver) model.send({ gone: name });
  };
}
