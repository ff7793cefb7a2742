"use strict";

/* The sound of a call, in the call's time: played, stopped, moved, and of both sides or one.
 *
 * A call without sound has a place in time all the same. One side alone needs Web Audio, which hears zeros where a page
 * from disk plays a file beside it: then only both can be heard.
 */
class CallSound {
  constructor(element, about, changed) {
    this.element = about ? element : null;
    this.about = about;
    this.changed = changed;
    this.silentAt = 0;
    this.fault = "";
    this.sides = "both";
    this.nodes = null;
    if (this.element) this.listen();
  }

  listen() {
    for (const name of ["play", "pause", "ended", "seeked", "loadedmetadata"]) {
      this.element.addEventListener(name, () => this.changed());
    }
    this.element.addEventListener("error", () => {
      this.fault = this.about.embedded
        ? "This browser cannot play the sound in this page."
        : "The sound cannot be played: its file is not beside this page, or this browser does not know its format.";
      this.changed();
    });
  }

  get canPlay() {
    return Boolean(this.element) && !this.fault;
  }

  get isPlaying() {
    return this.canPlay && !this.element.paused && !this.element.ended;
  }

  /* Why one side alone cannot be heard; empty where it can. */
  get whyBothOnly() {
    if (!this.about) return "";
    if (this.about.layout !== "stereo") return "The sound has both sides in one channel.";
    if (location.protocol === "file:" && !this.about.embedded) {
      return "A browser plays a file beside a page from disk as it is: one side alone can be heard with " +
        "“report --embed”, or from a server.";
    }
    return "";
  }

  get at() {
    return this.element ? this.element.currentTime + this.about.offset_s : this.silentAt;
  }

  seek(at) {
    this.silentAt = at;
    if (!this.element) return;
    const last = Number.isFinite(this.element.duration) ? this.element.duration : this.about.duration_s;
    this.element.currentTime = Math.min(Math.max(at - this.about.offset_s, 0), last);
  }

  async toggle() {
    if (!this.canPlay) return;
    if (this.isPlaying) {
      this.element.pause();
      return;
    }
    if (!this.whyBothOnly) this.connect();
    try {
      await this.element.play();
    } catch (error) {
      if (error.name !== "AbortError" && !this.fault) this.fault = "This browser does not play the sound.";
      this.changed();
    }
  }

  setSpeed(speed) {
    if (this.element) this.element.playbackRate = speed;
  }

  /* Hear "both", "caller" or "server"; one alone is heard in both ears. */
  hear(sides) {
    this.sides = sides;
    if (this.nodes) this.applySides();
  }

  connect() {
    if (this.nodes) {
      this.nodes.context.resume();
      return;
    }
    const context = new AudioContext();
    const splitter = context.createChannelSplitter(2);
    context.createMediaElementSource(this.element).connect(splitter);
    this.nodes = { context, caller: this.channel(context, splitter, 0), server: this.channel(context, splitter, 1) };
    this.applySides();
    context.resume();
  }

  channel(context, splitter, number) {
    const gain = context.createGain();
    const pan = context.createStereoPanner();
    splitter.connect(gain, number);
    gain.connect(pan).connect(context.destination);
    return { gain, pan };
  }

  applySides() {
    const both = this.sides === "both";
    for (const [name, where] of [["caller", -0.7], ["server", 0.7]]) {
      this.nodes[name].gain.gain.value = both || this.sides === name ? 1 : 0;
      this.nodes[name].pan.pan.value = both ? where : 0;
    }
  }
}
