// The words of a transcription: each at its time, as sure as it is, lit up while it is heard.

import { clock } from "./times.js";

// Below these confidences a word is underlined.
const FAIR = 0.8;
const UNSURE = 0.5;

// Seconds for which a word is lit at least, unless the next one begins.
const LIT = 0.6;

function kind(confidence) {
  if (confidence === undefined || confidence === null || confidence >= FAIR) return "";
  return confidence >= UNSURE ? "fair" : "unsure";
}

const SAID = { "": "", fair: "fairly sure", unsure: "unsure" };

function percent(share) {
  return `${Math.round(100 * share)} %`;
}

/** Shows words in `box`; `seek(seconds)` is called for a word that is clicked or entered. */
export class Transcript {
  #box;
  #said;
  #seek;
  #words = [];
  #spans = [];
  #lit = -1;
  #cursor = -1;

  constructor(box, said, seek) {
    this.#box = box;
    this.#said = said;
    this.#seek = seek;
    box.addEventListener("click", ({ target }) => {
      const span = target.closest(".w");
      if (span && getSelection().isCollapsed) this.#choose(this.#spans.indexOf(span));
    });
    box.addEventListener("keydown", (event) => this.#key(event));
    box.addEventListener("blur", () => this.#point(-1));
  }

  /** Show `result`, a verbose JSON answer. Returns whether any word has a confidence below FAIR. */
  show(result) {
    this.#words = result.words ?? [];
    this.#spans = [];
    this.#lit = this.#cursor = -1;
    const segments = divided(this.#words, result.segments ?? []);
    this.#box.replaceChildren(...segments.map((segment) => this.#paragraph(segment)));
    if (!this.#words.length) {
      const text = document.createElement("p");
      text.className = result.text ? "" : "hint";
      text.dir = "auto";
      text.textContent = result.text || "No words were heard.";
      this.#box.append(text);
    }
    return this.#words.some(({ confidence }) => kind(confidence));
  }

  /** Light up the word that is heard at `seconds`; null for none. */
  light(seconds) {
    const at = seconds === null ? -1 : this.#wordAt(seconds);
    if (at === this.#lit) return;
    this.#spans[this.#lit]?.classList.remove("now");
    this.#spans[at]?.classList.add("now");
    this.#lit = at;
    if (at >= 0) this.#keepInView(this.#spans[at]);
  }

  /** Scroll the words but not the page, which may be elsewhere for a reason. */
  #keepInView(span) {
    const [inner, outer] = [span.getBoundingClientRect(), this.#box.getBoundingClientRect()];
    if (inner.bottom > outer.bottom) this.#box.scrollTop += inner.bottom - outer.bottom;
    else if (inner.top < outer.top) this.#box.scrollTop -= outer.top - inner.top;
  }

  #wordAt(seconds) {
    let [low, high] = [0, this.#words.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#words[middle].start <= seconds) low = middle + 1;
      else high = middle;
    }
    const word = this.#words[low - 1];
    // Most models know when a word begins, and little of when it ends.
    return word && seconds < Math.max(word.end, word.start + LIT) ? low - 1 : -1;
  }

  #paragraph({ start, speaker, words }) {
    const row = document.createElement("div");
    row.className = "segment";
    const time = document.createElement("button");
    time.type = "button";
    time.className = "time";
    time.textContent = clock(start);
    time.setAttribute("aria-label", `Play from ${clock(start)}`);
    time.addEventListener("click", () => this.#seek(start));
    const text = document.createElement("p");
    text.dir = "auto";
    if (speaker) {
      const name = document.createElement("b");
      name.textContent = `${speaker}: `;
      text.append(name);
    }
    words.forEach((word, i) => {
      if (i && word.space_before !== false) text.append(" ");
      text.append(this.#span(word));
    });
    row.append(time, text);
    return row;
  }

  #span(word) {
    const span = document.createElement("span");
    span.className = `w ${kind(word.confidence)}`.trim();
    span.textContent = word.word.trim();
    span.title = describe(word);
    if (kind(word.confidence)) {
      const note = document.createElement("span");
      note.className = "unseen";
      note.textContent = ` (${SAID[kind(word.confidence)]}, ${percent(word.confidence)})`;
      span.append(note);
    }
    this.#spans.push(span);
    return span;
  }

  #choose(at) {
    if (at < 0) return;
    this.#point(at);
    this.#seek(this.#words[at].start);
  }

  #point(at) {
    this.#spans[this.#cursor]?.classList.remove("cursor");
    this.#cursor = at;
    this.#spans[at]?.classList.add("cursor");
  }

  #key(event) {
    if (event.target !== this.#box || !this.#spans.length) return;
    const last = this.#spans.length - 1;
    const here = this.#cursor >= 0 ? this.#cursor : Math.max(this.#lit, 0) - 1;
    const moves = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: last };
    if (event.key in moves) {
      const at = Math.max(0, Math.min(last, moves[event.key]));
      this.#point(at);
      this.#spans[at].scrollIntoView({ block: "nearest" });
      this.#said.textContent = `${this.#words[at].word}, ${describe(this.#words[at])}`;
    } else if (event.key === "Enter" && this.#cursor >= 0) {
      this.#choose(this.#cursor);
    } else {
      return;
    }
    event.preventDefault();
  }
}

function describe({ start, confidence }) {
  const time = start.toFixed(2).padStart(5, "0");
  const at = start < 60 ? `0:${time}` : clock(start);
  return confidence === undefined ? at : `${at}, ${percent(confidence)} sure`;
}

/** The words by segment; all in one where there are no segments. */
function divided(words, segments) {
  if (!words.length) return [];
  const groups = (segments.length ? segments : [{ start: words[0].start }]).map((segment) => ({
    start: segment.start,
    speaker: segment.speaker,
    words: [],
  }));
  let at = 0;
  for (const word of words) {
    while (at + 1 < groups.length && word.start >= groups[at + 1].start) at++;
    groups[at].words.push(word);
  }
  return groups.filter((group) => group.words.length);
}
