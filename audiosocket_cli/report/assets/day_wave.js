"use strict";

/* Waveforms as bars: the caller above the line, the server below; a recording of one side above and below. */
const Wave = (() => {
  const POWER = 0.5; /* so that quiet speech is seen beside loud */

  const heightOf = (peak, room) => (peak === 0 ? 0 : Math.max(0.4, Math.pow(peak / 127, POWER) * room));

  /* The largest of each group of bars where there are more than there is room for. */
  function thinned(bars, most) {
    const count = bars.length / 2;
    if (count <= most) return bars;
    const fewer = new Uint8Array(most * 2);
    for (let at = 0; at < count; at += 1) {
      const place = Math.floor(at * most / count) * 2;
      fewer[place] = Math.max(fewer[place], bars[at * 2]);
      fewer[place + 1] = Math.max(fewer[place + 1], bars[at * 2 + 1]);
    }
    return fewer;
  }

  /* A bar for each pair, as one path a side. */
  function pathOf(bars, side, middle, share) {
    const parts = [];
    const sign = side === 0 ? -1 : 1;
    for (let at = side; at < bars.length; at += 2) {
      const tall = heightOf(bars[at], middle);
      if (tall > 0) parts.push(`M${at >> 1} ${middle}h${share}v${(sign * tall).toFixed(1)}h-${share}z`);
    }
    return parts.join("");
  }

  function drawn(call, { most, height, share, label }) {
    const bars = thinned(call.bars, most);
    const middle = height / 2;
    const attributes = { class: "wave", viewBox: `0 0 ${bars.length / 2} ${height}`, preserveAspectRatio: "none" };
    const told = label ? { role: "img", "aria-label": label } : { "aria-hidden": "true" };
    return Say.svg("svg", { ...attributes, ...told },
      Say.svg("path", { class: "line", d: `M0 ${middle}H${bars.length / 2}` }),
      Say.svg("path", { class: call.channels > 1 ? "caller" : "single", d: pathOf(bars, 0, middle, share) }),
      Say.svg("path", { class: call.channels > 1 ? "server" : "single", d: pathOf(bars, 1, middle, share) }));
  }

  const small = (call) => drawn(call, { most: 75, height: 30, share: 0.72, label: "" });

  function large(call) {
    const sides = call.channels > 1 ? "the caller above the line, the server below" : "one side alone";
    return drawn(call, { most: 400, height: 110, share: 0.78, label: `waveform of the recording: ${sides}` });
  }

  return { small, large };
})();
