"use strict";

/* The columns of the table: how each is sorted, and what its cells hold. */
const Columns = (() => {
  const { html, measured } = Say;
  const MAX_CHIPS = 2;
  const SIDES = { caller: "\u2191", server: "\u2193" };

  const quiet = (text) => html("span", { class: "quiet" }, text);
  const none = (text) => html("span", { class: "none" }, text);

  function when(call, state) {
    const moment = Say.moment(call.at, state.isLocal);
    if (moment === null) return measured(null, "start not known");
    const date = Calls.manyDays ? html("span", { class: "quiet date" }, moment.shortDate) : null;
    return html("span", {}, moment.time, " ", date);
  }

  function levels(call) {
    const one = (side, value) => html("span", { class: `level ${side}` },
      html("span", { class: "unseen" }, `${side} `), measured(Say.level(value)));
    return html("span", { class: "levels" }, one("caller", call.caller_dbfs), one("server", call.server_dbfs));
  }

  function gaps(call) {
    if (call.gap_count === null) return measured(null);
    if (call.gap_count === 0) return none("none");
    return html("span", { title: `${Say.count(call.gap_count, "gap")}` }, Say.seconds(call.gaps_s), " ",
      quiet(`\u00d7${Say.figure.format(call.gap_count)}`));
  }

  function digits(call) {
    if (!call.digits) return none("none");
    const shown = call.digits.length > 14 ? `${call.digits.slice(0, 13)}\u2026` : call.digits;
    return html("code", { title: call.digits }, shown);
  }

  function findings(call) {
    const ids = call.finding_ids;
    if (!ids.length) return none("none");
    const chips = ids.slice(0, MAX_CHIPS).map((id) => html("span", { class: "chip unknown", title: id }, id));
    const more = ids.length > MAX_CHIPS ? quiet(`${ids.length - MAX_CHIPS} more`) : null;
    return html("span", { class: "chips" }, ...chips, more);
  }

  function ended(call) {
    if (!call.ended_by && !call.ended_how) return measured(null, "not known");
    const text = `${call.ended_by} ${call.ended_how}`;
    const how = call.isFault ? html("span", { class: "chip fail", title: call.error || call.ended_reason }, text)
      : html("span", { title: call.ended_reason }, call.ended_by, " ", quiet(call.ended_how));
    return html("span", {}, how, call.result ? html("span", { class: "quiet result" }, call.result) : null);
  }

  function latency(call) {
    if (call.latency_ms === null) return measured(null);
    return html("span", { title: `slowest ${Say.latency(call.slowest_ms)}` }, Say.latency(call.latency_ms), " ",
      quiet(`\u2264${Say.latency(call.slowest_ms)}`));
  }

  function interruptions(call) {
    if (call.talkedOver === null) return measured(null);
    if (call.talkedOver === 0) return none("none");
    const told = ["caller", "server"].map((side) => `${call[`by_${side}`]} by the ${side}`).join(", ");
    const parts = Object.entries(SIDES).map(([side, sign]) => `${call[`by_${side}`]}${sign}`);
    return html("span", { title: told }, html("span", { "aria-hidden": "true" }, parts.join(" ")),
      html("span", { class: "unseen" }, told));
  }

  const ALL = [
    { name: "when", head: "When", key: (call) => call.at, cell: when },
    { name: "who", head: "Call", key: (call) => call.who.toLowerCase(), cell: null },
    { name: "length", head: "Length", key: (call) => call.duration_s, isFigure: true,
      cell: (call) => measured(Say.length(call.duration_s)) },
    { name: "level", head: "Levels, dBFS", key: (call) => call.caller_dbfs, isFigure: true, cell: levels },
    { name: "gaps", head: "Gaps", key: (call) => call.gaps_s, isFigure: true, cell: gaps },
    { name: "digits", head: "Digits", key: (call) => call.digits || null, cell: digits },
    { name: "findings", head: "Findings", key: (call) => call.finding_ids.length, isFigure: true, cell: findings },
    { name: "ended", head: "Ended by", key: (call) => `${call.ended_by} ${call.ended_how}`.trim() || null,
      cell: ended },
    { name: "latency", head: "Answer after", key: (call) => call.slowest_ms, isFigure: true, cell: latency },
    { name: "interruptions", head: "Interrupted", key: (call) => call.talkedOver, isFigure: true,
      cell: interruptions },
    { name: "dead-air", head: "Dead air", key: (call) => call.dead_air_s, isFigure: true,
      cell: (call) => (call.dead_air_s === 0 ? none("none") : measured(Say.seconds(call.dead_air_s))) },
  ];

  /* What sorts by a name of the address; "worst" is the order by the rule that the page tells. */
  const keyOf = (name) => (name === "worst" ? (call) => call.rank : ALL.find((each) => each.name === name).key);
  return { ALL, keyOf, names: ["worst", ...ALL.map((each) => each.name)] };
})();
