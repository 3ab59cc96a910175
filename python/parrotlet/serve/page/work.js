// What is under way, with its progress.

/** The line, the bar and the button of a task that can be cancelled; `after` then has the focus. */
export class Work {
  #parts;
  #abort = null;

  constructor(parts) {
    this.#parts = parts;
    parts.cancel.addEventListener("click", () => this.#abort?.abort());
  }

  /** Whether a task is under way. */
  get busy() {
    return this.#abort !== null;
  }

  /** Run `task(signal)` with the bar shown; a cancelled task gives undefined. */
  async run(task) {
    const abort = (this.#abort = new AbortController());
    this.#parts.work.hidden = false;
    try {
      return await task(abort.signal);
    } catch (error) {
      if (error.name !== "AbortError") throw error;
      return undefined;
    } finally {
      this.#abort = null;
      if (document.activeElement === this.#parts.cancel) this.#parts.after.focus();
      this.#parts.work.hidden = true;
    }
  }

  /** Say what is being done, and the share that is done, if it is known. */
  say(text, share) {
    // Only a new text is worth a word of a screen reader.
    if (this.#parts.text.textContent !== text) this.#parts.text.textContent = text;
    if (share === undefined) this.#parts.bar.removeAttribute("value");
    else this.#parts.bar.value = share;
  }
}
