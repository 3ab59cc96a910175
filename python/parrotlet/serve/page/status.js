// How the server is doing: the pill at the top and the panel.

import { getJson } from "./api.js";
import { span } from "./times.js";

const PAUSE = 2000; // ms between two looks

const WORDS = { ok: "ready", busy: "busy", draining: "shutting down", away: "not reachable", closed: "needs a key" };

/** Keep `parts` up to date while the page is seen. */
export function watchServer(parts) {
  let before = null;
  let timer = 0;
  const look = async () => {
    clearTimeout(timer);
    if (document.hidden) return;
    try {
      const now = await getJson("status.json");
      show(parts, now, before);
      before = now;
    } catch ({ status }) {
      mark(parts, status === 401 ? "closed" : status === 503 ? "draining" : "away");
    }
    timer = setTimeout(look, PAUSE);
  };
  document.addEventListener("visibilitychange", look);
  look();
}

function show(parts, now, before) {
  const waiting = now.waiting > 0 || now.running >= now.max_running;
  mark(parts, now.status === "ok" && waiting ? "busy" : now.status);
  parts.figures.hidden = false;
  parts.said.textContent = now.loaded.length
    ? `In memory: ${now.loaded.join(", ")}.`
    : "No model is in memory; the first request loads one.";
  const passed = before && now.seconds - before.seconds;
  if (passed > 0) {
    const used = (now.processor_seconds - before.processor_seconds) / passed / now.cores;
    parts.meter.value = Math.min(1, used);
    parts.busy.textContent = `${Math.round(100 * Math.min(1, used))} %`;
  }
  parts.streams.textContent = now.streams
    ? `${now.streams} · ${Math.round(now.milliseconds_behind)} ms behind`
    : "0";
  parts.running.textContent = `${now.running} of ${now.max_running}`;
  parts.queued.textContent = now.waiting;
  parts.uptime.textContent = span(now.uptime_seconds);
}

function mark(parts, state) {
  parts.pill.dataset.state = state;
  if (parts.word.textContent !== WORDS[state]) parts.word.textContent = WORDS[state];
}
