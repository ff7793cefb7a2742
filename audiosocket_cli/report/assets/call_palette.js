"use strict";

/* The colours of the picture, read from the page's style sheet: they follow the system's light or dark. */
class CallPalette {
  static NAMES = [
    "ground", "raised", "line", "text", "quiet", "caller", "server", "mixed", "cursor", "warn", "warn-text", "bad",
    "bad-text", "calm", "calm-text", "grid", "select",
  ];

  constructor() {
    this.colours = {};
    this.dark = false;
    this.read();
  }

  read() {
    const style = getComputedStyle(document.documentElement);
    for (const name of CallPalette.NAMES) this.colours[name] = style.getPropertyValue(`--${name}`).trim();
    this.font = getComputedStyle(document.body).fontFamily;
    this.dark = style.getPropertyValue("--is-dark").trim() === "1";
    this.ramp = CallPalette.ramp(this.dark ? CallPalette.DARK : CallPalette.LIGHT);
  }

  get(name) {
    return this.colours[name];
  }

  side(name) {
    return this.colours[name] || this.colours.mixed;
  }

  text(size, weight = 400) {
    return `${weight} ${size}px ${this.font}`;
  }

  /* 256 colours between these stops, as the 32-bit values that pixels hold (little-endian: ABGR). */
  static ramp(stops) {
    const colours = new Uint32Array(256);
    for (let value = 0; value < 256; value++) {
      const place = (value / 255) * (stops.length - 1);
      const left = Math.min(Math.floor(place), stops.length - 2);
      const share = place - left;
      const [red, green, blue] = [0, 1, 2].map((part) =>
        Math.round(stops[left][part] * (1 - share) + stops[left + 1][part] * share),
      );
      colours[value] = ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
    }
    return colours;
  }
}

/* From nothing to loud: both run evenly in lightness, so that they can be read without seeing colours. */
CallPalette.LIGHT = [
  [247, 249, 251], [222, 232, 242], [170, 196, 222], [104, 139, 190], [69, 82, 150], [48, 28, 84], [20, 8, 30],
];
CallPalette.DARK = [
  [22, 26, 31], [30, 36, 66], [66, 42, 120], [138, 52, 126], [208, 82, 98], [246, 152, 84], [253, 234, 178],
];
