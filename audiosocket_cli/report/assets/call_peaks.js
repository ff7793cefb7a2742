"use strict";

/* The lowest and highest samples of one side, at several steps: a picture reads the step that its pixels need. */
class CallPeaks {
  /* `levels` as in the page's data, the finest first; each is decoded when it is first needed. */
  constructor(track) {
    this.start = track.start_s;
    this.levels = track.peaks.filter((level) => level.count > 0);
    this.decoded = new Map();
    this.highest = this.levels.length ? this.highestOf(this.levels[this.levels.length - 1]) : 0;
  }

  /* The coarsest level whose step is at most `seconds`, else the finest. */
  level(seconds) {
    let chosen = this.levels[0];
    for (const level of this.levels) if (level.step_s <= seconds) chosen = level;
    return chosen;
  }

  bytes(level) {
    let bytes = this.decoded.get(level);
    if (!bytes) {
      bytes = CallPeaks.decode(level.data);
      this.decoded.set(level, bytes);
    }
    return bytes;
  }

  static decode(base64) {
    const text = atob(base64);
    const bytes = new Int8Array(text.length);
    for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
    return bytes;
  }

  highestOf(level) {
    let highest = 0;
    for (const value of this.bytes(level)) highest = Math.max(highest, Math.abs(value));
    return highest;
  }

  /* The outline of what `axis` shows, for so many equal columns: {from, to, low, high}, values of -128 to 127. */
  outline(axis, columns) {
    const low = new Float32Array(columns);
    const high = new Float32Array(columns);
    const seconds = axis.span / columns;
    const level = this.level(seconds);
    if (!level) return { from: 0, to: 0, low, high };
    const scale = seconds / level.step_s;
    const first = (axis.start - this.start) / level.step_s;
    const from = Math.max(0, Math.floor(-first / scale));
    const to = Math.min(columns, Math.ceil((level.count - first) / scale));
    const place = { first, scale, from, to, count: level.count };
    if (scale >= 1) CallPeaks.fold(this.bytes(level), place, low, high);
    else CallPeaks.spread(this.bytes(level), place, low, high);
    return { from, to, low, high };
  }

  /* One pair for each column, of all that lie in it. */
  static fold(bytes, { first, scale, from, to, count }, low, high) {
    for (let column = from; column < to; column++) {
      const begin = Math.min(Math.max(0, Math.floor(first + column * scale)), count - 1);
      const end = Math.min(count, Math.max(begin + 1, Math.floor(first + (column + 1) * scale)));
      let least = 127;
      let most = -128;
      for (let index = begin; index < end; index++) {
        least = Math.min(least, bytes[2 * index]);
        most = Math.max(most, bytes[2 * index + 1]);
      }
      low[column] = least;
      high[column] = most;
    }
  }

  /* One pair for each column, between pairs that are further apart than columns. */
  static spread(bytes, { first, scale, from, to, count }, low, high) {
    for (let column = from; column < to; column++) {
      const place = Math.max(first + (column + 0.5) * scale - 0.5, 0);
      const left = Math.min(Math.floor(place), count - 1);
      const right = Math.min(left + 1, count - 1);
      const share = place - left;
      low[column] = bytes[2 * left] * (1 - share) + bytes[2 * right] * share;
      high[column] = bytes[2 * left + 1] * (1 - share) + bytes[2 * right + 1] * share;
    }
  }

  /* The peak around a second in dBFS; null where there is nothing. Steps of 8 bits end at -42. */
  peakAt(at) {
    const level = this.levels[0];
    if (!level) return null;
    const middle = Math.floor((at - this.start) / level.step_s);
    if (middle < 0 || middle >= level.count) return null;
    const bytes = this.bytes(level);
    let highest = 0;
    for (let index = Math.max(0, middle - 2); index <= Math.min(level.count - 1, middle + 2); index++) {
      highest = Math.max(highest, -bytes[2 * index], bytes[2 * index + 1]);
    }
    return highest > 1 ? 20 * Math.log10(highest / 128) : -96;
  }
}
