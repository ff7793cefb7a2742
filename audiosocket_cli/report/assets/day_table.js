"use strict";

/* The table: a hundred calls at a time, in the order and with the filters that are chosen. */
class DayTable {
  constructor(place, state) {
    this.state = state;
    this.heads = Say.html("tr", { role: "row" });
    this.body = Say.html("tbody", { role: "rowgroup" });
    this.opened = null;
    const caption = Say.html("caption", { class: "unseen" }, "Calls");
    place.append(Say.html("table", { role: "table", class: "day" }, caption,
      Say.html("thead", { role: "rowgroup" }, this.heads), this.body));
    this.makeHeads();
    this.body.addEventListener("click", (event) => this.onClick(event));
    this.body.addEventListener("keydown", (event) => this.onKey(event));
  }

  makeHeads() {
    this.heads.append(Say.html("th", { scope: "col", role: "columnheader", class: "thumb" }, "Sound"));
    for (const column of Columns.ALL) {
      const button = Say.html("button", { type: "button", "data-sort": column.name }, column.head,
        Say.html("span", { class: "arrow", "aria-hidden": "true" }));
      button.addEventListener("click", () => this.sortBy(column));
      this.heads.append(Say.html("th", { scope: "col", role: "columnheader", class: `col-${column.name}` }, button));
    }
  }

  /* Figures begin with the largest; a second click turns the order round. */
  sortBy({ name, isFigure = false }) {
    const isDown = this.state.sort === name ? !this.state.isDown : isFigure;
    this.state.change({ sort: name, isDown });
  }

  show(calls) {
    for (const head of this.heads.children) {
      const button = head.querySelector("button");
      const isSorted = button !== null && button.dataset.sort === this.state.sort;
      if (isSorted) head.setAttribute("aria-sort", this.state.isDown ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
    const focused = this.body.contains(document.activeElement) ? document.activeElement.dataset.call : null;
    this.body.replaceChildren(...calls.map((call) => this.rowOf(call)));
    this.opened = null;
    this.openOnly(this.state.open);
    const again = focused && this.body.querySelector(`button[data-call="${CSS.escape(focused)}"]`);
    if (again) again.focus();
  }

  rowOf(call) {
    const thumb = call.wave ? Wave.small(call) : Say.measured(null, "no recording");
    const cells = Columns.ALL.map((column) => (column.cell === null ? this.nameOf(call) : this.cellOf(column, call)));
    return Say.html("tr", { role: "row", "data-call": call.key, class: call.isFault ? "row fault" : "row" },
      Say.html("td", { role: "cell", class: "thumb" }, thumb), ...cells);
  }

  cellOf({ name, head, cell }, call) {
    const content = cell(call, this.state);
    const isEmpty = content.nodeType === Node.ELEMENT_NODE && content.matches(".none, .unmeasured");
    return Say.html("td", { role: "cell", class: `col-${name}${isEmpty ? " empty" : ""}`, "data-head": head }, content);
  }

  nameOf(call) {
    const short = call.uuid ? call.uuid.slice(0, 8) : call.name;
    const button = Say.html("button", { type: "button", "data-call": call.key, "aria-expanded": "false",
      title: call.id }, short);
    return Say.html("th", { scope: "row", role: "rowheader", class: "col-who" }, button,
      Say.html("span", { class: "quiet peer" }, call.peer));
  }

  onClick(event) {
    const row = event.target.closest("tr.row");
    if (row === null || event.target.closest("a") || String(getSelection()) !== "") return;
    this.toggle(row.dataset.call);
  }

  toggle(key) {
    this.state.change({ open: this.state.open === key ? "" : key });
  }

  /* Up and down go from call to call, Escape closes the one that is open. */
  onKey(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape" && this.state.open) {
      const button = this.buttonOf(this.state.open);
      this.state.change({ open: "" });
      if (button) button.focus();
    } else if (step && event.target.matches("th.col-who button")) {
      const buttons = [...this.body.querySelectorAll("th.col-who button")];
      const next = buttons[buttons.indexOf(event.target) + step];
      if (next) next.focus();
      event.preventDefault();
    }
  }

  buttonOf(key) {
    return this.body.querySelector(`th.col-who button[data-call="${CSS.escape(key)}"]`);
  }

  showOpened() {
    const button = this.state.open && this.buttonOf(this.state.open);
    if (button) button.closest("tr").scrollIntoView();
  }

  openOnly(key) {
    if (this.opened) {
      this.opened.panel.remove();
      this.opened.button.setAttribute("aria-expanded", "false");
      this.opened.button.closest("tr").classList.remove("open");
      this.opened = null;
    }
    const button = key ? this.buttonOf(key) : null;
    if (!button) return;
    const row = button.closest("tr");
    const cell = Say.html("td", { role: "cell", colspan: Columns.ALL.length + 1 },
      Panel.of(Calls.byKey.get(key), this.state));
    const panel = Say.html("tr", { role: "row", class: "panel" }, cell);
    row.after(panel);
    row.classList.add("open");
    button.setAttribute("aria-expanded", "true");
    this.opened = { key, panel, button };
  }
}
