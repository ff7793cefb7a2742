"use strict";

/* The flags of marks above the sound: which lie where, which are joined as there is no room, and what a point hits. */
class CallFlags {
  static LANES = 2; // none in a call without a mark
  static LANE = 20; // pixels
  static MAX_LABEL = 14; // characters of a label

  constructor(marks, palette) {
    this.marks = marks;
    this.palette = palette;
    this.widths = new Map();
    this.flags = [];
    if (!marks.length) CallFlags.LANES = 0;
    this.longest = marks.reduce((most, mark) => Math.max(most, (mark.to_s || mark.at_s) - mark.at_s), 0);
  }

  static get height() {
    return CallFlags.LANES * CallFlags.LANE + 2;
  }

  /* The marks that can be seen, as a range of numbers; those that began before and last are among them. */
  visible(axis, before = 0) {
    const first = this.firstFrom(axis.start - before);
    let last = first;
    while (last < this.marks.length && this.marks[last].at_s <= axis.end) last++;
    return [first, last];
  }

  firstFrom(at) {
    let low = 0;
    let high = this.marks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.marks[middle].at_s < at) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /* Put a flag for each mark where there is room; a mark without room joins the flag before it. */
  place(context, axis) {
    const ends = new Array(CallFlags.LANES).fill(-Infinity);
    const [first, last] = this.visible(axis, axis.span * 0.1);
    this.flags = [];
    context.font = this.palette.text(11, 600);
    for (let number = first; number < last; number++) {
      const flag = { x: axis.x(this.marks[number].at_s), numbers: [number] };
      flag.width = this.widthOf(context, this.label(flag));
      flag.left = Math.min(flag.x, axis.width - flag.width);
      flag.lane = ends.findIndex((end) => flag.left >= end + 2);
      if (flag.lane < 0) CallFlags.join(this.flags[this.flags.length - 1], number, ends);
      else {
        ends[flag.lane] = flag.left + flag.width;
        this.flags.push(flag);
      }
    }
  }

  static join(flag, number, ends) {
    flag.numbers.push(number);
    flag.width = Math.max(flag.width, 30);
    ends[flag.lane] = Math.max(ends[flag.lane], flag.left + flag.width);
  }

  label(flag) {
    const count = flag.numbers.length;
    if (count > 1) return count > 999 ? "999+" : `${count} ×`;
    const label = this.marks[flag.numbers[0]].label;
    return label.length > CallFlags.MAX_LABEL ? label.slice(0, CallFlags.MAX_LABEL - 1) + "…" : label;
  }

  widthOf(context, label) {
    let width = this.widths.get(label);
    if (width === undefined) {
      width = Math.max(16, Math.ceil(context.measureText(label).width) + 10);
      this.widths.set(label, width);
    }
    return width;
  }

  /* The colours of a flag: of what is worst in it. */
  colours(flag) {
    const rank = flag.numbers.reduce((most, number) => Math.max(most, CallFlags.rank(this.marks[number].kind)), 0);
    const name = ["calm", "warn", "bad"][rank];
    return [this.palette.get(name), this.palette.get(`${name}-text`)];
  }

  static rank(kind) {
    if (kind === "finding") return 2;
    return kind === "gap" || kind === "burst" || kind === "late" ? 1 : 0;
  }

  draw(context, bottom, chosen) {
    const isChosen = (flag) => flag.numbers.includes(chosen);
    for (const flag of this.flags) {
      this.drawStem(context, flag, bottom, isChosen(flag) ? this.palette.get("text") : this.colours(flag)[1]);
    }
    for (const flag of this.flags) { // after all stems, none of which may cross a label
      const [ground, text] = this.colours(flag);
      this.drawFlag(context, flag, isChosen(flag) ? text : ground, isChosen(flag) ? ground : text);
    }
  }

  drawStem(context, flag, bottom, colour) {
    const top = flag.lane * CallFlags.LANE + CallFlags.LANE - 2;
    context.globalAlpha = 0.3;
    context.fillStyle = colour;
    context.fillRect(Math.round(flag.x), top, 1, bottom - top);
    context.globalAlpha = 1;
  }

  drawFlag(context, flag, ground, text) {
    const top = flag.lane * CallFlags.LANE + 1;
    context.fillStyle = ground;
    context.fillRect(flag.left, top, flag.width, CallFlags.LANE - 3);
    context.fillStyle = text;
    if (flag.left === flag.x) context.fillRect(Math.round(flag.x), top, 2, CallFlags.LANE - 3);
    context.font = this.palette.text(11, 600);
    context.textAlign = "center";
    context.textBaseline = "middle";
    context.fillText(this.label(flag), flag.left + flag.width / 2 + 1, top + CallFlags.LANE / 2 - 1, flag.width - 4);
  }

  /* What passed on one side from one second to another, such as a gap, shaded in its track. */
  drawStretches(context, axis, tracks) {
    const [first, last] = this.visible(axis, this.longest);
    context.fillStyle = this.palette.get("warn-text");
    context.globalAlpha = 0.18;
    context.beginPath();
    for (let number = first; number < last; number++) {
      const mark = this.marks[number];
      if (mark.to_s === null || mark.to_s < axis.start || CallFlags.rank(mark.kind) === 0) continue;
      const x = axis.x(mark.at_s);
      const width = Math.max(axis.x(mark.to_s) - x, 1);
      for (const track of tracks) {
        if (!mark.side || track.side === mark.side || track.side === "mixed") {
          context.rect(x, track.top, width, track.height);
        }
      }
    }
    context.fill();
    context.globalAlpha = 1;
  }

  /* The flag at a point; undefined where there is none. */
  hit(x, y) {
    return this.flags.find((flag) => {
      const top = flag.lane * CallFlags.LANE;
      return x >= flag.left - 1 && x <= flag.left + flag.width + 1 && y >= top && y < top + CallFlags.LANE;
    });
  }
}
