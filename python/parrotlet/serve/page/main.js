// Puts the parts of the page together.

import { getJson, setKey, transcribe } from "./api.js";
import { offerDownloads } from "./downloads.js";
import { acceptFiles } from "./files.js";
import { loudness, openMicrophone, wavFile } from "./microphone.js";
import { Player } from "./player.js";
import { Captions } from "./realtime.js";
import { Settings } from "./settings.js";
import { watchServer } from "./status.js";
import { clock } from "./times.js";
import { Transcript } from "./transcript.js";
import { Work } from "./work.js";

const part = (id) => document.getElementById(id);

const settings = new Settings(part("model"), part("phrases"));
const work = new Work({
  work: part("work"),
  text: part("work-text"),
  bar: part("work-bar"),
  cancel: part("cancel"),
  after: part("main"),
});
const transcript = new Transcript(part("words"), part("word-said"), (seconds) =>
  player.playFrom(seconds),
);
const player = new Player(
  {
    audio: part("audio"),
    play: part("play"),
    position: part("position"),
    clock: part("clock"),
    player: part("player"),
    silent: part("silent"),
  },
  (seconds) => transcript.light(seconds),
);

/** The recording on the page: its sound, its name, the fields it was sent with, the texts of it. */
let shown = null;
let listening = null;

// Messages

function notice(text) {
  part("notice-text").textContent = text;
  part("notice").hidden = false;
}

function failed(error) {
  if (error.status === 401) askForKey();
  else notice(error.message);
}

part("notice-close").addEventListener("click", () => {
  part("notice").hidden = true;
  part("main").focus(); // what had the focus is gone
});

// The key and the models

function askForKey() {
  part("key-card").hidden = false;
  part("key").focus();
}

part("key-form").addEventListener("submit", (event) => {
  event.preventDefault();
  setKey(part("key").value.trim());
  part("key-card").hidden = true;
  loadModels();
});

async function loadModels() {
  try {
    settings.offer((await getJson("v1/models")).data.map(({ id }) => id));
  } catch (error) {
    failed(error);
  }
}

// Recordings

function showResult(title) {
  part("notice").hidden = true;
  part("blank").hidden = true;
  part("result").hidden = false;
  part("result-title").textContent = title;
  part("facts").textContent = "";
  part("transcript-box").hidden = true;
  part("live").hidden = true;
  part("settled").replaceChildren();
  part("download-said").textContent = "";
  player.load(null);
}

function hideResult() {
  part("result").hidden = true;
  part("blank").hidden = false;
}

/** Send a recording, show its text as it comes, and then its words. */
async function read(recording, name) {
  const fields = settings.fields();
  let result = null;
  const event = ({ type, ...rest }) => {
    if (type === "transcript.text.done") result = rest;
    else if (type === "transcript.text.delta") addSettled(rest.delta);
  };
  const sent = (share) =>
    share < 1 ? work.say("Sending the recording", share) : work.say("Transcribing");
  await work.run((signal) => {
    sent(0);
    const wanted = [
      ...fields,
      ["stream", "true"],
      ["response_format", "verbose_json"],
      ["timestamp_granularities[]", "word"],
      ["timestamp_granularities[]", "segment"],
    ];
    return transcribe(recording, name, wanted, { signal, sent, event });
  });
  if (!result) return;
  const texts = new Map([["verbose_json", `${JSON.stringify(result, null, 1)}\n`]]);
  shown = { recording, name, fields, texts };
  display(result);
}

function addSettled(text) {
  part("live").hidden = false;
  part("settled").append(text);
  part("caption-box").scrollTop = part("caption-box").scrollHeight;
}

/** Tell a screen reader. */
function say(text) {
  part("said").textContent = text;
}

function display(result) {
  part("live").hidden = true;
  part("settled").replaceChildren();
  part("result-title").textContent = shown.name;
  part("transcript-box").hidden = false;
  part("legend").hidden = !transcript.show(result);
  player.load(shown.recording);
  const count = result.words?.length ?? 0;
  const words = `${count} ${count === 1 ? "word" : "words"}`;
  part("facts").textContent = `${words}, ${clock(result.duration ?? 0)}`;
  part("words").lang = /^[a-z]{2,3}(-|$)/.test(result.language) ? result.language : "";
  say(`The transcript is ready: ${words}.`);
}

