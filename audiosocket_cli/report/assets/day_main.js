"use strict";

/* Puts the page together, and shows it anew when something is chosen. */
(() => {
  const PAGE = 100;
  const MAX_PRINTED = 2000;
  const place = (name) => document.getElementById(name);
  const { html } = Say;

  const state = new DayState(Columns.names, show);
  const table = new DayTable(place("table"), state);
  const heat = new DayHeat(place("heat"), state);
  let shownFor = null;

  const chosen = () => Filter.sorted(Filter.chosen(Calls.all, state), Columns.keyOf(state.sort), state.isDown);

  /* Without the chosen hour, so that another hour can be chosen. */
  const anyHour = () => {
    const others = Object.assign(Object.create(DayState.prototype), state, { hour: null, weekday: null });
    return Filter.chosen(Calls.all, others);
  };

  /* What decides which rows are shown. */
  const rowsKey = () => state.fragment().replace(/(^|&)call=[^&]*/, "");

  function chip(name, value, text, count) {
    const isChosen = state[name].has(value);
    const button = html("button", { type: "button", class: "choice", "aria-pressed": String(isChosen),
      id: `choice-${name}-${value}` }, text, " ", html("span", { class: "quiet" }, Say.figure.format(count)));
    button.addEventListener("click", () => state.toggle(name, value));
    return button;
  }

  function showChips() {
    const focused = document.activeElement.id;
    const kinds = Filter.KINDS.map(([name, text, test]) => [name, text, Calls.all.filter(test).length])
      .filter(([name, , count]) => count || state.only.has(name));
    place("kinds").replaceChildren(...kinds.map(([name, text, count]) => chip("only", name, text, count)));
    const counts = new Map([...state.findings].map((id) => [id, 0]));
    for (const call of Calls.all) for (const id of call.finding_ids) counts.set(id, (counts.get(id) || 0) + 1);
    const found = [...counts].sort(([one, few], [other, many]) => many - few || (one < other ? -1 : 1));
    place("findings").replaceChildren(...found.map(([id, count]) => chip("findings", id, id, count)));
    place("findings-line").hidden = !found.length;
    if (focused.startsWith("choice-") && place(focused)) place(focused).focus();
  }

  function showPages(count) {
    const pages = Math.max(1, Math.ceil(count / PAGE));
    const first = (state.page - 1) * PAGE;
    const step = (text, page) => {
      const button = html("button", { type: "button", class: "choice", disabled: page < 1 || page > pages }, text);
      button.addEventListener("click", () => {
        state.change({ page });
        place("table").scrollIntoView();
      });
      return button;
    };
    const told = html("span", { class: "quiet" }, `${first + 1} to ${Math.min(count, first + PAGE)} of ${
      Say.count(count, "call")}`);
    const steps = [step("Previous", state.page - 1), told, step("Next", state.page + 1)];
    place("pages").replaceChildren(...(pages > 1 ? steps : []));
  }

  function showControls(count) {
    if (place("find") !== document.activeElement) place("find").value = state.find;
    place("sort").value = state.sort;
    place("turn").hidden = state.sort === "worst";
    place("turn").textContent = state.isDown ? "largest first" : "smallest first";
    place("zone").checked = state.isLocal;
    place("clear").hidden = !state.isFiltered;
    const all = state.isFiltered ? ` of ${Say.figure.format(Calls.all.length)}` : "";
    place("count").textContent = Say.count(count, "call") + all;
    place("none").hidden = count > 0;
  }

  /* `isGivenByAddress`: a link to a call leads to the rows that it is among. */
  function show(isGivenByAddress) {
    if (rowsKey() === shownFor && !isGivenByAddress) {
      table.openOnly(state.open);
      return;
    }
    const calls = chosen();
    if (isGivenByAddress) goToOpen(calls);
    state.page = Math.min(state.page, Math.max(1, Math.ceil(calls.length / PAGE)));
    shownFor = rowsKey();
    Totals.show(place("totals"), calls, Calls.all);
    heat.show(anyHour());
    showChips();
    showControls(calls.length);
    showPages(calls.length);
    table.show(calls.slice((state.page - 1) * PAGE, state.page * PAGE));
    if (isGivenByAddress) table.showOpened();
  }

  function goToOpen(calls) {
    const at = calls.findIndex((call) => call.key === state.open);
    if (at >= 0) state.page = Math.floor(at / PAGE) + 1;
  }

  function watchControls() {
    place("find").addEventListener("input", (event) => state.change({ find: event.target.value }));
    place("sort").addEventListener("change", (event) => {
      const column = Columns.ALL.find((each) => each.name === event.target.value);
      state.change({ sort: event.target.value, isDown: Boolean(column && column.isFigure) });
    });
    place("turn").addEventListener("click", () => state.change({ isDown: !state.isDown }));
    place("zone").addEventListener("change", (event) => state.change({ isLocal: event.target.checked }));
    place("clear").addEventListener("click", () => {
      state.clear();
      place("find").value = "";
      place("find").focus();
    });
    document.addEventListener("keydown", (event) => {
      if (event.key !== "/" || event.ctrlKey || event.metaKey || event.target.matches("input, select")) return;
      event.preventDefault();
      place("find").focus();
    });
  }

  /* On paper all calls that are chosen, up to a number that a printer can take. */
  function watchPrinting() {
    window.addEventListener("beforeprint", () => {
      const calls = chosen();
      table.show(calls.slice(0, MAX_PRINTED));
      place("unprinted").textContent = calls.length > MAX_PRINTED
        ? `${Say.count(calls.length - MAX_PRINTED, "more call")} not printed` : "";
    });
    window.addEventListener("afterprint", () => {
      shownFor = null;
      show(false);
    });
  }

  for (const [name, text] of [["worst", "worst first"], ...Columns.ALL.map((each) => [each.name, each.head])]) {
    place("sort").append(html("option", { value: name }, text));
  }
  watchControls();
  watchPrinting();
  show(true);
})();
