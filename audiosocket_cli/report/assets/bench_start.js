// The page of a load: its plots are made, follow the window, the colours and paper, and move by mouse and by keys.
(function () {
  "use strict";
  const { timePlot, histogramPlot, HEIGHT } = window.benchPlots;
  const { timeTables, histogramTables, fillWhenOpened } = window.benchTables;
  const given = JSON.parse(document.getElementById("bench-data").textContent);
  const plots = [];

  /** Draw into a place, and keep to its width. */
  function draw(place, make) {
    const [options, data] = make(place.clientWidth);
    const plot = new uPlot(options, data, place);
    plots.push({ plot, place });
    place.addEventListener("keydown", (event) => onKey(plot, event));
    new ResizeObserver(() => fit(plot, place)).observe(place);
  }

  function fit(plot, place) {
    const width = place.clientWidth;
    if (width && width !== plot.width) {
      plot.setSize({ width, height: HEIGHT });
    }
  }

  /** Draw all again, where colours changed. */
  function redraw() {
    for (const { plot, place } of plots) {
      fit(plot, place);
      plot.redraw(false, true);
    }
  }

  const MOVES = {
    ArrowRight: (at) => at + 1,
    ArrowLeft: (at) => at - 1,
    PageDown: (at) => at + 10,
    PageUp: (at) => at - 10,
    Home: () => 0,
    End: () => Infinity,
  };

  /** Move the cursor of a plot, or take the zoom back. */
  function onKey(plot, event) {
    if (event.key === "Escape") {
      plot.setData(plot.data);
      return;
    }
    const move = MOVES[event.key];
    if (!move || event.altKey || event.ctrlKey || event.metaKey) {
      return;
    }
    event.preventDefault();
    const last = plot.data[0].length - 1;
    const before = plot.cursor.idx === null || plot.cursor.idx === undefined ? -1 : plot.cursor.idx;
    const at = Math.max(0, Math.min(last, move(before)));
    // A pixel more: the cursor is then within the step, whatever is rounded.
    plot.setCursor({ left: plot.valToPos(plot.data[0][at], "x") + 0.01, top: HEIGHT / 3 }, true, true);
    say(plot, at);
  }

  function say(plot, at) {
    const said = plot.root.closest(".plot").querySelector(".said");
    const parts = plot.series.map((line, number) => {
      const text = line.value(plot, plot.data[number][at], number, at);
      return `${line.label} ${text === "–" ? "not measured" : text}`;
    });
    said.textContent = parts.join(", ");
  }

  for (const figure of document.querySelectorAll("[data-chart]")) {
    const chart = given.charts.find((each) => each.name === figure.dataset.chart);
    for (const place of figure.querySelectorAll("[data-plot]")) {
      draw(place, (width) => timePlot(chart, chart.plots[Number(place.dataset.plot)], width));
    }
    fillWhenOpened(figure.querySelector("details"), () => timeTables(chart, given.names));
  }
  for (const figure of document.querySelectorAll("[data-histogram]")) {
    const histogram = given.histograms.find((each) => each.name === figure.dataset.histogram);
    draw(figure.querySelector("[data-plot]"), (width) => histogramPlot(histogram, given.names, width));
    fillWhenOpened(figure.querySelector("details"), () => histogramTables(histogram, given.names));
  }
  for (const query of ["(prefers-color-scheme: dark)", "print"]) {
    window.matchMedia(query).addEventListener("change", redraw);
  }
  window.benchPage = { plots };
  performance.mark("bench-drawn");
})();
