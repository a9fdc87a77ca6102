// Live parts ask again only while somebody can see them and nobody writes or selects in them (what is asked once,
// at any time); what was unfolded, selected or had the focus in them stays so. Where no answer comes, the page says
// since when, in the words that the browser has: what it shows is old by then.
(() => {
  "use strict";
  const PATIENCE = 10000; // ms that a live part waits for the manager
  let open = [];
  let selected = [];
  let focused = null;
  let heardAt = new Date();
  const ids = (target, what) => [...target.querySelectorAll(what)].map((one) => one.id);
  const isAgain = (event) => event.detail.requestConfig.verb === "get" && !("once" in event.detail.elt.dataset);
  const polls = (element) => (element.getAttribute("hx-trigger") || "").includes("every");

  // Whether an exchange would take something out of somebody's hands.
  const isInUse = (target) => {
    const active = document.activeElement;
    if (active && target.contains(active) && active.matches("input:not([type=checkbox]), select, textarea")) {
      return true;
    }
    const picked = window.getSelection();
    return Boolean(picked && !picked.isCollapsed && picked.anchorNode && target.contains(picked.anchorNode));
  };

  document.addEventListener("htmx:configRequest", (event) => {
    if (polls(event.detail.elt)) {
      event.detail.timeout = PATIENCE;
    }
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    if (isAgain(event) && (document.hidden || (polls(event.detail.elt) && isInUse(event.detail.target)))) {
      event.preventDefault();
    }
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    const target = event.detail.target;
    open = ids(target, "details[open][id]");
    selected = ids(target, "input[type=checkbox][id]:checked");
    const active = document.activeElement;
    // Of what has no id of its own, its address among those of the part.
    focused =
      active && active !== target && target.contains(active)
        ? { id: active.id, href: active.getAttribute("href"), text: active.textContent }
        : null;
  });
  document.addEventListener("htmx:afterSwap", (event) => {
    for (const id of open) {
      document.getElementById(id)?.setAttribute("open", "");
    }
    for (const box of selected.map((id) => document.getElementById(id))) {
      if (box) {
        box.checked = true;
      }
    }
    if (focused) {
      const { id, href, text } = focused;
      const again = id
        ? document.getElementById(id)
        : [...event.detail.target.querySelectorAll("a[href], button, summary")].find(
            (one) => one.getAttribute("href") === href && one.textContent === text,
          );
      again?.focus({ preventScroll: true });
    }
  });

  // A revision that somebody applied meanwhile: the bar with its two buttons comes once, and counts by itself.
  const showBar = () => {
    const line = document.querySelector("#status-line[data-bar]");
    const bar = document.getElementById("confirm-bar");
    if (line && bar && bar.dataset.of !== line.dataset.unconfirmed) {
      bar.dataset.of = line.dataset.unconfirmed;
      htmx.ajax("GET", line.dataset.bar, { target: bar, swap: "outerHTML" });
    }
  };
  document.addEventListener("htmx:afterSettle", showBar);

  // ---- no news
  const banner = () => {
    let found = document.getElementById("no-news");
    if (!found) {
      found = document.createElement("div");
      found.id = "no-news";
      found.className = "no-news alert alert-danger";
      found.setAttribute("role", "alert");
      document.getElementById("content")?.prepend(found);
    }
    return found;
  };
  const age = (seconds) => (seconds < 120 ? `${seconds} s` : seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`);
  const count = () => Math.max(0, Math.floor((Date.now() - heardAt.getTime()) / 1000));
  const lives = () => document.querySelectorAll("[data-live]");
  let isLost = false;

  const lose = (why) => {
    isLost = true;
    const box = banner();
    if (box.dataset.why !== why) {
      box.dataset.why = why;
      // Said once to a screen reader; what counts up beside it is not.
      box.innerHTML = '<span aria-hidden="true">✖</span> <span></span> <span aria-hidden="true" data-lost></span>';
      box.children[1].textContent = `No news from the manager since ${heardAt.toLocaleTimeString()}: ${why} What stands here is of then; the routers go on without it.`;
    }
    for (const one of lives()) {
      one.classList.add("stale", "old-news");
    }
    tick();
  };
  const hear = () => {
    heardAt = new Date();
    isLost = false;
    document.getElementById("no-news")?.remove();
    for (const one of lives()) {
      one.classList.remove("stale", "old-news");
    }
  };
  const tick = () => {
    const seconds = count();
    for (const one of document.querySelectorAll("[data-heard]")) {
      one.textContent = `, ${age(seconds)} ago`;
    }
    const lost = document.querySelector("[data-lost]");
    if (lost) {
      lost.textContent = `(${age(seconds)})`;
    }
  };
  const failed = (why) => (event) => {
    if (polls(event.detail.elt)) {
      lose(why);
    }
  };
  document.addEventListener("htmx:sendError", failed("it cannot be reached from this browser."));
  document.addEventListener("htmx:timeout", failed("it does not answer."));
  document.addEventListener("htmx:responseError", (event) => {
    if (polls(event.detail.elt) && event.detail.xhr.status >= 500) {
      lose(`it answers with the error ${event.detail.xhr.status}.`);
    }
  });
  document.addEventListener("htmx:afterOnLoad", (event) => {
    if (polls(event.detail.elt) && event.detail.xhr.status < 400) {
      hear();
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      // At once: whoever comes back looks at once.
      for (const one of lives()) {
        window.htmx?.trigger(one, "live");
      }
    }
  });
  window.setInterval(() => {
    if (!document.hidden) {
      tick();
      // Old news while nothing failed: somebody writes or selects, or the machine slept.
      const [first] = lives();
      if (first && !isLost) {
        first.classList.toggle("stale", count() > 2 * Number(first.dataset.live) + PATIENCE / 1000);
      }
    }
  }, 1000);
})();
