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
    return dbfs <= -90 ? "silent" : `${Math.round(dbfs)} dBFS`.replace("-", "−");
  }

  const NAMES = { caller: "Caller", server: "Server", mixed: "Both sides" };

  function side(name) {
    return NAMES[name] || "";
  }

  return Object.freeze({ clock, spoken, level, side });
})();
