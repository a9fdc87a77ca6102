// Lists: a box that selects the page, how many are selected, and no update under somebody's hands.
(() => {
  "use strict";
  const boxes = (table) => [...table.querySelectorAll(".pick input[type=checkbox]")];

  const show = () => {
    for (const all of document.querySelectorAll("[data-select-all]")) {
      const own = boxes(all.closest("table"));
      const count = own.filter((one) => one.checked).length;
      all.hidden = own.length === 0;
      all.checked = count > 0 && count === own.length;
      all.indeterminate = count > 0 && count < own.length;
    }
    const chosen = document.querySelectorAll(".pick input[type=checkbox]:checked").length;
    for (const place of document.querySelectorAll("[data-chosen-count]")) {
      place.textContent = chosen ? ` (${chosen})` : "";
    }
  };

  document.addEventListener("change", (event) => {
    const all = event.target.closest?.("[data-select-all]");
    if (all) {
      for (const one of boxes(all.closest("table"))) {
        one.checked = all.checked;
      }
    }
    show();
  });

  // A weight that somebody is typing outlives the next look at the routers.
  const isBusy = (part) =>
    [...part.querySelectorAll("input[type=number]")].some(
      (one) => one.value !== one.defaultValue || one === document.activeElement,
    );
  document.addEventListener("htmx:beforeRequest", (event) => {
    const { elt, requestConfig } = event.detail;
    if (requestConfig.verb === "get" && elt.id === "live" && isBusy(elt)) {
      event.preventDefault();
    }
  });

  let focused = "";
  document.addEventListener("htmx:beforeSwap", (event) => {
    const at = document.activeElement;
    focused = at && event.detail.target.contains(at) ? at.id : "";
  });
  document.addEventListener("htmx:afterSwap", () => {
    if (focused) {
      document.getElementById(focused)?.focus({ preventScroll: true });
    }
    show();
  });
  document.addEventListener("htmx:afterSettle", show);
  show();
})();
