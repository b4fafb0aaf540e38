/** The script of all pages: live numbers, local times, and no double submits. Every page works without it. */
export const script = `(() => {
const page = document.querySelector("[data-live]");
const announcer = document.querySelector("[data-announce]");
let source, announcedAt = 0, retry;
const close = () => { clearTimeout(retry); source?.close(); source = undefined; };
const isTyping = () => [...document.querySelectorAll("main input:not([type=hidden]), main textarea")].some((field) => field.value !== field.defaultValue);
const show = ({ data }) => {
  const { state, text, bar, announce } = JSON.parse(data);
  if (state !== page.dataset.state && !isTyping()) { close(); location.reload(); return; }
  for (const node of page.querySelectorAll("[data-text]")) {
    const value = text[node.dataset.text];
    if (value !== undefined && node.textContent !== value) node.textContent = value;
  }
  for (const node of page.querySelectorAll("[data-bar]")) {
    const part = bar[node.dataset.bar];
    if (part) { node.setAttribute("x", part.x); node.setAttribute("width", part.width); }
  }
  if (announce && announce !== announcer.textContent && Date.now() - announcedAt >= 10000) {
    announcer.textContent = announce;
    announcedAt = Date.now();
  }
};
const open = () => {
  if (!page || source || document.hidden) return;
  source = new EventSource(page.dataset.live);
  source.onmessage = show;
  source.onerror = () => {
    if (source?.readyState !== 2) return;
    close();
    retry = setTimeout(open, 2000);
  };
};
document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
addEventListener("pagehide", close);
addEventListener("pageshow", () => {
  for (const form of document.forms) delete form.dataset.sent;
  open();
});
document.addEventListener("submit", (event) => {
  const { target } = event;
  if (target.method !== "post") return;
  if (target.dataset.sent) event.preventDefault();
  target.dataset.sent = "yes";
});
for (const time of document.querySelectorAll("time")) time.title = new Date(time.dateTime).toLocaleString();
})();
`;
