"use strict";

/* What an open row shows of its call: sound, facts, findings with their cure, turns. */
const Panel = (() => {
  const { html, measured } = Say;

  const part = (title, ...content) => html("section", {}, html("h3", {}, title), ...content);

  function factsOf(call, state) {
    const moment = Say.moment(call.at, state.isLocal);
    const zone = state.isLocal ? "your time" : "UTC";
    const sides = (ours) => `caller ${ours("caller")}, server ${ours("server")}`;
    const facts = [
      ["UUID", call.uuid || measured(null, "not known")],
      ["file", call.folder ? `${call.folder}/${call.name}` : call.name],
      ["peer", call.peer || measured(null, "not known")],
      ["began", moment ? `${moment.date}, ${moment.time} ${zone}` : measured(null, "not known")],
      ["length", measured(Say.length(call.duration_s))],
      ["ended by", call.ended_by ? `${call.ended_by} (${call.ended_how})` : measured(null, "not known")],
      ["reason", call.ended_reason || null],
      ["result", call.result || null],
      ["digits", call.digits ? html("code", {}, call.digits) : "none"],
      ["levels", sides((side) => {
        const level = Say.level(call[`${side}_dbfs`]);
        return level === null ? "not measured" : level === "silent" ? level : `${level} dBFS`;
      })],
      ["gaps", call.gap_count === null ? measured(null)
        : call.gap_count ? `${Say.figure.format(call.gap_count)}, ${Say.seconds(call.gaps_s)} in all` : "none"],
      ["late frames", call.late_frames === null ? measured(null) : Say.figure.format(call.late_frames)],
      ["rate", call.rate_hz === null ? measured(null) : `${Say.figure.format(call.rate_hz)} Hz`],
    ];
    const pairs = facts.filter(([, text]) => text !== null);
    return html("dl", {}, ...pairs.flatMap(([name, text]) => [html("dt", {}, name), html("dd", {}, text)]));
  }

  const idOf = (line) => {
    const tagged = / \[([a-z0-9-]+)\]$/.exec(line);
    return tagged ? tagged[1] : "";
  };

  function findingOf(line) {
    const id = idOf(line);
    const about = Calls.about.get(id);
    const text = id ? line.slice(0, -id.length - 3) : line;
    return html("li", {}, id ? html("span", { class: "chip unknown" }, id) : null, html("p", {}, text),
      about ? html("p", { class: "cure" }, html("b", {}, "Cure: "), about.cure) : null,
      about ? html("p", { class: "quiet" }, "More: ", html("code", {}, `audiosocket help finding ${id}`)) : null);
  }

  function findingsOf(call) {
    if (!call.findings.length && !call.findings_left) return html("p", { class: "quiet" }, "No findings.");
    const more = call.findings_left ? html("p", { class: "quiet" },
      `${Say.count(call.findings_left, "more line")} in the JSON of the call.`) : null;
    return html("div", {}, html("ul", { class: "findings" }, ...call.findings.map(findingOf)), more);
  }

  function turnRow([side, kind, start, end, after], player) {
    const button = html("button", { type: "button", class: "at" }, Say.length(start));
    button.addEventListener("click", () => player.seek(start));
    const waited = kind === "turn" && after !== null ? Say.latency(after) : "";
    return html("tr", {}, html("td", {}, player.audio ? button : Say.length(start)),
      html("td", {}, html("span", { class: `dot ${side}` }), side), html("td", {}, kind),
      html("td", {}, Say.length(Math.max(0, end - start))), html("td", {}, waited));
  }

  function shares(call) {
    const total = call.talk_caller_s + call.talk_server_s;
    if (!total) return null;
    const caller = Math.round(call.talk_caller_s / total * 100);
    const bar = html("span", { class: "share" });
    bar.style.setProperty("--caller-share", `${caller}%`);
    return html("p", {}, bar, ` talk: caller ${caller} %, server ${100 - caller} %`);
  }

  function turnFigures(call) {
    const latency = call.latency_ms === null ? "no answer measured"
      : `answers after ${Say.latency(call.latency_ms)} (median), ${Say.latency(call.slowest_ms)} (slowest)`;
    const over = `interrupted ${call.by_server}\u00d7 by the server, ${call.by_caller}\u00d7 by the caller`;
    return html("p", {}, `${latency}; ${over}; dead air ${Say.seconds(call.dead_air_s)}`);
  }

  function turnsOf(call, player) {
    if (call.talkedOver === null) return html("p", { class: "quiet" }, "Not measured.");
    const heads = ["At", "Who", "What", "Length", "After"].map((head) => html("th", { scope: "col" }, head));
    const rows = call.turns.map((turn) => turnRow(turn, player));
    const table = html("table", { class: "turns" }, html("thead", {}, html("tr", {}, ...heads)),
      html("tbody", {}, ...rows));
    const shown = html("div", { class: "scrolled", tabindex: 0, role: "group", "aria-label": "turns" }, table);
    const more = call.turns_left ? html("p", { class: "quiet" },
      `${Say.count(call.turns_left, "more turn")} ${call.page ? "on the page of the call." : "in its JSON."}`) : null;
    return html("div", {}, turnFigures(call), shares(call), rows.length ? shown : null, more);
  }

  function of(call, state) {
    const player = new DayPlayer(call);
    const link = call.page ? html("p", { class: "whole" }, html("a", { href: call.page }, "Open the page of this call"))
      : null;
    return html("div", { class: "inside" }, player.element, link, html("div", { class: "parts" },
      part("Findings", findingsOf(call)), part("Turns", turnsOf(call, player)), part("Facts", factsOf(call, state))));
  }

  return { of };
})();
