"use strict";

/* The calls of the page, each as an object by names, with what filters and sorting ask of it. */
const Calls = (() => {
  function bytesOf(text) {
    const binary = atob(text);
    const bytes = new Uint8Array(binary.length);
    for (let at = 0; at < binary.length; at += 1) bytes[at] = binary.charCodeAt(at);
    return bytes;
  }

  class Call {
    constructor(columns, values, number) {
      columns.forEach((name, at) => { this[name] = values[at]; });
      this.number = number;
      this.id = this.uuid || this.name;
      this.who = this.peer || this.name;
      this.talkedOver = this.by_caller === null ? null : this.by_caller + this.by_server;
      this.words = [this.uuid, this.name, this.folder, this.peer, this.digits, this.ended_by, this.ended_how,
        this.ended_reason, this.result, ...this.finding_ids, ...this.findings].join("\n").toLowerCase();
    }

    /* Bars as [caller, server, caller, …], 0 to 127; none without a recording. */
    get bars() {
      return bytesOf(this.wave);
    }

    get isFault() {
      return this.ended_how === "fault" || this.error !== "";
    }
  }

  /* The rule of "worst first", which the page tells. */
  function isWorse(one, other) {
    return Number(other.isFault) - Number(one.isFault)
      || other.finding_ids.length - one.finding_ids.length
      || (other.gaps_s || 0) - (one.gaps_s || 0)
      || (other.slowest_ms || 0) - (one.slowest_ms || 0)
      || one.number - other.number;
  }

  const given = JSON.parse(document.getElementById("day").textContent);
  const all = given.calls.map((values, number) => new Call(given.columns, values, number));
  [...all].sort(isWorse).forEach((call, rank) => { call.rank = rank; });
  const byKey = new Map(all.map((call) => [call.key, call]));
  const days = new Set(all.filter((call) => call.at !== null).map((call) => Math.floor(call.at / 86400)));
  return { all, byKey, about: new Map(Object.entries(given.about)), manyDays: days.size > 1 };
})();
