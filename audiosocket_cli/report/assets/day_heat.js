"use strict";

/* When the calls were: by hour, and by weekday where there are several days. A choice filters. */
class DayHeat {
  constructor(place, state) {
    this.place = place;
    this.state = state;
    place.addEventListener("click", (event) => {
      const cell = event.target.closest("button");
      if (cell) this.choose(cell);
    });
  }

  choose(cell) {
    const hour = Number(cell.dataset.hour);
    const weekday = cell.dataset.weekday === undefined ? null : Number(cell.dataset.weekday);
    const isChosen = this.state.hour === hour && this.state.weekday === weekday;
    this.state.change(isChosen ? { hour: null, weekday: null } : { hour, weekday });
  }

  show(calls) {
    const moments = calls.map((call) => Say.moment(call.at, this.state.isLocal)).filter(Boolean);
    const isWeek = new Set(moments.map((moment) => moment.day)).size > 1;
    const days = isWeek ? [1, 2, 3, 4, 5, 6, 0] : [null];
    const counts = new Map();
    for (const { weekday, hour } of moments) {
      const key = `${isWeek ? weekday : ""} ${hour}`;
      counts.set(key, (counts.get(key) || 0) + 1);
    }
    const most = Math.max(1, ...counts.values());
    const focused = this.place.contains(document.activeElement) ? document.activeElement.id : "";
    this.place.replaceChildren(this.headOf(), ...days.map((day) => this.lineOf(day, counts, most)));
    if (focused && document.getElementById(focused)) document.getElementById(focused).focus();
  }

  headOf() {
    const hours = Array.from({ length: 24 }, (_, hour) => Say.html("span", {}, hour % 3 === 0 ? Say.two(hour) : ""));
    return Say.html("div", { class: "heat-line heads quiet", "aria-hidden": "true" },
      Say.html("span"), ...hours);
  }

  lineOf(day, counts, most) {
    const cells = Array.from({ length: 24 }, (_, hour) => this.cellOf(day, hour, counts, most));
    const name = day === null ? "" : Say.WEEKDAYS[day];
    return Say.html("div", { class: "heat-line", role: "group", "aria-label": name || "hours" },
      Say.html("span", { class: "quiet" }, name), ...cells);
  }

  cellOf(day, hour, counts, most) {
    const count = counts.get(`${day === null ? "" : day} ${hour}`) || 0;
    const isChosen = this.state.hour === hour && (day === null || this.state.weekday === day);
    const told = `${day === null ? "" : `${Say.WEEKDAYS[day]} `}${Say.two(hour)}:00, ${Say.count(count, "call")}`;
    const cell = Say.html("button", { type: "button", id: `heat-${day === null ? "d" : day}-${hour}`, title: told,
      "aria-label": told, "aria-pressed": String(isChosen), "data-hour": hour, "data-weekday": day,
      disabled: !count && !isChosen });
    cell.style.setProperty("--heat", count ? (0.15 + 0.85 * Math.sqrt(count / most)).toFixed(3) : "0");
    return cell;
  }
}
