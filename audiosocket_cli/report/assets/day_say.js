"use strict";

/* Elements and texts. What comes from calls becomes text only, never markup. */
const Say = (() => {
  const SVG = "http://www.w3.org/2000/svg";
  const two = (number) => String(number).padStart(2, "0");
  const figure = new Intl.NumberFormat("en");
  const WEEKDAYS = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"];
  const MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

  function fill(element, attributes, children) {
    for (const [name, value] of Object.entries(attributes)) {
      if (value !== null && value !== false) element.setAttribute(name, value === true ? "" : String(value));
    }
    element.append(...children.filter((child) => child !== null && child !== ""));
    return element;
  }

  const html = (name, attributes = {}, ...children) => fill(document.createElement(name), attributes, children);
  const svg = (name, attributes = {}, ...children) => fill(document.createElementNS(SVG, name), attributes, children);

  /* "1:05", "1:02:03" */
  function length(seconds) {
    if (seconds === null) return null;
    if (seconds < 9.95) return `${seconds.toFixed(1)} s`;
    const whole = Math.round(seconds);
    const minutes = Math.floor(whole / 60);
    if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
    return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
  }

  const seconds = (value) => (value === null ? null : `${value < 99.95 ? value.toFixed(1) : Math.round(value)} s`);
  const latency = (ms) => (ms === null ? null : `${(ms / 1000).toFixed(ms < 9995 ? 2 : 1)} s`);
  const level = (dbfs) => (dbfs === null ? null : dbfs <= -96 ? "silent" : `\u2212${Math.abs(dbfs).toFixed(0)}`);
  const count = (number, noun) => `${figure.format(number)} ${noun}${number === 1 ? "" : "s"}`;

  function hours(total) {
    if (total < 60) return `${total.toFixed(0)} s`;
    if (total < 5400) return `${(total / 60).toFixed(0)} min`;
    return `${figure.format(Math.round(total / 360) / 10)} h`;
  }

  /* A moment in a zone: {date, time, hour, weekday, day}, day a number that grows with the date. */
  function moment(at, isLocal) {
    if (at === null) return null;
    const real = new Date(at * 1000);
    const shown = isLocal ? new Date(real.getTime() - real.getTimezoneOffset() * 60000) : real;
    return {
      date: `${shown.getUTCDate()} ${MONTHS[shown.getUTCMonth()]} ${shown.getUTCFullYear()}`,
      shortDate: `${shown.getUTCDate()} ${MONTHS[shown.getUTCMonth()]}`,
      time: `${two(shown.getUTCHours())}:${two(shown.getUTCMinutes())}:${two(shown.getUTCSeconds())}`,
      hour: shown.getUTCHours(),
      weekday: shown.getUTCDay(),
      day: Math.floor(shown.getTime() / 86400000),
    };
  }

  /* What was not measured is shown as a dash, which says so. */
  function measured(text, why = "not measured") {
    if (text !== null && text !== undefined) return text;
    return html("span", { class: "unmeasured" },
      html("span", { "aria-hidden": "true", title: why }, "\u2013"), html("span", { class: "unseen" }, why));
  }

  return { html, svg, length, seconds, latency, level, count, hours, moment, measured, two, figure, WEEKDAYS };
})();
