// Listening in: fetches the raw samples of a live call as they come, and plays them.
//
//   const listener = new CallListener("/api/calls/UUID/sound", (state) => …);
//   button.onclick = () => listener.start();   // a browser lets sound begin only by a click or a key
//   listener.setVolume(0, 0.5);                // 0: caller (left), 1: server (right)
//   listener.stop();
//
// The state: {name: "off" | "starting" | "on" | "ended" | "failed", text, lagMs, underruns, skippedS, levels: [caller,
// server] as RMS of full scale, bytes}. `new ListenPanel(host, url)` shows all of that, with a volume for each side.
"use strict";

(() => {
  const BASE = document.currentScript.src;
  const WORKLET = new URL("listen_worklet.js", BASE).href;
  const FRAME_BYTES = 4;
  const SIDES = ["Caller", "Server"];
  const NOT_SECURE =
    "Browsers play live sound over https, or from this machine alone. " +
    "Open this page by https (--web-cert), or through a tunnel: ssh -L 8080:127.0.0.1:8080 HOST";

  class CallListener {
    constructor(url, tell) {
      this.url = url;
      this.tell = tell;
      this.volumes = [1, 1];
      this.state = { name: "off", text: "", lagMs: null, underruns: 0, skippedS: 0, levels: [0, 0], bytes: 0 };
    }

    get isOn() {
      return this.state.name === "on" || this.state.name === "starting";
    }

    async start() {
      if (this.isOn) return;
      if (!window.isSecureContext || !window.AudioWorkletNode) {
        this.change({ name: "failed", text: NOT_SECURE });
        return;
      }
      this.change({ name: "starting", text: "Connecting…", lagMs: null, underruns: 0, skippedS: 0, bytes: 0 });
      const stopping = new AbortController();
      this.stopping = stopping;
      try {
        await this.run(stopping);
      } catch (error) {
        if (!stopping.signal.aborted) this.change({ name: "failed", text: `No sound: ${error.message}` });
      } finally {
        stopping.abort();
        await this.close(stopping);
      }
    }

    stop() {
      if (this.stopping) this.stopping.abort();
      if (this.isOn) this.change({ name: "off", text: "", lagMs: null, levels: [0, 0] });
    }

    setVolume(side, volume) {
      this.volumes[side] = volume;
      if (this.node) this.node.port.postMessage({ volumes: this.volumes });
    }

    async run(stopping) {
      const response = await fetch(this.url, { signal: stopping.signal, cache: "no-store" });
      if (!response.ok) throw new Error(await reasonOf(response));
      const rateHz = Number(response.headers.get("X-Audio-Rate"));
      const node = await this.open(rateHz);
      if (stopping.signal.aborted) return;
      this.change({ name: "on", text: "Listening" });
      await this.pump(response.body.getReader(), node, stopping);
      if (!stopping.signal.aborted) this.change({ name: "ended", text: "The call has ended", levels: [0, 0] });
    }

    async open(rateHz) {
      this.context = contextOf(rateHz);
      await this.context.audioWorklet.addModule(WORKLET);
      const node = new AudioWorkletNode(this.context, "call-sound", {
        numberOfInputs: 0,
        outputChannelCount: [2],
        processorOptions: { rateHz },
      });
      node.port.onmessage = (event) => this.hear(event.data);
      node.port.postMessage({ volumes: this.volumes });
      node.connect(this.context.destination);
      await this.context.resume();
      this.node = node;
      return node;
    }

    async pump(reader, node, stopping) {
      let rest = new Uint8Array(0);
      while (!stopping.signal.aborted) {
        const { done, value } = await reader.read();
        if (done) return;
        this.state.bytes += value.length;
        const data = rest.length ? joined(rest, value) : value;
        const whole = data.length - (data.length % FRAME_BYTES);
        rest = data.slice(whole);
        const samples = data.slice(0, whole).buffer;
        node.port.postMessage({ samples }, [samples]);
      }
    }

    hear(report) {
      if (!this.isOn) return;
      const context = this.context;
      const outS = (context.baseLatency || 0) + (context.outputLatency || 0);
      this.change({
        lagMs: Math.round((report.waitingS + outS) * 1000),
        underruns: report.underruns,
        skippedS: report.skippedS,
        levels: report.levels,
      });
    }

    async close(stopping) {
      if (this.stopping !== stopping) return;
      const context = this.context;
      this.context = this.node = this.stopping = null;
      if (context && context.state !== "closed") await context.close();
    }

    change(news) {
      Object.assign(this.state, news);
      this.tell(this.state);
    }
  }

  function contextOf(rateHz) {
    try {
      return new AudioContext({ sampleRate: rateHz, latencyHint: "interactive" });
    } catch (error) {
      return new AudioContext({ latencyHint: "interactive" }); // the worklet converts
    }
  }

  async function reasonOf(response) {
    try {
      return (await response.json()).error;
    } catch (error) {
      return `the server answered ${response.status}`;
    }
  }

  function joined(first, second) {
    const both = new Uint8Array(first.length + second.length);
    both.set(first);
    both.set(second, first.length);
    return both;
  }

  class ListenPanel {
    constructor(host, url) {
      this.listener = new CallListener(url, (state) => this.show(state));
      this.status = made("p", { class: "listen-status", role: "status" });
      this.figures = made("p", { class: "listen-figures" });
      this.meters = SIDES.map(() => made("span", { class: "listen-level" }));
      const volumes = made("div", { class: "listen-sides" });
      SIDES.forEach((name, side) => volumes.append(this.volume(name, side)));
      host.classList.add("listen");
      host.append(volumes, this.status, this.figures);
      this.show(this.listener.state);
    }

    volume(name, side) {
      const label = made("label", { class: `listen-side listen-${name.toLowerCase()}` });
      const slider = made("input", { type: "range", min: "0", max: "2", step: "0.05", value: "1" });
      slider.addEventListener("input", () => this.listener.setVolume(side, Number(slider.value)));
      const meter = made("span", { class: "listen-meter", "aria-hidden": "true" });
      meter.append(this.meters[side]);
      const text = made("span", { class: "listen-name" });
      text.textContent = name;
      label.append(text, slider, meter);
      return label;
    }

    show(state) {
      put(this.status, state.text);
      this.status.classList.toggle("listen-failed", state.name === "failed");
      put(this.figures, state.name === "on" ? figuresOf(state) : "");
      state.levels.forEach((level, side) => this.meters[side].style.setProperty("--level", shareOf(level)));
    }
  }

  function figuresOf(state) {
    const parts = [state.lagMs === null ? "" : `${state.lagMs} ms late`];
    parts.push(state.underruns === 1 ? "1 dropout" : `${state.underruns || "no"} dropouts`);
    if (state.skippedS >= 0.05) parts.push(`${state.skippedS.toFixed(1)} s left out`);
    return parts.filter(Boolean).join(" · ");
  }

  // Of a level, the share of a meter that goes from -60 dBFS to 0.
  function shareOf(level) {
    return level > 0 ? String(Math.max(0, Math.min(1, 1 + Math.log10(level) / 3))) : "0";
  }

  function put(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function made(name, attributes) {
    const element = document.createElement(name);
    Object.entries(attributes).forEach(([key, value]) => element.setAttribute(key, value));
    return element;
  }

  window.CallListener = CallListener;
  window.ListenPanel = ListenPanel;
})();
