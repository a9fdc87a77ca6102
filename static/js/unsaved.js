// Warns before a page with changed fields is left without saving. Forms ask for it with data-unsaved.
(() => {
  "use strict";
  let leaving = false;
  const forms = [...document.querySelectorAll("form[data-unsaved]")];
  const content = (form) =>
    JSON.stringify([...new FormData(form)].map(([name, value]) => [name, value instanceof File ? value.name : value]));
  const before = new Map(forms.map((form) => [form, content(form)]));
  // A form that comes back with errors holds what was typed and not saved.
  const changed = (form) => form.dataset.unsaved === "changed" || content(form) !== before.get(form);
  for (const form of forms) {
    const sign = form.querySelector("[data-unsaved-sign]");
    const show = () => {
      if (sign) {
        sign.hidden = !changed(form);
      }
    };
    form.addEventListener("input", show);
    show();
  }
  document.addEventListener("submit", () => {
    leaving = true;
  });
  window.addEventListener("beforeunload", (event) => {
    if (!leaving && forms.some(changed)) {
      event.preventDefault();
    }
  });
})();
