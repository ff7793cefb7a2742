// Times and figures as people read them, and elements with text: what a file holds is only ever text here.
(function () {
  "use strict";

  /** Return a time of the load: 7.5 s, 3:20, 1:02:03. */
  function clock(seconds) {
    if (seconds < 120) {
      return `${Number(seconds.toFixed(1))} s`;
    }
    const whole = Math.round(seconds);
    const two = (value) => String(value).padStart(2, "0");
    const minutes = Math.floor(whole / 60);
    return minutes < 60
      ? `${minutes}:${two(whole % 60)}`
      : `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
  }

  /** Return a figure with as many digits as say something. */
  function figure(value) {
    const size = Math.abs(value);
    const digits = size >= 100 || Number.isInteger(value) ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
    return String(Number(value.toFixed(digits)));
  }

  /** Return a figure with its unit; what was not measured is not 0, but a dash, which is said in words elsewhere. */
  function measured(value, unit) {
    return value === null || value === undefined ? "–" : `${figure(value)} ${unit}`;
  }

  /** Return an element with a text. */
  function element(name, text, attributes) {
    const made = document.createElement(name);
    made.textContent = text;
    for (const [key, value] of Object.entries(attributes || {})) {
      made.setAttribute(key, value);
    }
    return made;
  }

  window.benchText = { clock, figure, measured, element };
})();
