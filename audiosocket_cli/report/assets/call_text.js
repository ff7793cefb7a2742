"use strict";

/* Times and levels as people read them. */
const callText = (() => {
  const pad = (number, width) => String(number).padStart(width, "0");

  /* Seconds as 1:02.3, and as 1:01:02.3 from an hour on. */
  function clock(seconds, digits = 1) {
    const scale = 10 ** digits;
    const total = Math.round(Math.max(0, seconds) * scale);
    const whole = Math.floor(total / scale);
    const hours = Math.floor(whole / 3600);
    const minutes = Math.floor(whole / 60) % 60;
    const rest = pad(whole % 60, 2) + (digits ? "." + pad(total % scale, digits) : "");
    return hours ? `${hours}:${pad(minutes, 2)}:${rest}` : `${minutes}:${rest}`;
  }

  /* The same for those who hear it. */
  function spoken(seconds) {
    const whole = Math.max(0, Math.round(seconds));
    const minutes = Math.floor(whole / 60);
    return minutes ? `${minutes} min ${whole % 60} s` : `${whole} s`;
  }

  /* A level as people write it; a dash where nothing was measured. */
  function level(dbfs) {
    if (dbfs === null || dbfs === undefined) return "–";
    return `${Math.round(dbfs)} dBFS`.replace("-", "−");
  }

  /* The same of a peak of the outline, which has 8 bits: it cannot tell what is below -40 dBFS. */
  function peak(dbfs) {
    return dbfs !== null && dbfs < -40 ? "< −40 dBFS" : level(dbfs);
  }

  /* How long it was, and what a time is after another. */
  function length(seconds) {
    return seconds < 0.9995 ? `${Math.round(seconds * 1000)} ms` : `${seconds.toFixed(2)} s`;
  }

  /* The time of day so many seconds after an ISO 8601 time, in the zone of that; empty where that is none. */
  function dayTime(started, seconds) {
    const found = /T(\d\d):(\d\d):(\d\d(?:\.\d+)?)/.exec(started || "");
    if (!found) return "";
    const total = Math.floor((Number(found[1]) * 60 + Number(found[2])) * 60 + Number(found[3]) + seconds) % 86400;
    return [total / 3600, (total / 60) % 60, total % 60].map((part) => pad(Math.floor(part), 2)).join(":");
  }

  const NAMES = { caller: "Caller", server: "Server", mixed: "Both sides" };

  function side(name) {
    return NAMES[name] || "";
  }

  return Object.freeze({ clock, spoken, level, peak, length, dayTime, side });
})();
