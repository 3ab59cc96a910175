// The model, and the phrases to expect; kept in this browser.

const PHRASES = "parrotlet-phrases";
const MODEL = "parrotlet-model";

/** What the page's fields say. */
export class Settings {
  #model;
  #phrases;

  constructor(model, phrases) {
    this.#model = model;
    this.#phrases = phrases;
    phrases.value = localStorage.getItem(PHRASES) ?? "";
    phrases.addEventListener("input", () => localStorage.setItem(PHRASES, phrases.value));
    model.addEventListener("change", () => localStorage.setItem(MODEL, model.value));
  }

  /** The name of the model. */
  get model() {
    return this.#model.value;
  }

  /** The phrases, without empty lines. */
  get phrases() {
    return this.#phrases.value.split("\n").map((line) => line.trim()).filter(Boolean);
  }

  /** Offer models of these names; the first is the server's default. */
  offer(names) {
    this.#model.replaceChildren(...names.map((name) => new Option(name, name)));
    const kept = localStorage.getItem(MODEL);
    if (names.includes(kept)) this.#model.value = kept;
  }

  /** Form fields of a request. */
  fields() {
    return [["model", this.model], ...this.phrases.map((phrase) => ["keywords[]", phrase])];
  }
}
