"use strict";

/* What is chosen: filters, order, the open call. It is kept in the fragment of the address, so it can be linked. */
class DayState {
  constructor(orders, onChange) {
    this.orders = orders;
    this.onChange = onChange;
    this.read();
    window.addEventListener("hashchange", () => {
      if (location.hash.slice(1) === this.fragment()) return;
      this.read();
      onChange(true);
    });
  }

  read() {
    const given = new URLSearchParams(location.hash.slice(1));
    const words = (name) => new Set((given.get(name) || "").split(",").filter(Boolean));
    const whole = (name, most) => {
      const text = given.get(name) || "";
      return /^\d{1,6}$/.test(text) && Number(text) <= most ? Number(text) : null;
    };
    const order = given.get("sort") || "";
    const name = order.replace(/^-/, "");
    this.find = given.get("find") || "";
    this.findings = words("finding");
    this.only = new Set(Filter.KINDS.map(([name]) => name).filter((name) => words("only").has(name)));
    this.hour = whole("hour", 23);
    this.weekday = whole("weekday", 6);
    this.sort = this.orders.includes(name) ? name : "worst";
    this.isDown = this.sort !== "worst" && order.startsWith("-");
    this.page = whole("page", 999999) || 1;
    this.open = given.get("call") || "";
    this.isLocal = given.get("zone") === "local";
  }

  fragment() {
    const parts = new URLSearchParams();
    const put = (name, value) => { if (value) parts.set(name, value); };
    put("find", this.find);
    put("finding", [...this.findings].join(","));
    put("only", [...this.only].join(","));
    put("hour", this.hour === null ? "" : String(this.hour));
    put("weekday", this.weekday === null ? "" : String(this.weekday));
    put("sort", this.sort === "worst" ? "" : (this.isDown ? "-" : "") + this.sort);
    put("page", this.page > 1 ? String(this.page) : "");
    put("zone", this.isLocal ? "local" : "");
    put("call", this.open);
    return parts.toString();
  }

  get isFiltered() {
    return Boolean(this.find || this.findings.size || this.only.size || this.hour !== null || this.weekday !== null);
  }

  clear() {
    this.change({ find: "", findings: new Set(), only: new Set(), hour: null, weekday: null });
  }

  /* Filters and order begin again at the first page, unless a page is chosen. */
  change(values) {
    if (!("open" in values)) this.page = 1;
    Object.assign(this, values);
    const fragment = this.fragment();
    history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search);
    this.onChange(false);
  }

  toggle(name, value) {
    const values = new Set(this[name]);
    if (!values.delete(value)) values.add(value);
    this.change({ [name]: values });
  }
}
