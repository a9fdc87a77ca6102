// Light or dark: the system's choice, until the switch in the user menu says otherwise.
(() => {
  "use strict";
  const root = document.documentElement;
  const system = window.matchMedia("(prefers-color-scheme: dark)");
  const stored = () => {
    try {
      return window.localStorage.getItem("piranha-theme");
    } catch {
      return null; // a browser that keeps nothing follows the system
    }
  };
  const show = () => {
    root.dataset.bsTheme = stored() || (system.matches ? "dark" : "light");
  };
  show();
  system.addEventListener("change", show);
  document.addEventListener("DOMContentLoaded", () => {
    for (const button of document.querySelectorAll("[data-theme-switch]")) {
      button.hidden = false;
      button.addEventListener("click", () => {
        const theme = root.dataset.bsTheme === "dark" ? "light" : "dark";
        try {
          window.localStorage.setItem("piranha-theme", theme);
        } catch {
          // kept for this page alone
        }
        root.dataset.bsTheme = theme;
      });
    }
  });
})();
