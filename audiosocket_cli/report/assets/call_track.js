"use strict";

/* One side's sound in the picture: its waveform, the band of speech and silence, and its spectrogram. */
class CallTrack {
  static BAND = 12;
  static EMPTY = { wave: 0, tiles: 0 };

  constructor(track, turns, palette, ready) {
    this.about = track;
    this.interruptions = turns
      .filter((turn) => turn.kind === "interruption" && turn.side === track.side)
      .map((turn) => [turn.start_s, turn.end_s]);
    this.palette = palette;
    this.peaks = new CallPeaks(track);
    this.tiles = track.spectrogram && new CallTiles(track.spectrogram, track.start_s, palette, ready);
    this.scale = 1 / 128;
    this.top = 0;
    this.heights = CallTrack.EMPTY;
  }

  get side() {
    return this.about.side;
  }

  get height() {
    return this.heights.wave + CallTrack.BAND + this.heights.tiles;
  }

  /* Take a place from `top` down; a side without a spectrogram is shown as a waveform. */
  place(top, wave, tiles) {
    this.top = top;
    this.heights = this.tiles ? { wave, tiles } : { wave: wave || tiles, tiles: 0 };
  }

  /* What lies below the lines of the ruler. */
  drawGround(context, axis) {
    context.fillStyle = this.palette.get("raised");
    const { wave, tiles } = this.heights;
    context.fillRect(0, this.top, axis.width, wave);
    context.fillRect(0, this.top + this.height - tiles, axis.width, tiles);
  }

  draw(context, axis, ratio) {
    const { wave, tiles } = this.heights;
    if (wave) this.drawWave(context, axis, ratio);
    this.drawBand(context, axis, this.top + wave);
    if (!tiles) return;
    const top = this.top + wave + CallTrack.BAND;
    this.tiles.draw(context, axis, 0, top, axis.width, tiles, ratio);
    this.drawPitch(context, axis, top);
  }

  drawWave(context, axis, ratio) {
    const half = this.heights.wave / 2;
    const middle = this.top + half;
    const columns = Math.max(1, Math.round(axis.width * ratio));
    const { from, to, low, high } = this.peaks.outline(axis, columns);
    context.fillStyle = this.palette.get("grid");
    context.fillRect(0, middle - 0.5, axis.width, 1);
    context.fillStyle = this.palette.side(this.side);
    const pixel = axis.width / columns;
    const factor = this.scale * (half - 2);
    context.beginPath();
    for (let column = from; column < to; column++) {
      context.lineTo((column + 0.5) * pixel, middle - Math.max(high[column] * factor, 0.4));
    }
    for (let column = to - 1; column >= from; column--) {
      context.lineTo((column + 0.5) * pixel, middle - Math.min(low[column] * factor, -0.4));
    }
    context.fill();
  }

  /* Speech is a bar, with a line above it where it interrupts; digital silence is hatched, and quiet is a thin line. */
  drawBand(context, axis, top) {
    const stretches = this.about.stretches;
    if (!stretches) return;
    const middle = top + CallTrack.BAND / 2;
    const from = Math.max(0, axis.x(this.about.start_s));
    const to = Math.min(axis.width, axis.x(this.about.start_s + this.about.duration_s));
    if (to <= from) return;
    context.fillStyle = this.palette.get("quiet");
    context.fillRect(from, middle - 0.5, to - from, 1);
    this.fillEach(context, axis, stretches.digital_silence, this.hatched(context), [top + 3, CallTrack.BAND - 6]);
    this.fillEach(context, axis, stretches.speech, this.palette.side(this.side), [top + 3, CallTrack.BAND - 6]);
    this.fillEach(context, axis, this.interruptions, this.palette.get("cursor"), [top, 2]);
  }

  /* Fill all stretches in view; those that fall on the same pixel at once. */
  fillEach(context, axis, stretches, colour, [top, height]) {
    let right = -1;
    context.save();
    context.beginPath();
    for (let index = CallTrack.firstAfter(stretches, axis.start); index < stretches.length; index++) {
      const [start, end] = stretches[index];
      if (start > axis.end) break;
      const x = Math.max(0, axis.x(start));
      const to = Math.min(axis.width, Math.max(axis.x(end), x + 1));
      if (to <= right) continue;
      context.rect(Math.max(x, right), top, to - Math.max(x, right), height);
      right = to;
    }
    context.clip();
    context.fillStyle = this.palette.get("ground");
    context.fillRect(0, top, axis.width, height);
    context.fillStyle = colour;
    context.fillRect(0, top, axis.width, height);
    context.restore();
  }

  /* The first stretch that ends after a second, by bisection. */
  static firstAfter(stretches, at) {
    let low = 0;
    let high = stretches.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (stretches[middle][1] < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  hatched(context) {
    const tile = CallTiles.canvas(6, 6);
    const drawing = tile.getContext("2d");
    drawing.strokeStyle = this.palette.get("quiet");
    drawing.lineWidth = 1.2;
    drawing.beginPath();
    for (const shift of [-6, 0, 6]) {
      drawing.moveTo(shift, 6);
      drawing.lineTo(shift + 6, 0);
    }
    drawing.stroke();
    return context.createPattern(tile, "repeat");
  }

  drawPitch(context, axis, top) {
    const kilo = this.about.spectrogram.top_hz / 1000;
    this.label(context, `${Number(kilo.toFixed(1))} kHz`, axis.width - 6, top + 12, "right");
  }

  drawName(context) {
    const levels = [callText.side(this.side)];
    if (this.about.level_dbfs !== null) levels.push(callText.level(this.about.level_dbfs));
    this.label(context, levels.join(" · "), 6, this.top + 14, "left", 600);
  }

  label(context, text, x, y, align, weight = 400) {
    context.font = this.palette.text(11, weight);
    context.textAlign = align;
    context.textBaseline = "alphabetic";
    context.lineWidth = 3;
    context.lineJoin = "round";
    context.strokeStyle = this.palette.get("raised");
    context.strokeText(text, x, y);
    context.fillStyle = this.palette.get("text");
    context.fillText(text, x, y);
  }
}
