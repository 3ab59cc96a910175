// Plays the recording back.

import { clock } from "./times.js";

/** Drives the audio element by the page's buttons; `heard(seconds)` follows it, null when still. */
export class Player {
  #parts;
  #heard;
  #address = null;
  #frame = 0;

  constructor(parts, heard) {
    this.#parts = parts;
    this.#heard = heard;
    const { audio, play, position } = parts;
    play.addEventListener("click", () => (audio.paused ? this.#play() : audio.pause()));
    position.addEventListener("input", () => {
      audio.currentTime = Number(position.value);
      this.#draw();
    });
    audio.addEventListener("loadedmetadata", () => this.#draw());
    audio.addEventListener("durationchange", () => this.#draw());
    audio.addEventListener("play", () => this.#follow());
    audio.addEventListener("pause", () => this.#draw());
    audio.addEventListener("seeked", () => this.#draw());
    audio.addEventListener("ended", () => this.#heard(null));
    audio.addEventListener("error", () => this.#playable(false));
  }

  /** Take another recording; null for none. */
  load(recording) {
    const { audio } = this.#parts;
    audio.pause();
    if (this.#address) URL.revokeObjectURL(this.#address);
    this.#address = recording && URL.createObjectURL(recording);
    if (!this.#address) {
      audio.removeAttribute("src");
      return;
    }
    this.#playable(true);
    audio.src = this.#address;
  }

  /** Go on from `seconds`. */
  playFrom(seconds) {
    this.#parts.audio.currentTime = seconds;
    this.#play();
  }

  #play() {
    // Refused where the browser cannot decode it, which "error" says, or where another play began.
    this.#parts.audio.play().catch(() => {});
  }

  #playable(can) {
    this.#parts.player.hidden = !can;
    this.#parts.silent.hidden = can;
  }

  #follow() {
    cancelAnimationFrame(this.#frame);
    this.#draw();
    if (!this.#parts.audio.paused) this.#frame = requestAnimationFrame(() => this.#follow());
  }

  #draw() {
    const { audio, play, position, clock: label } = this.#parts;
    const duration = Number.isFinite(audio.duration) ? audio.duration : 0;
    position.max = duration || 1;
    position.value = audio.currentTime;
    position.style.setProperty("--done", `${(100 * audio.currentTime) / (duration || 1)}%`);
    position.setAttribute(
      "aria-valuetext", `${clock(audio.currentTime)} of ${clock(duration)}`,
    );
    label.textContent = `${clock(audio.currentTime)} / ${clock(duration)}`;
    play.setAttribute("aria-label", audio.paused ? "Play" : "Pause");
    play.classList.toggle("playing", !audio.paused);
    this.#heard(audio.ended || (audio.paused && !audio.currentTime) ? null : audio.currentTime);
  }
}
