// Live parts ask again only while somebody can see them (what is asked once, at any time); what was unfolded or
// selected in them stays so.
(() => {
  "use strict";
  let open = [];
  let selected = [];
  const ids = (target, what) => [...target.querySelectorAll(what)].map((one) => one.id);
  document.addEventListener("htmx:beforeRequest", (event) => {
    const again = event.detail.requestConfig.verb === "get" && !("once" in event.detail.elt.dataset);
    if (document.hidden && again) {
      event.preventDefault();
    }
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    open = ids(event.detail.target, "details[open][id]");
    selected = ids(event.detail.target, "input[type=checkbox][id]:checked");
  });
  document.addEventListener("htmx:afterSwap", () => {
    for (const id of open) {
      document.getElementById(id)?.setAttribute("open", "");
    }
    for (const box of selected.map((id) => document.getElementById(id))) {
      if (box) {
        box.checked = true;
      }
    }
  });
})();
