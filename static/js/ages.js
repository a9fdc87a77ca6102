// Says of what a router was asked how long ago that was. Without this its time of day stands there alone.
(() => {
  "use strict";
  const since = new WeakMap();
  const words = (seconds) =>
    seconds < 60 ? `${seconds} s` : seconds < 3600 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
  const show = () => {
    for (const age of document.querySelectorAll("[data-age]")) {
      if (!since.has(age)) {
        since.set(age, performance.now());
      }
      const seconds = Math.floor((performance.now() - since.get(age)) / 1000);
      age.textContent = seconds < 5 ? "" : `, ${words(seconds)} ago`;
    }
  };
  show();
  window.setInterval(show, 5000);
  document.addEventListener("htmx:afterSwap", show);
})();
