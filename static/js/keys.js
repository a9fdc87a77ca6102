// Keys for lists: / searches, j and k (and the arrows, in a list) move, Enter opens, x selects, ? helps. Whoever
// types by voice, or by accident, switches them off in the dialog; this browser keeps that.
(() => {
  "use strict";
  const NAME = "piranha-keys";
  const stored = () => {
    try {
      return window.localStorage.getItem(NAME) !== "off";
    } catch {
      return true; // a browser that keeps nothing has them
    }
  };
  let on = stored();
  const dialog = () => document.getElementById("keys-help");
  const rows = () => [...document.querySelectorAll("[data-keys] tr[data-row]")].filter((one) => one.offsetParent);
  const opener = (row) => row?.querySelector("[data-open]");
  const rowOf = (target) => target.closest?.("[data-keys] tr[data-row]");

  const types = (target) =>
    target.isContentEditable ||
    target.matches?.("textarea, select, input:not([type=checkbox]):not([type=radio]):not([type=button])");

  const go = (from, step) => {
    const all = rows();
    const next = from ? all[all.indexOf(from) + step] : all[step > 0 ? 0 : all.length - 1];
    opener(next)?.focus();
    return Boolean(next);
  };

  const help = () => {
    const shown = dialog();
    if (shown && !shown.open) {
      shown.querySelector("[data-keys-on]").checked = on;
      shown.showModal();
    }
  };

  const search = () => {
    const field = document.querySelector("[data-search]") || document.querySelector("[data-search-all]");
    field?.focus();
    field?.select();
    return Boolean(field);
  };

  const select = (row) => {
    const box = row?.querySelector(".pick input");
    box?.click();
    return Boolean(box);
  };

  // What a key does with the row that has the focus; true: it did something.
  const done = (key, row) => {
    if (key === "/") {
      return search();
    }
    if (key === "?") {
      help();
      return true;
    }
    if (key === "j" || (key === "ArrowDown" && row)) {
      return go(row, 1);
    }
    if (key === "k" || (key === "ArrowUp" && row)) {
      return go(row, -1);
    }
    if ((key === "Home" || key === "End") && row) {
      const all = rows();
      opener(all[key === "Home" ? 0 : all.length - 1])?.focus();
      return true;
    }
    return key === "x" && select(row);
  };

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.defaultPrevented) {
      return;
    }
    if (event.key === "Escape" && event.target.matches?.("[data-search], [data-search-all]")) {
      event.preventDefault(); // what was searched stays: browsers would empty the field
      event.target.blur();
      return;
    }
    if (!on || types(event.target) || document.querySelector("dialog[open]")) {
      return;
    }
    if (done(event.key, rowOf(event.target))) {
      event.preventDefault();
    }
  });

  document.addEventListener("change", (event) => {
    if (!event.target.matches?.("[data-keys-on]")) {
      return;
    }
    on = event.target.checked;
    try {
      window.localStorage.setItem(NAME, on ? "on" : "off");
    } catch {
      // kept for this page alone
    }
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest?.("[data-keys-help]")) {
      help();
    }
  });

  for (const one of document.querySelectorAll("[data-keys-help], [data-keys-hint]")) {
    one.hidden = false;
  }
})();
