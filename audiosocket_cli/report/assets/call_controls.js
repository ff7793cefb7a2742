"use strict";

/* The buttons above the picture, what the cursor shows, and the keys. */
class CallControls {
  constructor(view) {
    this.view = view;
    this.sound = view.sound;
    this.shownText = new Map();
    const click = (id, act) => this.find(id).addEventListener("click", act);
    click("play", () => view.togglePlay());
    click("earlier", () => view.step(-1));
    click("later", () => view.step(1));
    click("closer", () => view.zoom(0.5));
    click("wider", () => view.zoom(2));
    click("all", () => view.axis.whole());
    this.find("speed").addEventListener("change", (event) => this.sound.setSpeed(Number(event.target.value)));
    this.onChoice("heard", (value) => this.sound.hear(value));
    this.onChoice("shown", (value) => view.showAs(value));
    this.letGo();
    document.addEventListener("keydown", (event) => this.onKey(event));
    this.find("strip").addEventListener("keydown", (event) => this.onStripKey(event));
    this.prepare();
  }

  find(id) {
    return document.getElementById(id);
  }

  onChoice(name, act) {
    for (const input of document.querySelectorAll(`input[name=${name}]`)) {
      input.addEventListener("change", () => act(input.value));
    }
  }

  /* After a click with a mouse the keys are the picture's again. */
  letGo() {
    this.find("controls").addEventListener("click", (event) => {
      if (!event.detail || event.target.closest("select, summary")) return;
      setTimeout(() => document.activeElement && document.activeElement.blur());
    });
  }

  /* Leave out what this call has not. */
  prepare() {
    const { sound } = this;
    this.find("play").hidden = this.find("speed").hidden = !sound.element;
    this.find("heard").hidden = !sound.element;
    this.find("shown").hidden = !this.view.scene.tracks.some((track) => track.tiles);
    for (const id of ["earlier", "later"]) this.find(id).disabled = !this.view.data.marks.length;
    if (!sound.whyBothOnly) return;
    for (const input of document.querySelectorAll("input[name=heard]")) input.disabled = input.value !== "both";
    this.say("note", sound.whyBothOnly);
  }

  /* Show where the cursor is; only text that changed is written. */
  refresh() {
    const { view, sound } = this;
    this.say("play", sound.isPlaying ? "⏸ Pause" : "▶ Play");
    this.find("play").disabled = !sound.canPlay;
    if (sound.fault) this.say("note", sound.fault);
    this.say("now", callText.clock(view.position));
    this.say("day-time", callText.dayTime(view.data.started_at, view.position));
    for (const track of view.scene.tracks) {
      this.say(`level-${track.side}`, callText.peak(track.peaks.peakAt(view.position)));
    }
    const strip = this.find("strip");
    const spoken = callText.spoken(view.position);
    if (strip.getAttribute("aria-valuetext") === spoken) return;
    strip.setAttribute("aria-valuenow", String(Math.round(view.position)));
    strip.setAttribute("aria-valuetext", spoken);
  }

  say(id, text) {
    if (this.shownText.get(id) === text) return;
    this.shownText.set(id, text);
    const element = this.find(id);
    if (element) element.textContent = text;
  }

  onKey(event) {
    const typed = event.ctrlKey && event.altKey; // AltGr, with which some keyboards type [ and ]
    if (event.defaultPrevented || event.metaKey || (event.ctrlKey && !typed)) return;
    if (event.target.closest("select, input[type=text], textarea, input[type=search]")) return;
    const act = this.actOf(event);
    if (!act) return;
    event.preventDefault();
    act();
  }

  actOf(event) {
    const { view } = this;
    const isControl = event.target.closest("button, a, summary, input");
    const acts = {
      "[": () => view.step(-1), "]": () => view.step(1), "+": () => view.zoom(0.5), "=": () => view.zoom(0.5),
      "-": () => view.zoom(2), "0": () => view.axis.whole(), "?": () => this.toggleKeys(), Escape: () => view.giveUp(),
    };
    if (event.key === " ") return isControl ? null : () => view.togglePlay();
    if (event.key !== "ArrowLeft" && event.key !== "ArrowRight") return acts[event.key];
    if (event.altKey || event.target.closest("input")) return null;
    const seconds = (event.shiftKey ? 5 : 1) * (event.key === "ArrowLeft" ? -1 : 1);
    return () => view.goTo(view.axis.clamp(view.position + seconds));
  }

  onStripKey(event) {
    const ends = { Home: 0, End: this.view.axis.duration };
    const pages = { PageUp: -1, PageDown: 1 };
    if (event.key in ends) this.view.goTo(ends[event.key]);
    else if (event.key in pages) {
      this.view.goTo(this.view.axis.clamp(this.view.position + pages[event.key] * this.view.axis.span));
    } else return;
    event.preventDefault();
  }

  toggleKeys() {
    const keys = this.find("keys");
    keys.open = !keys.open;
  }
}
