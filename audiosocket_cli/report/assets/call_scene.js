"use strict";

/* The large picture: flags, ruler and tracks on one canvas, and on a second one above it what moves. */
class CallScene {
  static RULER = 22;
  static GAP = 10;
  static WAVE = { both: 68, wave: 112, tiles: 0 };
  static TILES = { both: 60, wave: 0, tiles: 112 };

  constructor(view, picture, over) {
    this.view = view;
    this.axis = view.axis;
    this.palette = view.palette;
    this.picture = picture;
    this.over = over;
    this.flags = new CallFlags(view.data.marks, view.palette);
    const { tracks, turns } = view.data;
    this.tracks = tracks.map((track) => new CallTrack(track, turns, view.palette, () => this.redraw()));
    this.shown = "both";
    this.waiting = 0;
    this.stale = true;
    this.setScale();
    this.place();
  }

  /* One scale for all sides, so that their levels compare; very quiet calls are enlarged. */
  setScale() {
    const highest = this.tracks.reduce((most, track) => Math.max(most, track.peaks.highest), 8);
    for (const track of this.tracks) track.scale = 1 / highest;
  }

  show(what) {
    this.shown = what;
    this.place();
    this.resize();
  }

  place() {
    const small = window.innerWidth < 640 ? 0.75 : 1;
    let top = CallFlags.height + CallScene.RULER;
    for (const track of this.tracks) {
      track.place(top, CallScene.WAVE[this.shown] * small, CallScene.TILES[this.shown] * small);
      top += track.height + CallScene.GAP;
    }
    this.height = this.tracks.length ? top - CallScene.GAP : top + 8;
  }

  /* Fit both canvases to their place in the page, in pixels of the screen. */
  resize() {
    const stage = this.picture.parentElement;
    const ratio = Math.min(window.devicePixelRatio || 1, 3);
    const width = Math.max(1, stage.clientWidth);
    stage.style.height = `${this.height}px`;
    this.axis.width = width;
    for (const canvas of [this.picture, this.over]) CallScene.fit(canvas, width, this.height, ratio);
    this.ratio = ratio;
    this.stale = true;
    this.drawNow();
  }

  static fit(canvas, width, height, ratio) {
    const [wide, high] = [Math.round(width * ratio), Math.round(height * ratio)];
    if (canvas.width !== wide || canvas.height !== high) {
      canvas.width = wide;
      canvas.height = high;
    }
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
    canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  recolour() {
    for (const track of this.tracks) if (track.tiles) track.tiles.recolour();
    this.redraw();
  }

  /* Draw all with the next frame. */
  redraw() {
    this.stale = true;
    this.refresh();
  }

  /* Draw with the next frame what moves; and the rest where it is out of date. */
  refresh() {
    if (!this.waiting) this.waiting = requestAnimationFrame(() => this.drawNow());
  }

  drawNow() {
    if (this.waiting) cancelAnimationFrame(this.waiting);
    this.waiting = 0;
    if (this.stale) this.drawPicture();
    this.stale = false;
    this.drawOver();
  }

  drawPicture() {
    const context = this.picture.getContext("2d");
    context.fillStyle = this.palette.get("ground");
    context.fillRect(0, 0, this.axis.width, this.height);
    for (const track of this.tracks) track.drawGround(context, this.axis);
    this.drawRuler(context);
    for (const track of this.tracks) track.draw(context, this.axis, this.ratio);
    this.flags.drawStretches(context, this.axis, this.tracks);
    this.flags.place(context, this.axis);
    this.flags.draw(context, this.height, this.view.chosenMark);
    for (const track of this.tracks) track.drawName(context);
  }

  drawRuler(context) {
    const step = this.axis.step(this.axis.duration >= 3600 ? 84 : 68);
    const digits = step < 0.1 ? 2 : step < 1 ? 1 : 0;
    const bottom = CallFlags.height + CallScene.RULER;
    context.font = this.palette.text(11);
    context.textAlign = "left";
    context.textBaseline = "alphabetic";
    for (let number = Math.ceil(this.axis.start / step); number * step <= this.axis.end; number++) {
      const x = Math.round(this.axis.x(number * step));
      context.fillStyle = this.palette.get("grid");
      context.fillRect(x, bottom - 8, 1, this.height - bottom + 8);
      const text = callText.clock(number * step, digits);
      const room = this.axis.width - context.measureText(text).width - 2;
      context.fillStyle = this.palette.get("quiet");
      context.fillText(text, Math.min(x + 4, room), bottom - 8);
    }
  }

  drawOver() {
    const context = this.over.getContext("2d");
    context.clearRect(0, 0, this.axis.width, this.height);
    const { turn, selection, hover, position } = this.view;
    if (turn) this.drawTurn(context, turn);
    if (selection) this.drawSelection(context, selection);
    if (hover !== null) this.drawLine(context, hover, this.palette.get("quiet"), 1);
    this.drawCursor(context, position);
  }

  /* A turn in its own track; and how long the other side had been quiet before it. */
  drawTurn(context, turn) {
    const from = this.axis.x(turn.start_s);
    const width = Math.max(this.axis.x(turn.end_s) - from, 2);
    for (const track of this.tracks) {
      if (track.side !== turn.side && track.side !== "mixed") continue;
      context.fillStyle = this.palette.get("select");
      context.fillRect(from, track.top, width, track.height);
      context.strokeStyle = this.palette.side(track.side);
      context.lineWidth = 1.5;
      context.strokeRect(from, track.top + 0.75, width, track.height - 1.5);
    }
    if (turn.after_ms !== null && turn.after_ms > 0) this.drawWait(context, turn, from);
  }

  drawWait(context, turn, to) {
    const from = this.axis.x(turn.start_s - turn.after_ms / 1000);
    const top = CallFlags.height + CallScene.RULER;
    context.fillStyle = this.palette.get("select");
    context.fillRect(from, top, to - from, this.height - top);
    context.fillStyle = this.palette.get("cursor");
    context.fillRect(from, top, to - from, 2);
    context.font = this.palette.text(11, 600);
    context.textAlign = "right";
    context.textBaseline = "top";
    const text = callText.length(turn.after_ms / 1000);
    if (context.measureText(text).width + 8 < to - from) context.fillText(text, to - 4, top + 6);
  }

  drawSelection(context, [start, end]) {
    const top = CallFlags.height;
    const [left, right] = [this.axis.x(Math.min(start, end)), this.axis.x(Math.max(start, end))];
    context.fillStyle = this.palette.get("select");
    context.fillRect(left, top, right - left, this.height - top);
    context.fillStyle = this.palette.get("cursor");
    context.fillRect(left, top, 1, this.height - top);
    context.fillRect(right - 1, top, 1, this.height - top);
  }

  drawLine(context, at, colour, width) {
    const x = this.axis.x(at);
    if (x < -2 || x > this.axis.width + 2) return;
    const top = CallFlags.height;
    context.fillStyle = colour;
    context.fillRect(x - width / 2, top, width, this.height - top);
  }

  drawCursor(context, at) {
    this.drawLine(context, at, this.palette.get("cursor"), 2);
    const x = this.axis.x(at);
    const top = CallFlags.height + 8;
    context.beginPath();
    context.moveTo(x - 5, top - 6);
    context.lineTo(x + 5, top - 6);
    context.lineTo(x, top + 2);
    context.fill();
  }
}
