"use strict";

/* One call on the page of live calls. All text comes from the wire or from files: it is only ever set as text. */
class CallRow {
  static MIN_DBFS = -60;
  static MAX_FINDINGS = 32;

  /* `call` as in /api/calls, `nowMs` when its duration was taken; `actions` has hangUp(call) and listen(row, isOn). */
  constructor(call, nowMs, actions) {
    this.actions = actions;
    this.element = CallRow.make("li", "call");
    this.code = CallRow.make("code");
    this.peer = CallRow.make("span", "peer");
    this.age = CallRow.make("span", "age");
    this.digits = CallRow.make("span", "digits");
    this.result = CallRow.make("span", "result");
    this.note = CallRow.make("span", "note");
    this.listeners = CallRow.make("span", "note");
    this.panel = null;
    this.bars = { caller: CallRow.meter("caller"), server: CallRow.meter("server") };
    this.findings = CallRow.make("details");
    this.summary = CallRow.make("summary");
    this.list = CallRow.make("ul");
    this.findings.append(this.summary, this.list);
    this.buttons = CallRow.make("div", "actions");
    const who = CallRow.make("div", "who");
    const meters = CallRow.make("div", "meters");
    const facts = CallRow.make("div", "facts");
    who.append(this.code, this.peer);
    meters.append(this.bars.caller, this.bars.server);
    facts.append(this.digits, this.result, this.findings, this.note, this.listeners);
    this.element.append(who, this.age, meters, facts, this.buttons);
    this.showButtons();
    this.update(call, nowMs);
  }

  static make(name, className, text) {
    const element = document.createElement(name);
    if (className) element.className = className;
    if (text !== undefined) element.textContent = CallRow.printable(text);
    return element;
  }

  /* Escape what would hide or reorder text, as the command does on a terminal. */
  static printable(text) {
    const escaped = (char) => `\\u${char.codePointAt(0).toString(16).padStart(4, "0")}`;
    return String(text).replace(/[\p{C}\u2028\u2029]/gu, escaped);
  }

  static button(text, className, onClick) {
    const button = CallRow.make("button", className, text);
    button.type = "button";
    button.addEventListener("click", onClick);
    return button;
  }

  static meter(side) {
    const meter = CallRow.make("div", `meter ${side}`);
    meter.setAttribute("role", "meter");
    meter.setAttribute("aria-label", `Level of the ${side} in dBFS`);
    meter.setAttribute("aria-valuemin", "-90");
    meter.setAttribute("aria-valuemax", "0");
    meter.setAttribute("aria-valuenow", "-90");
    meter.append(CallRow.make("div"));
    return meter;
  }

  static duration(seconds) {
    if (typeof seconds !== "number") return "–";
    const whole = Math.max(0, Math.floor(seconds));
    const two = (number) => String(number).padStart(2, "0");
    const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
    return hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  }

  /* Show a call as it is now. */
  update(call, nowMs) {
    this.call = call;
    this.begunMs = nowMs - 1000 * call.duration_s;
    this.code.textContent = CallRow.printable(call.uuid);
    this.code.title = CallRow.printable(`${call.uuid}, since ${call.started_at}`);
    this.peer.textContent = CallRow.printable(call.server ? `${call.peer} → ${call.server}` : call.peer);
    this.tick(nowMs);
    this.level("caller", call.levels_dbfs[0]);
    this.level("server", call.levels_dbfs[1]);
    this.showListeners(call.listeners);
    this.showDigits();
    this.showFindings();
    this.showState();
  }

  tick(nowMs) {
    if (this.call.state !== "ended") this.age.textContent = CallRow.duration((nowMs - this.begunMs) / 1000);
  }

  level(side, dbfs) {
    const share = dbfs === null ? 0 : Math.min(1, Math.max(0, 1 - dbfs / CallRow.MIN_DBFS));
    const meter = this.bars[side];
    meter.firstChild.style.transform = `scaleX(${share.toFixed(3)})`;
    meter.setAttribute("aria-valuenow", dbfs === null ? "-90" : String(dbfs));
  }

  /* Take a digit; one that is counted already changes nothing. */
  press(event) {
    if (event.digit_count <= this.call.digit_count) return;
    this.call.digit_count = event.digit_count;
    this.call.digits = ((this.call.digits || "") + event.digit).slice(-100);
    this.showDigits();
  }

  find(event) {
    const known = this.call.findings || [];
    if (known.some((each) => each.finding === event.finding)) return;
    this.call.findings = [...known, event];
    this.showFindings();
  }

  end(call, nowMs) {
    this.update(call, nowMs);
    this.age.textContent = CallRow.duration(call.duration_s);
    this.element.classList.add("ended");
    this.buttons.replaceChildren();
  }

  showDigits() {
    const digits = (this.call.digits || "").slice(-100);
    this.digits.textContent = (this.call.digit_count > digits.length ? "…" : "") + CallRow.printable(digits);
    this.digits.title = `${this.call.digit_count} digits`;
  }

  showFindings() {
    const findings = (this.call.findings || []).slice(0, CallRow.MAX_FINDINGS);
    this.findings.hidden = findings.length === 0;
    const text = findings.length === 1 ? "1 finding" : `${findings.length} findings`;
    this.summary.replaceChildren(CallRow.make("span", "chip unknown", `! ${text}`));
    this.list.replaceChildren(...findings.map((each) => CallRow.make("li", "", each.finding)));
  }

  showState() {
    const { state, result } = this.call;
    this.result.textContent = result === null ? "" : CallRow.printable(`result ${result}`);
    if (state === "ending") this.note.textContent = "is ending";
    else if (state === "ended") this.note.textContent = CallRow.printable(CallRow.howEnded(this.call));
    else this.note.textContent = "";
  }

  static howEnded(call) {
    const { ended_by: by, ended_reason: reason } = call;
    if (!reason) return by ? `ended by the ${by}` : "ended";
    return !by || reason.startsWith(by) ? reason : `${by}: ${reason}`;
  }

  showListeners(listeners) {
    this.listeners.textContent = listeners.length ? CallRow.printable(`heard by ${listeners.join(", ")}`) : "";
  }

  showButtons() {
    const listen = this.actions.listen ? [this.listenButton()] : [];
    this.buttons.replaceChildren(...listen, CallRow.button("Hang up", "", () => this.ask()));
  }

  listenButton() {
    const button = CallRow.button("Listen", "", () => {
      const isOn = button.getAttribute("aria-pressed") !== "true";
      button.setAttribute("aria-pressed", String(isOn));
      this.actions.listen(this, isOn);
    });
    button.setAttribute("aria-pressed", String(Boolean(this.panel)));
    return button;
  }

  /* Ask before a call is hung up. */
  ask() {
    const sure = CallRow.button("Hang up now", "danger", () => this.hangUp(sure));
    const keep = CallRow.button("Keep", "", () => {
      this.showButtons();
      this.buttons.lastChild.focus();
    });
    this.buttons.replaceChildren(sure, keep);
    keep.focus();
  }

  async hangUp(button) {
    button.disabled = true;
    const problem = await this.actions.hangUp(this.call);
    if (this.call.state === "ended") return;
    this.note.textContent = problem;
    this.showButtons();
  }
}
