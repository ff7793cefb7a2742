// Plots of a load, drawn by uPlot: rows of values over time, and histograms on a logarithmic axis.
(function () {
  "use strict";
  const { clock, figure, measured } = window.benchText;

  const HEIGHT = 180;
  const FONT = "12px system-ui, sans-serif";
  const DASHES = [[], [8, 4], [2, 3], [10, 3, 2, 3], [4, 4], [1, 4], [12, 6]];
  const COLOURS = 7;
  const SECONDS = [0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 28800, 86400, 604800];

  /** Return a colour of the style sheet, which differs on light, on dark, and on paper. */
  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  function lineColour(number) {
    return colour(`c${(number % COLOURS) + 1}`);
  }

  function axis(more) {
    const faint = { stroke: () => colour("line"), width: 1 };
    return Object.assign(
      { stroke: () => colour("quiet"), grid: faint, ticks: faint, font: FONT },
      more,
    );
  }

  function unitOf(label) {
    return { label, labelSize: 18, labelFont: FONT };
  }

  /** Return the largest value of all plots of a chart, so that they have one scale. */
  function largest(chart) {
    const values = chart.plots.flatMap((plot) => (plot ? plot.lines.flat() : []));
    return values.reduce((most, value) => Math.max(most, value || 0), 0) || 1;
  }

  /** Return for how many seconds the longest plot of a chart goes. */
  function longest(chart) {
    return Math.max(...chart.plots.map((plot) => (plot ? plot.lines[0].length * plot.step_s : 0)));
  }

  /** Whether the cursor is beside the plot. */
  function isNowhere(at) {
    return at === null || at === undefined;
  }

  function timeLine(label, number, unit, isDense) {
    return {
      label,
      stroke: () => lineColour(number),
      width: 2,
      dash: DASHES[number % DASHES.length],
      points: { show: !isDense, size: 5, fill: () => lineColour(number) },
      value: (_, value, __, at) => (isNowhere(at) ? "" : measured(value, unit)),
    };
  }

  /** Return the options and the data of one plot of a chart over time. */
  function timePlot(chart, plot, width) {
    const steps = plot.lines[0].length;
    const middles = plot.lines[0].map((_, step) => (step + 0.5) * plot.step_s);
    const top = largest(chart) * 1.05;
    const end = longest(chart);
    const isWhole = (from, to) => from === middles[0] && to === middles[steps - 1];
    const options = {
      width,
      height: HEIGHT,
      cursor: { sync: { key: "time" }, drag: { x: true, y: false }, points: { size: 8 }, y: false },
      scales: {
        x: { time: false, range: (_, from, to) => (from === null || isWhole(from, to) ? [0, end] : [from, to]) },
        y: { range: () => [0, top] },
      },
      axes: [
        axis({ values: (_, values) => values.map(clock), incrs: SECONDS, space: 70, size: 34 }),
        axis({ values: (_, values) => values.map(figure), size: 50, ...unitOf(chart.unit) }),
      ],
      series: [
        { label: "time", value: (_, at) => (isNowhere(at) ? "" : clock(at - plot.step_s / 2)) },
        ...chart.labels.map((label, number) => timeLine(label, number, chart.unit, steps > 120)),
      ],
    };
    return [options, [middles, ...plot.lines]];
  }

  /** Return where labels of a logarithmic axis stand, given and returned as logarithms: at 1, 2 and 5 times powers of
   *  ten, or at multiples of one step where fewer than three of those are there. */
  function logSplits(from, to) {
    const found = [];
    for (let power = Math.floor(from); power <= Math.ceil(to); power++) {
      found.push(...[1, 2, 5].map((times) => power + Math.log10(times)).filter((at) => at >= from && at <= to));
    }
    if (found.length >= 3) {
      return found;
    }
    return multiples(10 ** from, 10 ** to).map((value) => Math.log10(value));
  }

  /** Return about five multiples, between two values, of 1, 2 or 5 times a power of ten. */
  function multiples(from, to) {
    const least = (to - from) / 6;
    const power = 10 ** Math.floor(Math.log10(least));
    const step = [1, 2, 5, 10].map((times) => times * power).find((each) => each >= least);
    const first = Math.ceil(from / step);
    return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, number) => (first + number) * step);
  }

  /** Return the options and the data of a histogram: the shares of each result, in steps. */
  function histogramPlot(histogram, names, width) {
    const edges = histogram.edges_ms.map((edge) => Math.log10(edge));
    const shares = histogram.counts.map((counts) => shareOf(counts));
    const range = (at) => (isNowhere(at) || at >= edges.length - 1 ? ""
      : `${figure(histogram.edges_ms[at])} to ${figure(histogram.edges_ms[at + 1])} ms`);
    const options = {
      width,
      height: HEIGHT,
      cursor: { drag: { x: false, y: false }, points: { show: false }, y: false,
        dataIdx: (plot, _, near, value) => (near > 0 && value < edges[near] ? near - 1 : near) },
      scales: {
        x: { time: false, range: () => [edges[0], edges[edges.length - 1]] },
        y: { range: (_, __, to) => [0, (to || 1) * 1.05] },
      },
      axes: [
        axis({
          splits: (_, __, from, to) => logSplits(from, to),
          values: (_, values) => values.map((at) => figure(10 ** at)),
          space: 40, size: 30, ...unitOf("ms"),
        }),
        axis({ values: (_, values) => values.map((value) => `${figure(value)} %`), size: 56 }),
      ],
      series: [
        { label: "range", value: (plot, _, __, at) => range(at) },
        ...shares.map((_, number) => shareLine(names[number], number)),
      ],
    };
    return [options, [edges, ...shares]];
  }

  function shareOf(counts) {
    const all = counts.reduce((sum, count) => sum + count, 0);
    return [...counts.map((count) => (all ? (100 * count) / all : null)), all ? 0 : null];
  }

  function shareLine(name, number) {
    return {
      label: name,
      stroke: () => lineColour(number),
      fill: number ? undefined : () => `${lineColour(0)}33`,
      width: 2,
      dash: number ? [6, 4] : [],
      points: { show: false },
      paths: uPlot.paths.stepped({ align: 1 }),
      value: (_, value, __, at) => (isNowhere(at) ? "" : measured(value, "%")),
    };
  }

  window.benchPlots = { timePlot, histogramPlot, HEIGHT };
})();
