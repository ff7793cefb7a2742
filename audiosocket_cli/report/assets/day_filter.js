"use strict";

/* Which calls are shown: those that match all words and all that is chosen. */
const Filter = (() => {
  const FIGURES = new Map(Object.entries({
    length: (call) => call.duration_s,
    gaps: (call) => call.gaps_s,
    late: (call) => call.late_frames,
    findings: (call) => call.finding_ids.length,
    latency: (call) => (call.slowest_ms === null ? null : call.slowest_ms / 1000),
    interruptions: (call) => call.talkedOver,
    "dead-air": (call) => call.dead_air_s,
    caller: (call) => call.caller_dbfs,
    server: (call) => call.server_dbfs,
  }));

  const KINDS = [
    ["findings", "with findings", (call) => call.finding_ids.length > 0],
    ["gaps", "with gaps", (call) => call.gap_count > 0],
    ["digits", "with digits", (call) => call.digits !== ""],
    ["interrupted", "interrupted", (call) => call.talkedOver > 0],
    ["caller", "ended by caller", (call) => call.ended_by === "caller"],
    ["server", "ended by server", (call) => call.ended_by === "server"],
    ["fault", "failed", (call) => call.isFault],
    ["silent", "without recording", (call) => call.wave === ""],
  ];

  /* "latency>1.5", "length<10", "digits:0042", or a word that any text of the call has. */
  function testOf(word) {
    const compared = /^([a-z-]+)([<>])(-?\d+(?:\.\d+)?)s?$/.exec(word);
    if (compared && FIGURES.has(compared[1])) {
      const [figure, limit] = [FIGURES.get(compared[1]), Number(compared[3])];
      const isMore = compared[2] === ">";
      return (call) => {
        const value = figure(call);
        return value !== null && (isMore ? value > limit : value < limit);
      };
    }
    if (word.startsWith("digits:")) return (call) => call.digits.includes(word.slice(7));
    return (call) => call.words.includes(word);
  }

  function testsOf(state) {
    const tests = state.find.toLowerCase().split(/\s+/).filter(Boolean).slice(0, 50).map(testOf);
    if (state.findings.size) tests.push((call) => call.finding_ids.some((id) => state.findings.has(id)));
    tests.push(...KINDS.filter(([name]) => state.only.has(name)).map(([, , test]) => test));
    if (state.hour !== null || state.weekday !== null) {
      tests.push((call) => {
        const moment = Say.moment(call.at, state.isLocal);
        return moment !== null && (state.hour === null || moment.hour === state.hour)
          && (state.weekday === null || moment.weekday === state.weekday);
      });
    }
    return tests;
  }

  const chosen = (calls, state) => {
    const tests = testsOf(state);
    return calls.filter((call) => tests.every((test) => test(call)));
  };

  /* Sorted by a column; what is not known comes last in either order. */
  function sorted(calls, keyOf, isDown) {
    const sign = isDown ? -1 : 1;
    const keyed = calls.map((call) => [keyOf(call), call]);
    keyed.sort(([one, first], [other, second]) => {
      if (one === null || other === null) return (one === null) - (other === null) || first.rank - second.rank;
      if (one < other) return -sign;
      return one > other ? sign : first.rank - second.rank;
    });
    return keyed.map(([, call]) => call);
  }

  return { KINDS, chosen, sorted };
})();
