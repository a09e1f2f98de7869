// The canary's part of the split view: its steps, its error budget, its buttons and its log.

import { h, percent, tableFrom } from "./draw.js";
import { tableBox } from "./live.js";

const SAID = {
  waiting: "not begun",
  running: "running",
  paused: "paused; the error budget still guards",
  done: "done",
  "rolled back": "rolled back",
};

/** What each button does and when it can be pressed. */
export function canaryButtons(state) {
  return [
    ["begin", "Begin", state === "waiting"],
    state === "paused" ? ["resume", "Go on", true] : ["pause", "Pause", state === "running"],
    ["advance", "Next step", state === "running" || state === "paused"],
    ["roll back", "Roll back", ["running", "paused", "done"].includes(state)],
  ];
}

function canarySteps(plan, step, state) {
  const mark = (n) => state === "rolled back" ? "" : n < step || state === "done" ? "done" : n === step ? "now" : "";
  return h("ol", { className: "lk-steps", "aria-label": "Steps" }, ...plan.steps.map((share, n) => {
    const at = mark(n);
    const said = { done: " ✓", now: " ◀" }[at] ?? "";
    const item = h("li", { className: at ? `lk-step-${at}` : "" }, `${share} %${said}`);
    if (at === "now") item.setAttribute("aria-current", "step");
    return item;
  }));
}

function canaryBudget(plan, seen) {
  const [sent, failed] = seen[plan.new] ?? [0, 0];
  const rate = sent ? failed / sent : 0;
  const bar = (part, tone, label, said) => h("div", {}, h("div", { className: "lk-cap" }, h("span", {}, label), h("span", {}, said)),
    h("div", { className: "lk-bar", "aria-hidden": "true" }, Object.assign(h("div"), { style: `width:${100 * Math.min(1, part)}%;background:${tone}` })));
  return h("div", { className: "lk-budget" },
    bar(sent / plan.enough, "var(--c0)", `requests to ${plan.new} at this step`, `${sent} of ${plan.enough}`),
    bar(plan.budget ? rate / plan.budget : rate ? 1 : 0, rate > plan.budget ? "var(--bad)" : "var(--c1)",
      "error budget used", `${failed} failed, ${percent(rate, 1)} of ${percent(plan.budget, 1)}`));
}

/** The panel; `follow` redraws it when traits change. */
export function canaryPanel(model, follow) {
  const plan = model.get("plan");
  const steps = h("div");
  const budget = h("div");
  const why = h("p", { className: "lk-why", "aria-live": "polite" });
  const buttons = h("div", { className: "lk-presets", role: "group", "aria-label": "Canary" });
  const log = tableBox("What the canary did");
  const made = new Map();
  const drawState = () => {
    const state = model.get("state");
    steps.replaceChildren(canarySteps(plan, model.get("step"), state));
    why.textContent = SAID[state] ?? state;
    why.className = state === "rolled back" ? "lk-why lk-out" : state === "done" ? "lk-why lk-good" : "lk-why";
    canaryButtons(state).forEach(([act, label, can], n) => {
      const button = made.get(n) ?? h("button", { type: "button" });
      if (!made.has(n)) {
        button.addEventListener("click", () => model.send({ canary: button.dataset.act }));
        made.set(n, button);
        buttons.append(button);
      }
      button.dataset.act = act;
      button.textContent = label;
      button.setAttribute("aria-disabled", String(!can)); // stays in the tab order, so that focus is not lost
    });
  };
  const reason = h("p", { className: "lk-note" });
  const drawCounts = () => {
    budget.replaceChildren(canaryBudget(plan, model.get("seen")));
    const { action, reasons } = model.get("decision");
    reason.textContent = action ? `${action}: ${reasons.join("; ")}` : "";
  };
  const drawLog = () => {
    const entries = model.get("log");
    log.hidden = !entries.length;
    log.replaceChildren(tableFrom("What it did and why", ["time", "what", "why"], entries.map((e) => [[e.time], [e.what], [e.why]])));
  };
  follow("state step", drawState);
  follow("seen decision", drawCounts);
  follow("log", drawLog);
  for (const draw of [drawState, drawCounts, drawLog]) draw();
  return h("section", { className: "lk-canary", "aria-label": "Canary" },
    h("div", { className: "lk-plan" }, steps, why, buttons), budget, reason, log);
}

