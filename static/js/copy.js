// Buttons that copy the text before them. Without this they are not there, and the text can be selected.
(() => {
  "use strict";
  const select = (text) => {
    const range = document.createRange();
    range.selectNodeContents(text);
    const selection = window.getSelection();
    selection.removeAllRanges();
    selection.addRange(range);
  };
  const copy = async (text) => {
    try {
      await navigator.clipboard.writeText(text.textContent);
      return "Copied";
    } catch {
      select(text); // a browser gives no clipboard to pages that came by plain HTTP
      return "Selected: press Ctrl-C";
    }
  };
  for (const button of document.querySelectorAll("button[data-copy]")) {
    const label = button.textContent;
    button.hidden = false;
    button.addEventListener("click", async () => {
      button.textContent = await copy(button.previousElementSibling);
      window.setTimeout(() => {
        button.textContent = label;
      }, 3000);
    });
  }
})();
