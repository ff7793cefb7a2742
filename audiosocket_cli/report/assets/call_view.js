"use strict";

/* The view of a call: what is in sight, where the cursor is, and what is chosen. The rest asks it, and tells it. */
class CallView {
  constructor(data) {
    this.data = data;
    this.axis = new CallAxis(data.duration_s);
    this.palette = new CallPalette();
    this.position = 0;
    this.hover = null;
    this.selection = null;
    this.turn = null;
    this.chosenMark = null;
    this.sound = new CallSound(document.getElementById("sound"), data.sound, () => this.tick());
    this.scene = new CallScene(this, document.getElementById("picture"), document.getElementById("over"));
    this.overview = new CallOverview(this, document.getElementById("strip"));
    this.lists = new CallLists(this);
    this.controls = new CallControls(this);
    this.pointer = new CallPointer(this, document.getElementById("over"));
    this.axis.changed = () => this.redraw();
    this.ticking = false;
  }

  start() {
    const resize = () => {
      this.scene.place();
      this.scene.resize();
      this.overview.resize();
    };
    new ResizeObserver(resize).observe(document.getElementById("stage"));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.recolour());
    window.addEventListener("beforeprint", () => callPaper.begin(this));
    window.addEventListener("afterprint", () => callPaper.end(this));
    resize();
    this.goToHash();
    window.addEventListener("hashchange", () => this.goToHash());
    this.controls.refresh();
  }

  /* An address that ends in #t=83.4 leads to that second. */
  goToHash() {
    const found = /^#t=(\d+(?:\.\d+)?)$/.exec(location.hash);
    if (found) this.goTo(this.axis.clamp(Number(found[1])));
  }

  recolour() {
    this.palette.read();
    this.scene.recolour();
    this.overview.resize();
  }

  redraw() {
    this.scene.redraw();
    this.overview.draw();
  }

  /* The cursor moved, or playing began or ended. */
  tick() {
    this.position = this.axis.clamp(this.sound.at);
    this.scene.refresh();
    this.overview.draw();
    this.controls.refresh();
    if (this.sound.isPlaying && !this.ticking) this.follow();
  }

  /* Each frame while it plays: the picture turns a page where the cursor leaves it. */
  follow() {
    this.ticking = true;
    requestAnimationFrame(() => {
      this.ticking = false;
      const wasInside = this.position <= this.axis.end;
      this.tick();
      if (wasInside && this.position > this.axis.end) this.axis.show(this.position, this.position + this.axis.span);
    });
  }

  togglePlay() {
    if (!this.sound.isPlaying) this.axis.reveal(this.position);
    this.sound.toggle();
  }

  /* Put the cursor there, and forget what was chosen. */
  seek(at) {
    this.choose(null, null);
    this.setPosition(at);
  }

  goTo(at) {
    this.seek(at);
    this.axis.reveal(at);
  }

  setPosition(at) {
    this.sound.seek(at);
    this.position = this.axis.clamp(at);
    this.scene.refresh();
    this.overview.draw();
    this.controls.refresh();
  }

  choose(turn, mark) {
    this.turn = turn === null ? null : this.data.turns[turn];
    this.chosenMark = mark;
    this.lists.show(turn, mark);
    this.scene.redraw();
  }

  chooseTurn(number) {
    const turn = this.data.turns[number];
    this.choose(number, null);
    this.setPosition(turn.start_s);
    this.axis.focus(turn.start_s - Math.max(turn.after_ms || 0, 0) / 1000, turn.end_s);
    const waited = turn.after_ms > 0 ? `, ${callText.length(turn.after_ms / 1000)} after the other side` : "";
    this.tell(`${callText.side(turn.side)}, ${callText.clock(turn.start_s)} to ${callText.clock(turn.end_s)}${waited}`);
  }

  chooseMark(number) {
    const mark = this.data.marks[number];
    this.choose(null, number);
    this.setPosition(mark.at_s);
    this.axis.reveal(mark.at_s);
    this.tell(`${callText.clock(mark.at_s)} ${mark.text}`);
  }

  /* A flag of several marks is opened, as far as the picture can. */
  chooseFlag(flag) {
    const marks = flag.numbers.map((number) => this.data.marks[number].at_s);
    const [first, last] = [marks[0], marks[marks.length - 1]];
    this.chooseMark(flag.numbers[0]);
    if (flag.numbers.length > 1 && this.axis.span > 2 * CallAxis.MIN_SPAN) {
      const span = Math.min(Math.max((last - first) * 1.2, 1), this.axis.span / 2);
      this.axis.show(first - span * 0.05, first + span * 0.95);
    }
  }

  /* To the next mark (1) or the one before (-1). */
  step(direction) {
    const marks = this.data.marks;
    let number = this.chosenMark;
    if (number === null) {
      number = this.scene.flags.firstFrom(this.position + (direction > 0 ? 1e-3 : 0));
      if (direction < 0) number -= 1;
    } else number += direction;
    if (number >= 0 && number < marks.length) this.chooseMark(number);
    else if (marks.length) this.tell(direction > 0 ? "No mark after this one." : "No mark before this one.");
  }

  zoom(factor) {
    const inside = this.position >= this.axis.start && this.position <= this.axis.end;
    this.axis.zoom(factor, inside ? this.position : (this.axis.start + this.axis.end) / 2);
  }

  showAs(what) {
    this.scene.show(what);
  }

  select(selection) {
    this.selection = selection;
    this.scene.refresh();
  }

  giveUp() {
    this.pointer.giveUp();
    this.choose(null, null);
    this.tell("");
  }

  setHover(at, flag, x) {
    this.hover = at;
    this.scene.refresh();
    const text = flag ? this.tipOf(flag) : at === null ? "" : callText.clock(at, this.axis.span < 20 ? 2 : 1);
    this.showTip(text, x);
  }

  tipOf(flag) {
    const [first] = flag.numbers;
    if (flag.numbers.length === 1) return this.data.marks[first].text;
    return `${flag.numbers.length} marks; the first: ${this.data.marks[first].text}`;
  }

  showTip(text, x) {
    const tip = document.getElementById("tip");
    tip.hidden = !text;
    if (!text) return;
    tip.textContent = text;
    const room = this.axis.width - Math.min(tip.offsetWidth, this.axis.width);
    tip.style.transform = `translateX(${Math.min(Math.max(x + 8, 0), room)}px)`;
  }

  tell(text) {
    document.getElementById("told").textContent = text;
  }

  bringIntoSight() {
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    document.getElementById("viewer").scrollIntoView({ block: "nearest", behavior: calm ? "auto" : "smooth" });
  }
}
