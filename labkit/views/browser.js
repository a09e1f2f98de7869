// The page side of a page: a bar like a browser's, and the page itself.

import { h } from "./draw.js";
import { following, messageBox, show, viewBox } from "./live.js";
import { pageFrame } from "./frame.js";

function render({ model, el }) {
  const { follow, unfollow } = following(model);
  const go = (wish) => { if (!model.get("busy")) model.send({ go: wish }); };
  const reload = h("button", { type: "button", title: "Reload", "aria-label": "Reload the page" }, "↻");
  reload.addEventListener("click", () => go({}));
  const path = h("input", { type: "text", spellcheck: false, "aria-label": "Path" });
  const place = h("form", { className: "lk-place", noValidate: true }, reload, path);
  place.addEventListener("submit", (event) => { event.preventDefault(); go({ path: path.value }); });
  const user = h("input", { type: "text", placeholder: "nobody", autocomplete: "off", "aria-label": "User", spellcheck: false });
  const sign = h("button", { type: "submit" });
  const who = h("form", { className: "lk-who", noValidate: true }, user, sign);
  who.addEventListener("submit", (event) => {
    event.preventDefault();
    go({ user: model.get("user") ? "" : user.value });
  });
  const say = h("span", { className: "lk-say", role: "status" });
  const message = messageBox(model, follow);
  const page = h("div");
  const drawBar = () => {
    path.value = model.get("path");
    const name = model.get("user");
    if (name || document.activeElement !== user) user.value = name;
    user.readOnly = Boolean(name);
    sign.textContent = name ? "Sign out" : "Sign in";
    const status = model.get("status");
    say.replaceChildren(model.get("busy") ? "…" : h("a", { href: model.get("url"), target: "_blank", rel: "noopener" }, String(status)));
    say.className = `lk-say lk-pill-${status >= 500 || !status ? "bad" : status >= 400 ? "odd" : "good"}`;
  };
  const drawPage = () => page.replaceChildren(pageFrame(model.get("html"), model.get("path"), go));
  follow("path user status busy url", drawBar);
  follow("html", drawPage);
  for (const draw of [drawBar, drawPage]) draw();
  const root = viewBox("browser", "A page of the application", h("div", { className: "lk-top" }, place, say, who), message, page);
  return show(model, el, root, unfollow);
}

export default { render };
