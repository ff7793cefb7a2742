// The numbers of a chart as a table, made when its fold is opened: a page of all of them would be far larger.
(function () {
  "use strict";
  const { clock, figure, element } = window.benchText;

  function tableOf(caption, heads, rows) {
    const table = element("table", "", { class: "figures" });
    table.append(element("caption", caption), element("thead", ""), element("tbody", ""));
    const head = element("tr", "");
    head.append(...heads.map((text) => element("th", text, { scope: "col" })));
    table.tHead.append(head);
    table.tBodies[0].append(...rows.map(rowOf));
    return table;
  }

  function rowOf([first, ...others]) {
    const row = element("tr", "");
    row.append(element("th", first, { scope: "row" }), ...others.map((value) => element("td", cell(value))));
    return row;
  }

  function cell(value) {
    return value === null || value === undefined ? "–" : figure(value);
  }

  /** Return a table for each plot of a chart over time. */
  function timeTables(chart, names) {
    const heads = ["from", ...chart.labels.map((label) => `${label}, ${chart.unit}`)];
    return chart.plots.flatMap((plot, number) => {
      if (!plot) {
        return [];
      }
      const rows = plot.lines[0].map((_, step) => [clock(step * plot.step_s), ...plot.lines.map((line) => line[step])]);
      return [tableOf(`${chart.title}, ${names[number]}; “–” is not measured`, heads, rows)];
    });
  }

  /** Return the table of a histogram: how many values are in each range. */
  function histogramTables(histogram, names) {
    const heads = ["from", "to, ms", ...names];
    const rows = histogram.counts[0].map((_, at) => [
      `${figure(histogram.edges_ms[at])} ms`,
      histogram.edges_ms[at + 1],
      ...histogram.counts.map((counts) => counts[at]),
    ]);
    return [tableOf(`${histogram.title}: how many values are in each range`, heads, rows)];
  }

  /** Fill a fold once: with the click or the key that opens it, so that nobody sees it open and empty; and where it
   * was opened in another way, or before this script ran. */
  function fillWhenOpened(fold, makeTables) {
    const place = fold.querySelector(".scroll");
    const fill = () => {
      if (!place.childElementCount) {
        place.append(...makeTables());
      }
    };
    fold.querySelector("summary").addEventListener("click", fill);
    fold.addEventListener("toggle", fill);
    if (fold.open) {
      fill();
    }
  }

  window.benchTables = { timeTables, histogramTables, fillWhenOpened };
})();
