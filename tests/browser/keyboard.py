"""Whether Tab alone leads to all that a page offers, and shows where it is."""

from __future__ import annotations

from playwright.sync_api import Page

# Tab stops of which a page has more than it offers: parts that scroll, the fields of a date.
FURTHER = 40
# What somebody could click, in `window.wanted`; `reached` gets what has had the focus, `unseen` what did not
# show it. Of a group of radio buttons Tab leads to one. What is folded away or switched off is not offered.
PREPARE = """() => {
  const start = document.getElementById("content") || document.body;
  const one = "a[href], button, input:not([type=hidden]), select, textarea, summary, [tabindex='0']";
  const radios = new Map();
  const isOffered = (element) => {
    if (element.disabled || element.tabIndex < 0 || !element.checkVisibility({ visibilityProperty: true })) {
      return false;
    }
    if (element.type !== "radio") {
      return true;
    }
    const key = `${element.form?.id} ${element.name}`;
    const chosen = element.form?.querySelector(`[name="${element.name}"]:checked`);
    const isFirst = !radios.has(key);
    radios.set(key, true);
    return chosen ? element === chosen : isFirst;
  };
  window.wanted = [...start.querySelectorAll(one)].filter(isOffered);
  window.reached = new Set();
  window.unseen = new Set();
  const isShown = (one) => {
    const style = getComputedStyle(one);
    const isOutlined = style.outlineStyle !== "none" && parseFloat(style.outlineWidth) > 0;
    return isOutlined || style.boxShadow !== "none";
  };
  document.addEventListener("focusin", ({ target }) => {
    window.reached.add(target);
    // What is drawn shows it by the stroke of its box.
    const box = target.querySelector("rect");
    if (!isShown(target) && !(box && parseFloat(getComputedStyle(box).strokeWidth) >= 3)) {
      window.unseen.add(target);
    }
  });
  start.focus({ preventScroll: true });
  window.unseen.clear();
  return window.wanted.length;
}"""
MISSED = "window.wanted.filter((one) => one.isConnected && !window.reached.has(one))"
FOUND = f"""() => [
  ...{MISSED}.map((one) => ["not reached", one]),
  ...[...window.unseen].map((one) => ["its focus is not seen", one]),
].slice(0, 5).map(([what, one]) => what + ": " + one.outerHTML.slice(0, 120))"""


def by_keyboard(page: Page) -> list[str]:
    """What in a page's content Tab does not lead to, or leads to unseen."""
    count = page.evaluate(PREPARE)
    for _ in range(count):
        page.keyboard.press("Tab")
    for _ in range(FURTHER):
        if not page.evaluate(f"{MISSED}.length"):
            break
        page.keyboard.press("Tab")
    found: list[str] = page.evaluate(FOUND)
    page.evaluate("document.activeElement.blur()")
    return found
