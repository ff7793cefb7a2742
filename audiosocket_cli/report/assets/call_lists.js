"use strict";

/* The lists and tables below the picture: a click on a turn or a mark goes there, and shows which is chosen. */
class CallLists {
  constructor(view) {
    this.view = view;
    document.addEventListener("click", (event) => this.onClick(event));
  }

  onClick(event) {
    const button = CallLists.buttonOf(event.target);
    if (!button) return;
    if (event.detail) button.blur(); // of a mouse: so that the space bar plays
    if (button.dataset.turn) this.view.chooseTurn(Number(button.dataset.turn));
    else if (button.dataset.mark) this.view.chooseMark(Number(button.dataset.mark));
    else this.view.goTo(Number(button.dataset.at));
    this.view.bringIntoSight();
  }

  /* The button that was chosen: a whole row is as good as the button in it, except to select its text. */
  static buttonOf(target) {
    const named = "[data-turn], [data-mark], [data-at]";
    const row = getSelection().isCollapsed ? target.closest("tr") : null;
    return target.closest(named) || (row && row.querySelector(named));
  }

  /* Mark the row of what is chosen, in either table. */
  show(turn, mark) {
    for (const row of document.querySelectorAll("tr.chosen")) {
      row.classList.remove("chosen");
      row.querySelector("button").removeAttribute("aria-current");
    }
    this.showRow("turn", turn);
    this.showRow("mark", mark);
  }

  showRow(kind, number) {
    const button = number !== null && document.querySelector(`[data-${kind}="${number}"]`);
    if (!button) return;
    button.setAttribute("aria-current", "true");
    button.closest("tr").classList.add("chosen");
  }
}
