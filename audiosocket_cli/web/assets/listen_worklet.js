// Plays the sound of a live call as it comes: a buffer that is as short as the network lets it be.
//
// What matters is the margin: what is still in the buffer when it is shortest. It grows whenever the buffer has run
// empty, and shrinks slowly while it never does. What the buffer holds beyond it for two seconds is left out where both
// sides are quiet; a second too much, as after a computer has slept, is left out at once.
"use strict";

const MARGIN_S = 0.03;
const MIN_MARGIN_S = 0.02;
const MAX_MARGIN_S = 0.4;
const GROWTH_S = 0.03;
const SHRINK_S = 0.01;
const AT_ONCE_S = 0.02;
const WINDOW_S = 2;
const CALM_WINDOWS = 4;
const TOO_MUCH_S = 1;
const HELD_S = 8;
const REPORT_S = 0.1;
const QUIET = 0.01;
const BLOCK = 128;
const GLIDE = 1 / 400;

class CallSound extends AudioWorkletProcessor {
  constructor(options) {
    super();
    this.rate = options.processorOptions.rateHz;
    this.step = this.rate / sampleRate;
    this.size = Math.ceil(this.rate * HELD_S);
    this.sides = [new Float32Array(this.size), new Float32Array(this.size)];
    this.written = 0;
    this.read = 0;
    this.margin = MARGIN_S * this.rate;
    this.fills = true;
    this.gains = [0, 0];
    this.wanted = [1, 1];
    this.fewest = Infinity;
    this.excess = 0;
    this.windowBlocks = 0;
    this.calmWindows = 0;
    this.blocks = 0;
    this.counts = { underruns: 0, skipped: 0, played: 0 };
    this.energies = [0, 0];
    this.heard = 0;
    this.port.onmessage = (event) => this.take(event.data);
  }

  take(told) {
    if (told.samples) this.write(new Int16Array(told.samples));
    if (told.volumes) this.wanted = told.volumes;
  }

  get waiting() {
    return this.written - this.read;
  }

  write(samples) {
    for (let at = 0; at + 1 < samples.length; at += 2) {
      const place = this.written % this.size;
      this.sides[0][place] = samples[at] / 32768;
      this.sides[1][place] = samples[at + 1] / 32768;
      this.written += 1;
    }
    if (this.waiting > this.enough + TOO_MUCH_S * this.rate) this.skip(this.waiting - this.enough);
  }

  // What is to be there before it begins to play.
  get enough() {
    return this.margin + AT_ONCE_S * this.rate;
  }

  skip(count) {
    const whole = Math.floor(count);
    this.read += whole;
    this.counts.skipped += whole;
  }

  process(_, outputs) {
    const needed = Math.ceil(BLOCK * this.step) + 1;
    if (this.fills && this.waiting >= Math.max(this.enough, needed)) this.begin();
    if (!this.fills && this.waiting < needed) this.runEmpty();
    if (!this.fills) {
      this.leaveOut(needed);
      this.play(outputs[0]);
      this.adapt();
    }
    this.blocks += 1;
    if (this.blocks * BLOCK >= REPORT_S * sampleRate) this.report();
    return true;
  }

  begin() {
    this.fills = false;
    if (this.counts.played === 0) this.skip(this.waiting - this.enough); // it came while the page was not ready
  }

  runEmpty() {
    this.fills = true;
    this.counts.underruns += 1;
    this.calmWindows = this.windowBlocks = this.excess = 0;
    this.fewest = Infinity;
    this.margin = Math.min(this.margin + GROWTH_S * this.rate, MAX_MARGIN_S * this.rate);
  }

  play(output) {
    const length = output[0].length;
    for (let side = 0; side < 2; side += 1) {
      const from = this.sides[side];
      const to = output[Math.min(side, output.length - 1)];
      for (let at = 0; at < length; at += 1) {
        const place = this.read + at * this.step;
        const first = Math.floor(place);
        const share = place - first;
        const sample = from[first % this.size] * (1 - share) + (share ? from[(first + 1) % this.size] * share : 0);
        this.gains[side] += (this.wanted[side] - this.gains[side]) * GLIDE;
        to[at] += sample * this.gains[side];
        this.energies[side] += sample * sample;
      }
    }
    this.read += length * this.step;
    this.heard += length;
    this.counts.played += length;
  }

  // Learn how much more there has been than there has to be, over a while.
  adapt() {
    this.fewest = Math.min(this.fewest, this.waiting);
    this.windowBlocks += 1;
    if (this.windowBlocks * BLOCK < WINDOW_S * sampleRate) return;
    this.excess = Math.max(0, this.fewest - this.margin);
    this.fewest = Infinity;
    this.windowBlocks = 0;
    this.calmWindows += 1;
    if (this.calmWindows >= CALM_WINDOWS) {
      this.calmWindows = 0;
      this.margin = Math.max(this.margin - SHRINK_S * this.rate, MIN_MARGIN_S * this.rate);
    }
  }

  leaveOut(needed) {
    if (this.excess < needed || !this.isQuiet(needed)) return;
    this.skip(needed);
    this.excess -= needed;
  }

  isQuiet(count) {
    for (let at = 0; at < count; at += 1) {
      const place = Math.floor(this.read + at) % this.size;
      if (Math.abs(this.sides[0][place]) > QUIET || Math.abs(this.sides[1][place]) > QUIET) return false;
    }
    return true;
  }

  report() {
    const count = Math.max(1, this.heard);
    this.port.postMessage({
      waitingS: this.waiting / this.rate,
      underruns: this.counts.underruns,
      skippedS: this.counts.skipped / this.rate,
      levels: this.energies.map((energy) => (this.heard ? Math.sqrt(energy / count) : 0)),
    });
    this.blocks = 0;
    this.heard = 0;
    this.energies = [0, 0];
  }
}

registerProcessor("call-sound", CallSound);
