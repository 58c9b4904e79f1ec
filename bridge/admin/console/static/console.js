// Refreshes what is live on a page: every five seconds, if somebody chose so and looks at it.
// The page is fetched as it is and its live regions are put in place; without this file it works
// the same, but for the refreshing.

const EVERY = 5000;
const CHOSEN = "cascade-bridge-refresh";
const button = document.getElementById("refresh");
const announce = document.getElementById("announce");
let timer = 0;
let running = false;

const regions = (page) => page.querySelectorAll("[data-live][id]");
const summaries = (page) =>
  [...regions(page)].map((one) => one.dataset.summary ?? "").filter(Boolean).join("; ");

// What tells an element apart from the others of its region, after the region was replaced.
const name = (one) => one.id || one.getAttribute("aria-label") || one.getAttribute("href");

function replace(region, fresh) {
  if (region.innerHTML === fresh.innerHTML) return;
  const focused = region.contains(document.activeElement) ? document.activeElement : null;
  const place = focused && [focused.tagName, name(focused)];
  const scrolled = [...region.querySelectorAll(".scroll")].map((one) => one.scrollLeft);
  region.replaceChildren(...document.importNode(fresh, true).childNodes);
  region.dataset.summary = fresh.dataset.summary ?? "";
  region.querySelectorAll(".scroll").forEach((one, n) => (one.scrollLeft = scrolled[n] ?? 0));
  if (!place) return;
  const same = [...region.querySelectorAll(place[0])].find((one) => name(one) === place[1]);
  (same ?? document.getElementById("main")).focus({ preventScroll: true });
}

async function refresh() {
  if (running || document.hidden) return;
  running = true;
  try {
    const answer = await fetch(location.href, { headers: { "X-Refresh": "1" } });
    if (answer.status === 401) return location.reload();
    if (!answer.ok) return;
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const before = summaries(document);
    for (const region of regions(document)) {
      const fresh = page.getElementById(region.id);
      if (fresh) replace(region, fresh);
    }
    const after = summaries(document);
    if (after !== before) announce.textContent = after;
  } catch {
    announce.textContent = "The bridge does not answer.";
  } finally {
    running = false;
  }
}

function choose(on) {
  clearInterval(timer);
  timer = on ? setInterval(refresh, EVERY) : 0;
  button.setAttribute("aria-pressed", String(on));
  localStorage.setItem(CHOSEN, on ? "on" : "off");
}

// A page that answers a form is not asked for again.
const live = regions(document).length > 0;
if (button && live) {
  button.hidden = false;
  button.addEventListener("click", () => choose(!timer));
  document.addEventListener("visibilitychange", () => timer && refresh());
  choose(localStorage.getItem(CHOSEN) === "on");
}
