"use strict";

/* The page of live calls: one stream of events keeps it up to date. */
(() => {
  const MAX_ROWS = 300;
  const ENDED_MS = 6000;
  const NEWS_MS = 3000;

  const byId = (id) => document.getElementById(id);
  const list = byId("live");
  const calls = new Map(); // by id, in the order of their beginnings
  const rows = new Map(); // of those that are drawn, the newest first on the page
  const news = { count: 0, peer: "", timer: 0 };
  let count = 0;

  const actions = { hangUp, listen: window.ListenPanel ? listen : null };

  function showState(text, className) {
    byId("state").textContent = text;
    byId("state").className = className;
  }

  function showCounts() {
    byId("live-count").textContent = String(count);
    byId("nobody").hidden = count > 0 || rows.size > 0;
    const more = count - [...rows.keys()].filter((id) => calls.has(id)).length;
    byId("more-live").textContent = more > 0 ? `${more} more ${more === 1 ? "call is" : "calls are"} not shown.` : "";
    document.title = count ? `${count} ${count === 1 ? "call" : "calls"}` : "Calls";
  }

  function drawNewest(call) {
    const row = new CallRow(call, performance.now(), actions);
    rows.set(call.id, row);
    list.prepend(row.element);
    if (rows.size > MAX_ROWS) undraw([...rows.values()].find((each) => !each.panel) || row);
  }

  /* Take a row off the page, if it is still there: its id may be that of another call since the server began anew. */
  function undraw(row) {
    if (rows.get(row.call.id) !== row) return;
    rows.delete(row.call.id);
    if (row.panel) row.panel.remove();
    row.element.remove();
  }

  /* Draw the newest call that is not drawn, where there is room, at the end: it is older than all that are. */
  function fill() {
    if (rows.size >= MAX_ROWS) return;
    const waiting = [...calls.values()].reverse().find((call) => !rows.has(call.id));
    if (!waiting) return;
    const row = new CallRow(waiting, waiting.takenMs, actions);
    row.tick(performance.now());
    rows.set(waiting.id, row);
    list.append(row.element);
  }

  const isSame = (call, other) => other && call.uuid === other.uuid && call.started_at === other.started_at;

  function takeAll(told) {
    const now = performance.now();
    calls.clear();
    count = told.count;
    for (const call of told.calls) calls.set(call.id, Object.assign(call, { takenMs: now }));
    for (const row of [...rows.values()]) if (!isSame(row.call, calls.get(row.call.id))) undraw(row);
    for (const call of [...calls.values()].slice(-MAX_ROWS)) {
      if (rows.has(call.id)) rows.get(call.id).update(call, now);
      else drawNewest(call);
    }
    showCounts();
  }

  function showAbout(about) {
    const isReady = about.state === "ready";
    const parts = [`audiosocket ${about.name} ${about.version}`];
    if (about.answered_by) parts.push(`answered by ${about.answered_by}`);
    if (about.targets.length) parts.push(`passed on to ${about.targets.join(", ")}`);
    byId("about").textContent = CallRow.printable(parts.join(" · "));
    showState(isReady ? "Live" : `The server is ${about.state}`, isReady ? "on" : "");
  }

  /* A call has begun, changed or ended. */
  function takeCall(call) {
    if (call.state === "ended") takeEnded(call);
    else if (!calls.has(call.id)) takeBegun(call);
    else {
      calls.set(call.id, Object.assign(call, { takenMs: performance.now() }));
      if (rows.has(call.id)) rows.get(call.id).update(call, performance.now());
    }
  }

  function takeBegun(call) {
    calls.set(call.id, Object.assign(call, { takenMs: performance.now() }));
    drawNewest(call);
    tellNews(call);
    showCounts();
  }

  /* Tell screen readers of new calls, politely: of many at once in one sentence. */
  function tellNews(call) {
    news.count += 1;
    news.peer = call.peer;
    if (news.timer) return;
    news.timer = setTimeout(() => {
      byId("news").textContent = news.count === 1 ? `New call from ${news.peer}` : `${news.count} new calls`;
      Object.assign(news, { count: 0, timer: 0 });
    }, NEWS_MS);
  }

  function takeEnded(call) {
    calls.delete(call.id);
    const row = rows.get(call.id);
    if (row) {
      row.end(call, performance.now());
      setTimeout(() => {
        undraw(row);
        fill();
        showCounts();
      }, ENDED_MS);
    }
    showCounts();
    document.dispatchEvent(new CustomEvent("call-ended"));
  }

  function takeLevels(told) {
    for (const [id, [caller, server]] of Object.entries(told.levels)) {
      const row = rows.get(id);
      if (!row) continue;
      row.level("caller", caller);
      row.level("server", server);
    }
  }

  function takeCount(told) {
    count = told.count;
    showCounts();
  }

  async function hangUp(call) {
    try {
      const answer = await fetch(`/api/calls/${call.id}/hangup`, { method: "POST" });
      return answer.ok ? "" : (await answer.json()).error;
    } catch {
      return "the server does not answer";
    }
  }

  /* Play the sound of a call below its row, or play it no more. */
  function listen(row, isOn) {
    if (row.panel) row.panel.remove();
    row.panel = null;
    if (!isOn) return;
    const host = CallRow.make("div", "panel");
    row.element.append(host);
    const panel = new window.ListenPanel(host, `/api/calls/${row.call.id}/sound`);
    panel.listener.start();
    row.panel = { remove: () => (panel.listener.stop(), host.remove()) };
  }

  const TAKES = {
    about: showAbout,
    calls: takeAll,
    call: takeCall,
    count: takeCount,
    levels: takeLevels,
    digit: (event) => rows.has(event.id) && rows.get(event.id).press(event),
    finding: (event) => rows.has(event.id) && rows.get(event.id).find(event),
    listened: (event) => rows.has(event.id) && rows.get(event.id).showListeners(event.listeners),
  };

  /* When the stream breaks, the browser tries again; when it may not look any more, it has to log in. */
  async function onBroken(stream) {
    showState("The server does not answer: trying again", "off");
    if (stream.readyState !== EventSource.CLOSED) return;
    try {
      const answer = await fetch("/api/calls");
      if (answer.status === 401) location.assign("/login");
      else if (answer.status === 503) showState((await answer.json()).error, "off");
    } catch {
      // It does not answer.
    }
    setTimeout(open, 3000);
  }

  function open() {
    const stream = new EventSource("/api/events");
    for (const [name, take] of Object.entries(TAKES)) {
      stream.addEventListener(name, (event) => take(JSON.parse(event.data)));
    }
    stream.addEventListener("error", () => onBroken(stream));
  }

  setInterval(() => {
    const now = performance.now();
    for (const row of rows.values()) row.tick(now);
  }, 1000);
  open();
})();
