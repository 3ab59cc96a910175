// Runs on the audio thread: mixes channels and hands on samples, 80 ms at a time.

const SAMPLES = Math.round(sampleRate * 0.08);

class Capture extends AudioWorkletProcessor {
  constructor() {
    super();
    this.block = new Float32Array(SAMPLES);
    this.filled = 0;
    this.ended = false;
    this.port.onmessage = () => {
      this.send();
      this.port.postMessage(null);
      this.ended = true;
    };
  }

  process([channels]) {
    // Called as long as the microphone is connected, whatever is returned.
    if (this.ended) return false;
    const frames = channels[0]?.length ?? 0;
    for (let i = 0; i < frames; i++) {
      let sum = 0;
      for (const channel of channels) sum += channel[i];
      this.block[this.filled++] = sum / channels.length;
      if (this.filled === SAMPLES) this.send();
    }
    return true;
  }

  send() {
    const block = this.block.slice(0, this.filled);
    this.filled = 0;
    if (block.length) this.port.postMessage(block, [block.buffer]);
  }
}

registerProcessor("capture", Capture);
