import { h } from "./draw.js";

/**
 * A page of somebody else in a frame that is as high as the page. Its scripts never run and it can send nothing; the
 * notebook reads the frame instead, and tells `visit` where a link leads or who wants to sign in.
 */
export function pageFrame(html, path, visit) {
  // Same origin lets the notebook measure the page; without allow-scripts nothing of the page can use it.
  const frame = h("iframe", { title: "The page", tabIndex: 0, sandbox: "allow-same-origin" });
  const nowhere = () => '<p style="font:14px system-ui">This answer has no page.</p>';
  const fit = () => {
    const root = frame.contentDocument?.documentElement;
    if (root) frame.style.height = `${Math.max(120, root.scrollHeight + 4)}px`;
  };
  frame.addEventListener("load", () => {
    const page = frame.contentDocument;
    if (!page) return;
    fit();
    new ResizeObserver(fit).observe(page.documentElement);
    page.addEventListener("click", (event) => {
      const at = event.target.closest?.("a[href], button, input[type=submit]");
      if (!at) return;
      event.preventDefault();
      if (at.form) signIn(at.form, visit);
      else if (at.getAttribute("href")) follow(at.getAttribute("href"), path, visit);
    });
    page.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || !event.target.form) return;
      event.preventDefault();
      signIn(event.target.form, visit);
    });
  });
  frame.srcdoc = html ? guarded(html) : nowhere();
  return frame;
}

/** The page with a policy of its own: styles and pictures, and nothing else. */
function guarded(html) {
  const policy = `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; `
    + `img-src data: https:; font-src data:; form-action 'none'; base-uri 'none'">`;
  return /<head[^>]*>/i.test(html) ? html.replace(/<head[^>]*>/i, (head) => head + policy) : policy + html;
}

function signIn(form, visit) {
  const action = form.getAttribute("action") ?? "";
  if (/logout/.test(action)) visit({ user: "" });
  else if (/login/.test(action)) visit({ user: form.querySelector("input:not([type=hidden])")?.value ?? "" });
}

function follow(href, path, visit) {
  const to = new URL(href, `http://page${path}`);
  if (to.hostname !== "page" || href.startsWith("#")) return; // another server, or a place on this page
  if (to.pathname.endsWith("/logout")) visit({ user: "" });
  else visit({ path: to.pathname + to.search });
}

