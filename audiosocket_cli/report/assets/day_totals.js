"use strict";

/* The figures above the table, of the calls that are shown. */
const Totals = (() => {
  const { html } = Say;

  const sum = (calls, valueOf) => calls.reduce((total, call) => total + (valueOf(call) || 0), 0);

  /* The value that this share of sorted values does not exceed (nearest rank). */
  const percentile = (sorted, share) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];

  function answers(calls) {
    const parts = calls.map((call) => call.answers);
    const all = new Float64Array(parts.reduce((total, part) => total + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all.sort();
  }

  const card = (name, figure, more) => html("div", { class: "card" }, html("div", { class: "quiet" }, name),
    html("div", { class: "figure" }, figure), html("div", { class: "quiet" }, more));

  const unknown = () => html("span", { class: "quiet" }, "not measured");

  function answerCards(calls) {
    const sorted = answers(calls);
    if (!sorted.length) {
      return [card("Answer after", unknown(), "no answer to a caller")];
    }
    const text = Say.latency(percentile(sorted, 0.5));
    const late = Say.latency(percentile(sorted, 0.95));
    return [card("Answer after", text, `median of ${Say.count(sorted.length, "answer")}`),
      card("95 % within", late, `slowest ${Say.latency(sorted[sorted.length - 1])}`)];
  }

  function show(place, calls, all) {
    const shown = calls.length === all.length ? "all calls" : `of ${Say.figure.format(all.length)}`;
    const odd = calls.filter((call) => call.finding_ids.length || call.isFault).length;
    const measured = calls.filter((call) => call.talkedOver !== null);
    const over = sum(measured, (call) => call.talkedOver);
    const gaps = calls.filter((call) => call.gap_count > 0).length;
    const share = calls.length ? Math.round(odd / calls.length * 100) : 0;
    place.replaceChildren(
      card("Calls", Say.figure.format(calls.length), shown),
      card("Time", Say.hours(sum(calls, (call) => call.duration_s)), calls.length
        ? `${Say.length(sum(calls, (call) => call.duration_s) / calls.length)} a call` : ""),
      ...answerCards(calls),
      card("Interruptions", measured.length ? Say.figure.format(over) : unknown(), measured.length
        ? `in ${Say.count(measured.filter((call) => call.talkedOver > 0).length, "call")}` : ""),
      card("Findings or failure", Say.figure.format(odd),
        `${share} % of the calls; ${Say.count(gaps, "call")} with gaps`));
  }

  return { show, percentile };
})();
