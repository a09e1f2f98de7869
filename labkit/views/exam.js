// The page side of the mock exam: tasks, the time that is left, and the report.

import { h, tableFrom } from "./draw.js";
import { following, messageBox, show, tableBox, viewBox } from "./live.js";

const two = (n) => String(n).padStart(2, "0");

/** `1 h 59 min` of seconds; the last minutes with their seconds. */
export function timeLeft(seconds) {
  if (seconds <= 0) return "The two hours are over";
  const whole = Math.floor(seconds);
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60)];
  return whole < 600 ? `${minutes} min ${two(whole % 60)} s left` : `${hours} h ${two(minutes)} min left`;
}

function button(label, spoken, act) {
  const made = h("button", { type: "button", "aria-label": spoken }, label);
  made.addEventListener("click", act);
  return made;
}

function render({ model, el }) {
  const { follow, unfollow } = following(model);
  const say = h("span", { className: "lk-say" });
  const busy = h("p", { className: "lk-note", role: "status" });
  const message = messageBox(model, follow);
  const about = h("p", { className: "lk-note" },
    "Sixteen tasks, two hours, 68 of 100 points pass. Each task begins on a mesh of its own: hand one in before you go to the next. Work in cells of your own or in a terminal.");
  const start = h("button", { type: "button", className: "lk-go" }, "Start");
  const report = h("button", { type: "button" }, "Report");
  const tasks = tableBox("Tasks");
  const current = h("div", { className: "lk-current" });
  const seen = h("div");

  let isSure = false;
  start.addEventListener("click", () => {
    // A second start throws a sitting away, so it asks once more.
    if (model.get("ends") && !isSure) {
      isSure = true;
      start.textContent = "Really start a new exam?";
      return;
    }
    isSure = false;
    model.send({ step: "start" });
  });
  report.addEventListener("click", () => model.send({ step: "report" }));

  const left = () => model.get("ends") - Date.now() / 1000;
  const isOver = () => left() <= 0;
  const drawTime = () => {
    const rows = model.get("tasks");
    const done = rows.filter((task) => task.is_handed_in).length;
    say.textContent = model.get("ends") ? `${timeLeft(left())}, ${done} of ${rows.length} handed in` : "not started";
  };
  const drawCurrent = () => {
    const task = model.get("tasks").find(({ number }) => number === model.get("at"));
    current.hidden = !task;
    if (!task) return;
    const answer = h("input", { type: "text", value: task.answer, placeholder: task.form, spellcheck: false, "aria-label": `Answer to task ${task.number}` });
    const hand = button("Hand in", `Hand in task ${task.number}`, () => model.send({ step: "hand_in", task: task.number, answer: answer.value }));
    const words = model.get("effects").map(([word, sentence]) => [[word], [sentence]]);
    current.replaceChildren(h("div", { className: "lk-cap" }, `Task ${task.number}: ${task.what}`),
      h("p", {}, `Done when ${task.done_when}.`),
      ...(task.form ? [h("label", {}, h("span", {}, `Answer: ${task.form}`), answer)] : []), hand,
      ...(task.form.includes("effect") ? [h("details", {}, h("summary", {}, "Words for effects"),
        tableBox("Words for effects", tableFrom("", ["word", "what it means"], words)))] : []));
  };
  const drawTasks = () => {
    const rows = model.get("tasks");
    tasks.hidden = !rows.length;
    report.hidden = !rows.length;
    start.textContent = rows.length ? "Start a new exam" : "Start";
    tasks.replaceChildren(tableFrom("Tasks", ["task", "points", "what to do", "handed in", "begin"], rows.map((task) => [
      [String(task.number)], [task.points.toFixed(1)], [task.what], [task.is_handed_in ? "✓ yes" : "no"],
      [isOver() ? "" : button(task.number === model.get("at") ? "Begin again" : "Go to", `Go to task ${task.number}`, () => model.send({ step: "goto", task: task.number }))]])));
    drawTime();
    drawCurrent();
  };
  const drawBusy = () => {
    const doing = model.get("busy");
    busy.textContent = doing ? `… ${doing}` : "";
    for (const one of root.querySelectorAll("button")) one.setAttribute("aria-disabled", String(Boolean(doing)));
  };
  const drawReport = () => {
    seen.replaceChildren(...(model.get("shows_report") ? [h("div", { className: "lk-cap" }, "Report"),
      h("pre", { tabIndex: 0, role: "region", "aria-label": "Report" }, model.get("report").join("\n"))] : []));
  };

  const root = viewBox("exam", "Mock exam", h("header", {}, h("h4", {}, "Mock exam"), say), about,
    h("div", { className: "lk-presets" }, start, report), busy, message, current, tasks, seen);
  follow("tasks ends at effects", drawTasks);
  follow("busy", drawBusy);
  follow("report shows_report", drawReport);
  for (const draw of [drawTasks, drawBusy, drawReport]) draw();
  let wasOver = isOver();
  const clock = setInterval(() => {
    drawTime();
    if (isOver() !== wasOver) { wasOver = isOver(); drawTasks(); }
  }, 1000);
  return show(model, el, root, unfollow, () => clearInterval(clock));
}

export default { render };
