// Another number of samples a second, by a windowed sinc.

const ZEROS = 24; // zero crossings of the sinc on each side
const PASS = 0.92; // of half the lower rate; what is above is left out

const divisor = (a, b) => (b ? divisor(b, a % b) : a);

/** Takes samples at the rate `from` in blocks, and gives them at `to`, both in Hz. */
export class Resampler {
  #phases; // filters, one for each distance between an output and the input before it
  #step; // inputs for as many outputs as there are phases
  #half; // inputs on each side of an output
  #kept; // inputs that are still needed
  #at = 0; // of the next output after `kept`, in inputs times phases

  constructor(from, to) {
    const shared = divisor(from, to);
    const [step, count] = [from / shared, to / shared];
    const cutoff = (PASS * Math.min(from, to)) / from;
    const half = Math.ceil(ZEROS / cutoff);
    this.#step = step;
    this.#half = half;
    this.#kept = new Float32Array(half - 1);
    this.#phases = Array.from({ length: count }, (_, phase) =>
      Float32Array.from({ length: 2 * half }, (_, tap) =>
        sincAt(tap - half + 1 - phase / count, cutoff, half),
      ),
    );
  }

  /** Return the samples that `block` completes. */
  push(block) {
    const input = new Float32Array(this.#kept.length + block.length);
    input.set(this.#kept);
    input.set(block, this.#kept.length);
    const count = this.#phases.length;
    const taps = 2 * this.#half;
    const output = [];
    let first = Math.floor(this.#at / count);
    while (first + taps <= input.length) {
      const filter = this.#phases[this.#at % count];
      let sum = 0;
      for (let tap = 0; tap < taps; tap++) sum += filter[tap] * input[first + tap];
      output.push(sum);
      this.#at += this.#step;
      first = Math.floor(this.#at / count);
    }
    const used = Math.min(first, input.length);
    this.#kept = input.slice(used);
    this.#at -= used * count;
    return Float32Array.from(output);
  }

  /** Return the last samples, which had waited for those after them. */
  end() {
    return this.push(new Float32Array(this.#half));
  }
}

/** A low-pass filter's value at a distance in samples, with a Hann window. */
function sincAt(distance, cutoff, half) {
  const x = Math.PI * distance * cutoff;
  const window = Math.abs(distance) < half ? (1 + Math.cos((Math.PI * distance) / half)) / 2 : 0;
  return (x ? Math.sin(x) / x : 1) * cutoff * window;
}
