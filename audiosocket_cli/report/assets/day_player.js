"use strict";

/* The recording of a call: its waveform, where it is now, and a player. */
class DayPlayer {
  constructor(call) {
    this.call = call;
    this.part = 0;
    this.element = Say.html("div", { class: "player" });
    if (call.wave) this.element.append(this.stageOf(call));
    if (call.sounds.length) this.addSound(call);
    else this.element.append(Say.html("p", { class: "quiet" }, call.error
      ? `No recording: ${call.error}` : "There is no recording of this call beside this page."));
  }

  stageOf(call) {
    this.cursor = Say.html("div", { class: "cursor", hidden: true });
    this.stage = Say.html("div", { class: "stage" }, Wave.large(call), this.bandsOf(call), this.cursor);
    this.stage.addEventListener("click", (event) => {
      const box = this.stage.getBoundingClientRect();
      this.seek((event.clientX - box.left) / box.width * this.length);
    });
    const end = Say.html("span", {}, Say.length(call.wave_s) || "");
    return Say.html("div", {}, this.stage, Say.html("div", { class: "ruler quiet" }, Say.html("span", {}, "0:00"),
      Say.html("span", { class: "key" }, ...this.keyOf(call)), end));
  }

  keyOf(call) {
    if (call.channels < 2) return [];
    return [Say.html("span", { class: "dot caller" }), "caller", Say.html("span", { class: "dot server" }), "server"];
  }

  /* Interruptions as marks over the waveform. */
  bandsOf(call) {
    const marks = call.turns.filter((turn) => turn[1] === "interruption").map(([side, , start, end]) => {
      const mark = Say.html("div", { class: `band ${side}`, title: `interruption by the ${side}` });
      mark.style.left = `${start / this.length * 100}%`;
      mark.style.width = `${Math.max(0.3, (end - start) / this.length * 100)}%`;
      return mark;
    });
    return Say.html("div", { class: "bands", "aria-hidden": "true" }, ...marks);
  }

  get length() {
    return this.call.wave_s || this.call.duration_s || 1;
  }

  addSound(call) {
    this.audio = Say.html("audio", { controls: true, preload: "none", "aria-label": "recording" });
    this.audio.src = call.sounds[0];
    this.audio.addEventListener("timeupdate", () => this.move());
    this.audio.addEventListener("error", () => this.fail());
    this.said = Say.html("p", { class: "quiet", role: "status" });
    this.element.append(this.audio, this.partsOf(call), this.said);
  }

  partsOf(call) {
    if (call.sounds.length < 2) return "";
    const buttons = call.sounds.map((sound, at) => {
      const button = Say.html("button", { type: "button", class: "choice" }, `Part ${at + 1}`);
      button.addEventListener("click", () => {
        this.part = at;
        this.audio.src = sound;
        this.play();
      });
      return button;
    });
    return Say.html("p", { class: "choices" }, ...buttons);
  }

  fail() {
    this.said.textContent = "The recording cannot be played: is the file still beside this page?";
  }

  play() {
    const playing = this.audio.play();
    if (playing) playing.catch(() => {});
  }

  /* A recording in parts cannot be searched through: its lengths are not known here. */
  seek(seconds) {
    if (!this.audio) return;
    const start = () => {
      this.audio.currentTime = Math.max(0, Math.min(seconds, this.audio.duration || seconds));
      this.move();
    };
    if (this.audio.readyState > 0) start();
    else this.audio.addEventListener("loadedmetadata", start, { once: true });
    this.play();
  }

  move() {
    if (!this.cursor || this.part > 0) return;
    this.cursor.hidden = false;
    this.cursor.style.left = `${Math.min(100, this.audio.currentTime / this.length * 100)}%`;
  }
}
