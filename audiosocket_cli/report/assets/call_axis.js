"use strict";

/* The visible part of a call, in seconds, and where a second lies in the picture, in CSS pixels. */
class CallAxis {
  static MIN_SPAN = 0.25;

  constructor(duration) {
    this.duration = Math.max(duration, CallAxis.MIN_SPAN);
    this.start = 0;
    this.end = this.duration;
    this.width = 1;
    this.changed = () => {};
  }

  get span() {
    return this.end - this.start;
  }

  x(at) {
    return ((at - this.start) / this.span) * this.width;
  }

  at(x) {
    return this.start + (x / this.width) * this.span;
  }

  clamp(at) {
    return Math.min(Math.max(at, 0), this.duration);
  }

  /* Show from `start` to `end`, as far as the call goes. */
  show(start, end) {
    const span = Math.min(Math.max(end - start, CallAxis.MIN_SPAN), this.duration);
    const middle = (start + end) / 2;
    this.start = Math.min(Math.max(middle - span / 2, 0), this.duration - span);
    this.end = this.start + span;
    this.changed();
  }

  whole() {
    this.show(0, this.duration);
  }

  /* Show `factor` times as long a part; the second `around` stays where it is. */
  zoom(factor, around) {
    const span = Math.min(Math.max(this.span * factor, CallAxis.MIN_SPAN), this.duration);
    const start = around - ((around - this.start) / this.span) * span;
    this.show(start, start + span);
  }

  move(seconds) {
    this.show(this.start + seconds, this.end + seconds);
  }

  centre(at) {
    this.show(at - this.span / 2, at + this.span / 2);
  }

  /* Bring a second into view, with what follows it. */
  reveal(at) {
    if (at < this.start || at > this.end) this.show(at - this.span * 0.1, at + this.span * 0.9);
  }

  /* Bring a stretch into view, large enough to be seen. */
  focus(start, end) {
    const length = Math.max(end - start, 0.05);
    const tooSmall = length / this.span < 0.04;
    if (!tooSmall && start >= this.start && end <= this.end) return;
    const span = tooSmall || length > this.span ? Math.max(length * 4, 10) : this.span;
    const middle = (start + end) / 2;
    this.show(middle - span / 2, middle + span / 2);
  }

  /* The distance of the lines of the ruler in seconds, at least `pixels` apart. */
  step(pixels) {
    const least = (pixels / this.width) * this.span;
    return CallAxis.STEPS.find((step) => step >= least) || CallAxis.STEPS[CallAxis.STEPS.length - 1];
  }
}

CallAxis.STEPS = [
  0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400,
  172800, 604800,
];
