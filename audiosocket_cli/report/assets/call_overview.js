"use strict";

/* The strip that shows the whole call, the part of it that is in the large picture, and where the cursor is. */
class CallOverview {
  static HEIGHT = 46;

  constructor(view, strip) {
    this.view = view;
    this.strip = strip;
    this.canvas = strip.querySelector("canvas");
    this.whole = new CallAxis(view.data.duration_s);
    this.back = document.createElement("canvas");
    this.grabbed = null;
    this.listen();
  }

  resize() {
    const ratio = Math.min(window.devicePixelRatio || 1, 3);
    this.whole.width = Math.max(1, this.strip.clientWidth);
    for (const canvas of [this.canvas, this.back]) {
      CallScene.fit(canvas, this.whole.width, CallOverview.HEIGHT, ratio);
    }
    this.ratio = ratio;
    this.drawBack();
    this.draw();
  }

  /* What does not change: one side above the middle, the other below it. */
  drawBack() {
    const context = this.back.getContext("2d");
    const palette = this.view.palette;
    context.fillStyle = palette.get("raised");
    context.fillRect(0, 0, this.whole.width, CallOverview.HEIGHT);
    const tracks = this.view.scene.tracks;
    tracks.forEach((track, number) => {
      context.fillStyle = palette.side(track.side);
      this.drawSide(context, track, tracks.length > 1 && number === 0 ? 1 : -1, tracks.length > 1);
    });
    this.drawMarks(context);
  }

  drawSide(context, track, direction, isHalf) {
    const columns = Math.max(1, Math.round(this.whole.width * this.ratio));
    const { from, to, low, high } = track.peaks.outline(this.whole, columns);
    const middle = CallOverview.HEIGHT / 2;
    const factor = track.scale * (middle - 4);
    context.beginPath();
    for (let column = from; column < to; column++) {
      const size = Math.max(0.5, Math.max(high[column], -low[column]) * factor);
      const x = column / this.ratio;
      if (isHalf) context.rect(x, direction > 0 ? middle - size : middle, 1 / this.ratio, size);
      else context.rect(x, middle - size, 1 / this.ratio, 2 * size);
    }
    context.fill();
  }

  /* A tick for each place with something wrong, at the lower edge. */
  drawMarks(context) {
    const palette = this.view.palette;
    let last = -2;
    for (const mark of this.view.data.marks) {
      const rank = CallFlags.rank(mark.kind);
      const x = Math.round(this.whole.x(mark.at_s));
      if (!rank || x - last < 2) continue;
      context.fillStyle = palette.get(rank === 2 ? "bad-text" : "warn-text");
      context.fillRect(x - 1, CallOverview.HEIGHT - 5, 2, 5);
      last = x;
    }
  }

  draw() {
    const context = this.canvas.getContext("2d");
    const { axis, palette, position } = this.view;
    const [left, right] = [this.whole.x(axis.start), this.whole.x(axis.end)];
    context.drawImage(this.back, 0, 0, this.whole.width, CallOverview.HEIGHT);
    context.globalAlpha = 0.6;
    context.fillStyle = palette.get("ground");
    context.fillRect(0, 0, left, CallOverview.HEIGHT);
    context.fillRect(right, 0, this.whole.width - right, CallOverview.HEIGHT);
    context.globalAlpha = 1;
    context.strokeStyle = palette.get("quiet");
    context.lineWidth = 1;
    context.strokeRect(left + 0.5, 0.5, Math.max(right - left - 1, 2), CallOverview.HEIGHT - 1);
    context.fillStyle = palette.get("cursor");
    context.fillRect(this.whole.x(position) - 1, 0, 2, CallOverview.HEIGHT);
  }

  /* A click goes there; a drag moves the part in view. */
  listen() {
    this.strip.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      this.strip.setPointerCapture(event.pointerId);
      this.grabbed = { x: event.clientX, start: this.view.axis.start, moved: false };
    });
    this.strip.addEventListener("pointermove", (event) => {
      if (!this.grabbed) return;
      const shift = event.clientX - this.grabbed.x;
      if (Math.abs(shift) > 3) this.grabbed.moved = true;
      const start = this.grabbed.start + (shift / this.whole.width) * this.whole.span;
      if (this.grabbed.moved) this.view.axis.show(start, start + this.view.axis.span);
    });
    this.strip.addEventListener("pointerup", (event) => {
      if (this.grabbed && !this.grabbed.moved) this.goTo(event.clientX);
      this.grabbed = null;
    });
    this.strip.addEventListener("pointercancel", () => (this.grabbed = null));
  }

  goTo(clientX) {
    const at = this.whole.clamp(this.whole.at(clientX - this.strip.getBoundingClientRect().left));
    const { axis } = this.view;
    if (at < axis.start || at > axis.end) axis.centre(at);
    this.view.seek(at);
  }
}
