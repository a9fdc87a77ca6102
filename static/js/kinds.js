// Of a check's fields, those of the chosen kind alone. Without this they are all there, the others folded.
(() => {
  "use strict";
  for (const form of document.querySelectorAll("form")) {
    const groups = [...form.querySelectorAll("[data-kinds]")];
    if (groups.length === 0) {
      continue;
    }
    const show = () => {
      const chosen = form.querySelector("input[name=kind]:checked");
      for (const group of groups) {
        const mine = Boolean(chosen) && group.dataset.kinds.split(" ").includes(chosen.value);
        // What is in error stays in sight: nobody could mend it otherwise.
        group.hidden = !mine && !group.querySelector(".is-invalid");
        group.open = !group.hidden;
      }
    };
    form.addEventListener("change", show);
    show();
  }
})();
