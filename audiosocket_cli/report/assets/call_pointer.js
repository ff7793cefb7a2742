"use strict";

/* What a mouse, fingers and a wheel do in the large picture. */
class CallPointer {
  static SLACK = 4; // pixels that a click may move

  constructor(view, target) {
    this.view = view;
    this.axis = view.axis;
    this.target = target;
    this.points = new Map();
    this.begun = null;
    this.pinch = null;
    this.scale = 1;
    const on = (name, handle, options) => target.addEventListener(name, (event) => handle.call(this, event), options);
    on("pointerdown", this.onDown);
    on("pointermove", this.onMove);
    on("pointerup", this.onUp);
    on("pointercancel", this.onCancel);
    on("pointerleave", this.onLeave);
    on("dblclick", () => this.axis.whole());
    on("wheel", this.onWheel, { passive: false });
    on("gesturestart", this.onGesture, { passive: false });
    on("gesturechange", this.onGesture, { passive: false });
  }

  place(event) {
    const box = this.target.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  onDown(event) {
    if (event.button) return;
    const point = this.place(event);
    this.target.setPointerCapture(event.pointerId);
    this.points.set(event.pointerId, point);
    if (this.points.size === 2) this.beginPinch();
    else if (this.points.size === 1) {
      this.begun = { ...point, at: this.axis.at(point.x), start: this.axis.start, moved: false };
    }
  }

  onMove(event) {
    const point = this.place(event);
    if (!this.points.has(event.pointerId)) {
      if (event.pointerType === "mouse") this.hover(point);
      return;
    }
    this.points.set(event.pointerId, point);
    if (this.pinch) this.movePinch();
    else if (this.begun) this.drag(event, point);
  }

  hover(point) {
    this.view.setHover(this.axis.at(point.x), this.view.scene.flags.hit(point.x, point.y), point.x);
  }

  /* A mouse selects, a finger moves. */
  drag(event, point) {
    if (Math.abs(point.x - this.begun.x) > CallPointer.SLACK) this.begun.moved = true;
    if (!this.begun.moved) return;
    if (event.pointerType === "mouse") {
      this.view.select([this.begun.at, this.axis.clamp(this.axis.at(point.x))]);
      return;
    }
    const start = this.begun.start - ((point.x - this.begun.x) / this.axis.width) * this.axis.span;
    this.axis.show(start, start + this.axis.span);
  }

  onUp(event) {
    const begun = this.begun;
    const selection = this.view.selection;
    this.forget(event);
    if (selection) this.zoomTo(selection);
    else if (begun && !begun.moved) this.choose(begun);
  }

  zoomTo(selection) {
    this.view.select(null);
    this.axis.show(Math.min(...selection), Math.max(...selection));
  }

  choose(point) {
    const flag = this.view.scene.flags.hit(point.x, point.y);
    if (flag) this.view.chooseFlag(flag);
    else this.view.seek(this.axis.clamp(point.at));
  }

  onCancel(event) {
    this.forget(event);
    this.view.select(null);
  }

  onLeave() {
    this.view.setHover(null);
  }

  forget(event) {
    this.points.delete(event.pointerId);
    this.begun = null;
    if (this.points.size < 2) this.pinch = null;
  }

  /* Give up a selection that is being drawn. */
  giveUp() {
    this.begun = null;
    this.view.select(null);
  }

  beginPinch() {
    const [one, other] = [...this.points.values()];
    this.begun = null;
    this.view.select(null);
    this.pinch = { distance: Math.max(Math.abs(one.x - other.x), 10), span: this.axis.span,
      at: this.axis.at((one.x + other.x) / 2) };
  }

  /* The second between the fingers stays between them. */
  movePinch() {
    const [one, other] = [...this.points.values()];
    const { distance, span, at } = this.pinch;
    const now = Math.max(Math.abs(one.x - other.x), 10);
    const wanted = Math.min(Math.max((span * distance) / now, CallAxis.MIN_SPAN), this.axis.duration);
    const start = at - ((one.x + other.x) / 2 / this.axis.width) * wanted;
    this.axis.show(start, start + wanted);
  }

  /* What Safari sends in place of a wheel with Ctrl. */
  onGesture(event) {
    event.preventDefault();
    if (this.points.size) return; // of a touch screen, whose fingers are known
    if (event.type === "gesturechange") this.axis.zoom(this.scale / event.scale, this.axis.at(this.place(event).x));
    this.scale = event.scale;
  }

  /* With Ctrl, as two fingers on a touchpad send it, a wheel zooms; sideways it moves; else the page scrolls. */
  onWheel(event) {
    const unit = event.deltaMode === 1 ? 16 : event.deltaMode === 2 ? 400 : 1;
    if (event.ctrlKey) {
      event.preventDefault();
      const turned = Math.min(Math.max(event.deltaY * unit, -60), 60);
      this.axis.zoom(Math.exp(turned * 0.008), this.axis.at(this.place(event).x));
      return;
    }
    const sideways = event.shiftKey && !event.deltaX ? event.deltaY : event.deltaX;
    if (!sideways || Math.abs(sideways) < Math.abs(event.shiftKey ? 0 : event.deltaY)) return;
    event.preventDefault();
    this.axis.move(((sideways * unit) / this.axis.width) * this.axis.span);
  }
}
