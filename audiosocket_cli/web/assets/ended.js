"use strict";

/* The list of calls that have ended: what the server's index says, in pages, and anew after a call has ended. */
(() => {
  const PAGE = 50;
  const TYPED_MS = 250;
  const ENDED_MS = 1500;

  const byId = (id) => document.getElementById(id);
  const list = byId("ended");
  if (!list) return;
  const make = (name, className, text) => CallRow.make(name, className, text);
  let shown = 0;
  let turn = 0;
  let timer = 0;

  /* What a person types is looked for where it can be: digits, a UUID, a finding, else who called. */
  function query() {
    const text = byId("find").value.trim();
    const asked = new URLSearchParams();
    if (!text) return asked;
    if (/^=?[0-9*#x]+$/.test(text)) asked.set("digits", text);
    else if (/^[0-9a-f]{2,8}(-[0-9a-f-]*)?$/i.test(text)) asked.set("uuid", text);
    else if (/^[a-z0-9]+(-[a-z0-9]+)*$/.test(text)) asked.set("finding", text);
    else asked.set("peer", `*${text}*`);
    return asked;
  }

  /* Today's calls with the time alone. */
  function moment(at) {
    const time = at.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit" });
    const day = at.toLocaleDateString([], { day: "numeric", month: "short", year: "2-digit" });
    return at.toDateString() === new Date().toDateString() ? time : `${day}, ${time}`;
  }

  function rowOf(call) {
    const row = make("li", "row");
    const link = make("a", "", call.uuid || call.call);
    link.href = `/calls/${call.call.split("/").map(encodeURIComponent).join("/")}`;
    const time = make("time", "", call.started_at ? moment(new Date(call.started_at)) : "–");
    if (call.started_at) time.dateTime = call.started_at;
    const facts = make("div", "facts");
    facts.append(make("span", "peer", call.peer || "–"));
    const digits = call.digits && call.digits.length > 40 ? `${call.digits.slice(0, 40)}…` : call.digits;
    if (digits) facts.append(make("span", "digits", digits));
    if (call.result) facts.append(make("span", "result", `result ${call.result}`));
    for (const id of call.finding_ids.slice(0, 5)) facts.append(make("span", "chip unknown", id));
    if (call.finding_ids.length > 5) facts.append(make("span", "note", `${call.finding_ids.length - 5} more`));
    if (call.latency_p50_ms !== null) facts.append(make("span", "note", `answers in ${call.latency_p50_ms} ms`));
    const end = make("span", "end", CallRow.howEnded(call));
    row.append(time, link, make("span", "length", CallRow.duration(call.duration_s)), facts, end);
    return row;
  }

  function showState(text) {
    byId("ended-state").textContent = text;
  }

  /* Ask for rows from `offset` on; an answer that is no longer wanted is dropped. */
  async function load(offset, limit) {
    const mine = (turn += 1);
    const asked = query();
    asked.set("offset", String(offset));
    asked.set("limit", String(limit));
    try {
      const answer = await fetch(`/api/ended?${asked}`);
      const told = await answer.json();
      if (mine !== turn) return;
      if (answer.ok) show(told, offset);
      else showState(told.error);
    } catch {
      if (mine === turn) showState("The server does not answer.");
    }
  }

  function show(told, offset) {
    const rows = told.calls.map(rowOf);
    if (offset) list.append(...rows);
    else list.replaceChildren(...rows);
    shown = offset + rows.length;
    byId("ended-count").textContent = String(told.count);
    byId("more-ended").hidden = shown >= told.count;
    const none = byId("find").value.trim() ? "No call matches." : "No call has ended yet.";
    showState(told.count ? "" : none);
  }

  function later(milliseconds) {
    clearTimeout(timer);
    timer = setTimeout(() => load(0, Math.min(500, Math.max(PAGE, shown))), milliseconds);
  }

  byId("find").addEventListener("input", () => {
    shown = 0;
    later(TYPED_MS);
  });
  byId("more-ended").addEventListener("click", () => load(shown, PAGE));
  document.addEventListener("call-ended", () => later(ENDED_MS));
  showState("Reading calls…");
  load(0, PAGE);
})();