async function takeFile(file) {
  if (listening) return notice("Stop the microphone first.");
  if (work.busy) return notice("A recording is at work; cancel it first.");
  showResult(file.name);
  try {
    await read(file, file.name);
  } catch (error) {
    failed(error);
  }
  if (part("transcript-box").hidden) hideResult();
}

acceptFiles({
  zone: part("drop"),
  input: part("file"),
  take: takeFile,
  surplus: (name) => notice(`One recording at a time: this is ${name}.`),
});

// The microphone

async function startListening() {
  if (work.busy) return notice("A recording is at work; cancel it first.");
  const blocks = [];
  let captions = null;
  const microphone = await openMicrophone((block) => {
    blocks.push(block);
    captions?.send(block);
    if (part("capture").matches(".on")) {
      part("speak").style.setProperty("--level", loudness(block).toFixed(2));
    }
  });
  showResult("Live captions");
  part("live").hidden = false;
  captions = new Captions({
    model: settings.model,
    phrases: settings.phrases,
    turn: showTurn,
    failed: (why) => notice(`No live captions: ${why}. The microphone is still being recorded.`),
  });
  for (const block of blocks) captions.send(block);
  listening = { microphone, captions, blocks };
  pressed(true);
}

function showTurn(id, text) {
  const settled = part("settled");
  let turn = settled.querySelector(`[data-turn="${CSS.escape(id)}"]`);
  if (!turn) {
    turn = document.createElement("span");
    turn.dataset.turn = id;
    if (settled.childElementCount) settled.append(" ");
    settled.append(turn);
  }
  if (turn.textContent !== text) turn.textContent = text;
  part("caption-box").scrollTop = part("caption-box").scrollHeight;
}

async function stopListening() {
  const { microphone, captions, blocks } = listening;
  pressed(false);
  await microphone.stop();
  await captions.finish();
  listening = null;
  if (!blocks.length) return notice("The microphone gave no sound.");
  const when = new Date().toTimeString().slice(0, 8).replaceAll(":", "-");
  await read(wavFile(blocks), `microphone ${when}.wav`);
}

function pressed(on) {
  part("capture").classList.toggle("on", on);
  part("speak-name").textContent = on ? "Stop the microphone" : "Start the microphone";
  part("speak-label").textContent = on ? "Listening" : "Speak";
  part("speak-hint").textContent = on ? "press to stop" : "and read along";
  part("speak").style.removeProperty("--level");
}

// A disabled button would lose the focus.
let switching = false;

part("speak").addEventListener("click", async () => {
  if (switching) return;
  switching = true;
  try {
    await (listening ? stopListening() : startListening());
  } catch (error) {
    failed(error);
  } finally {
    switching = false;
  }
});

// What is taken away

offerDownloads({
  box: part("transcript-box"),
  name: () => shown.name.replace(/\.[^.]*$/, "") || "transcript",
  render: textOf,
  said: (text) => {
    part("download-said").textContent = text;
  },
});

/** The transcript in a format of the server, which is asked once for each. */
async function textOf(format) {
  const { recording, name, fields, texts } = shown;
  if (!texts.has(format)) {
    texts.set(format, await transcribe(recording, name, [...fields, ["response_format", format]]));
  }
  return texts.get(format);
}

part("copy").addEventListener("click", async () => {
  await navigator.clipboard.writeText((await textOf("text")).trim());
  part("download-said").textContent = "The text is copied.";
});

watchServer({
  pill: part("server-pill"),
  word: part("server-word"),
  said: part("server-said"),
  figures: part("figures"),
  meter: part("busy-meter"),
  busy: part("busy"),
  streams: part("streams"),
  running: part("running"),
  queued: part("queued"),
  uptime: part("uptime"),
});
loadModels();
