// A session of live transcription: OpenAI's realtime interface over a websocket.

import { realtimeSocket } from "./api.js";
import { RATE } from "./microphone.js";

const PATIENCE = 10_000; // ms that the last words may take after the microphone is closed

/**
 * Live captions of the blocks that `send` is given, which wait until the session is open.
 *
 * `turn(id, text)` is told the settled text of each turn as it grows, `failed(message)` once if
 * there will be no more of it.
 */
export class Captions {
  #socket;
  #waiting = [];
  #turns = new Map();
  #pending = new Set();
  #ready = false;
  #ending = false; // the last turn is asked for
  #answered = false; // and it is there, or there is none
  #report;
  #failed;
  #ended;

  /** Resolves when nothing more comes. */
  done = new Promise((resolve) => (this.#ended = resolve));

  constructor({ model, phrases, turn, failed }) {
    this.#report = turn;
    this.#failed = failed;
    this.#socket = realtimeSocket(model);
    this.#socket.onmessage = ({ data }) => this.#receive(JSON.parse(data));
    this.#socket.onclose = ({ reason }) => this.#fail(reason || "the connection was lost");
    this.#socket.onopen = () => this.#configure(model, phrases);
  }

  /** Hear a block of 16-bit samples. */
  send(samples) {
    if (!this.#ready) {
      this.#waiting.push(samples);
    } else if (this.#socket.readyState === WebSocket.OPEN) {
      this.#say("input_audio_buffer.append", { audio: base64(samples) });
    }
  }

  /** No more blocks: the last words come, and then `done` resolves. */
  async finish() {
    this.#ending = true;
    if (this.#socket.readyState === WebSocket.OPEN) {
      this.#say("input_audio_buffer.commit");
      setTimeout(this.#ended, PATIENCE);
    } else {
      this.#ended();
    }
    await this.done;
    this.#socket.close();
  }

  #say(type, fields = {}) {
    this.#socket.send(JSON.stringify({ type, ...fields }));
  }

  #configure(model, phrases) {
    const transcription = {};
    if (model) transcription.model = model;
    if (phrases.length) transcription.keywords = phrases;
    this.#say("session.update", {
      session: {
        type: "transcription",
        audio: {
          input: {
            format: { type: "audio/pcm", rate: RATE },
            transcription,
            turn_detection: { type: "server_vad" },
          },
        },
      },
    });
    this.#ready = true;
    for (const samples of this.#waiting.splice(0)) this.send(samples);
  }

  #receive(event) {
    const id = event.item_id;
    switch (event.type) {
      case "input_audio_buffer.committed":
        this.#pending.add(id);
        this.#answered = this.#ending;
        break;
      case "conversation.item.input_audio_transcription.delta":
        this.#turns.set(id, (this.#turns.get(id) ?? "") + event.delta);
        this.#report(id, this.#turns.get(id));
        break;
      case "conversation.item.input_audio_transcription.completed":
        this.#turns.set(id, event.transcript);
        this.#report(id, event.transcript);
        this.#settle(id);
        break;
      case "conversation.item.input_audio_transcription.failed":
        this.#settle(id);
        break;
      case "error":
        if (this.#ending) {
          // Nothing was left to commit: the last turn had ended by itself.
          this.#answered = true;
          this.#settle();
        } else {
          this.#fail(event.error?.message ?? "the session failed");
          this.#socket.close();
        }
        break;
    }
  }

  #settle(id) {
    this.#pending.delete(id);
    if (this.#answered && this.#pending.size === 0) this.#ended();
  }

  #fail(message) {
    if (!this.#ending) this.#failed(message);
    this.#ending = true;
    this.#ended();
  }
}

function base64(samples) {
  const bytes = new Uint8Array(samples.buffer, samples.byteOffset, samples.byteLength);
  return btoa(String.fromCharCode(...bytes));
}
