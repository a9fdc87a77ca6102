// Has the server judge a form when one of its fields is left, by the rules that hold when it is saved; nothing
// is saved by that. What is wrong is said at those fields alone that somebody has been in.
(() => {
  "use strict";
  const element = (name, className, text) => {
    const made = document.createElement(name);
    made.className = className;
    made.textContent = text;
    return made;
  };
  const say = (form, name, errors) => {
    const holder = document.getElementById(`div_id_${name}`);
    if (!holder) {
      return;
    }
    const id = `id_${name}_error`;
    document.getElementById(id)?.remove();
    if (errors.length > 0) {
      const told = element("div", "invalid-feedback d-block", "");
      told.id = id;
      told.append(...errors.map((error) => element("strong", "d-block", error)));
      holder.append(told);
    }
    for (const field of form.querySelectorAll(`[name="${CSS.escape(name)}"]`)) {
      field.classList.toggle("is-invalid", errors.length > 0);
      const others = (field.getAttribute("aria-describedby") || "").split(" ").filter((one) => one && one !== id);
      const described = errors.length > 0 ? [...others, id] : others;
      if (described.length > 0) {
        field.setAttribute("aria-describedby", described.join(" "));
      } else {
        field.removeAttribute("aria-describedby");
      }
      if (errors.length > 0) {
        field.setAttribute("aria-invalid", "true");
      } else {
        field.removeAttribute("aria-invalid");
      }
    }
  };
  const watch = (form, place) => {
    const touched = new Set();
    let asked = 0;
    const judge = async () => {
      asked += 1;
      const mine = asked;
      const body = new FormData(form);
      body.set("judge", "on");
      let said;
      try {
        const answer = await fetch(form.getAttribute("action") || window.location.href, { method: "POST", body, redirect: "error" });
        said = await answer.json();
      } catch {
        return; // no server, or no session any more: saving says so, and judges again
      }
      if (mine !== asked) {
        return;
      }
      for (const name of touched) {
        say(form, name, said.errors[name] || []);
      }
      const told = [...said.whole.map((one) => ["danger", `✖ ${one}`]), ...said.warnings.map((one) => ["warning", `! ${one}`])];
      place.replaceChildren(...told.map(([colour, text]) => element("p", `alert alert-${colour} py-2`, text)));
    };
    form.addEventListener("change", (event) => {
      if (event.target.name) {
        touched.add(event.target.name);
        judge();
      }
    });
  };
  for (const place of document.querySelectorAll("[data-judged]")) {
    watch(place.closest("form"), place);
  }
})();
