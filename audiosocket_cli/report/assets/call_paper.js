"use strict";

/* Printing: the whole call in colours for paper, with all that is folded open. */
const callPaper = (() => {
  let before = null;

  function begin(view) {
    if (before) return;
    const folded = [...document.querySelectorAll("details:not([open]):not(#keys)")];
    before = { start: view.axis.start, end: view.axis.end, folded };
    for (const each of folded) each.open = true;
    document.documentElement.classList.add("paper");
    view.palette.read();
    view.axis.whole();
    view.recolour();
    view.scene.drawNow();
  }

  function end(view) {
    if (!before) return;
    const { start, end: last, folded } = before;
    before = null;
    for (const each of folded) each.open = false;
    document.documentElement.classList.remove("paper");
    view.axis.show(start, last);
    view.recolour();
  }

  return Object.freeze({ begin, end });
})();
