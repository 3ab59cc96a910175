// The microphone as blocks of 16-bit samples.

import { Resampler } from "./resampler.js";

/** Samples a second: what the realtime interface takes as it is. */
export const RATE = 24000;

const PATIENCE = 5000; // ms until the browser's sound has to run

const REASONS = {
  NotAllowedError: "The browser was not allowed to use the microphone.",
  NotFoundError: "There is no microphone.",
  NotReadableError: "The microphone is in use by another program.",
};

/**
 * Open the microphone; `block(samples)` is called with every 80 ms of it.
 *
 * Returns an object whose `stop()` ends it, after the last block. Throws an Error to be shown.
 */
export async function openMicrophone(block) {
  if (!navigator.mediaDevices) {
    throw new Error("Browsers lend the microphone to localhost and to https pages only.");
  }
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({
      audio: { channelCount: 1, echoCancellation: false, noiseSuppression: false },
    });
  } catch (error) {
    throw new Error(REASONS[error.name] ?? `The microphone does not open: ${error.message}`);
  }
  // At its own rate: Firefox does not resample a microphone for a context.
  const context = new AudioContext();
  const resampler = new Resampler(context.sampleRate, RATE);
  const close = async () => {
    for (const track of stream.getTracks()) track.stop();
    await context.close();
  };
  try {
    await context.audioWorklet.addModule(new URL("microphone-worklet.js", import.meta.url));
    const capture = new AudioWorkletNode(context, "capture", { numberOfOutputs: 0 });
    context.createMediaStreamSource(stream).connect(capture);
    let ended;
    const end = new Promise((resolve) => (ended = resolve));
    capture.port.onmessage = ({ data }) => {
      const samples = integers(data ? resampler.push(data) : resampler.end());
      if (samples.length) block(samples);
      if (!data) ended();
    };
    await Promise.race([context.resume(), new Promise((later) => setTimeout(later, PATIENCE))]);
    // Firefox waits for ever where there is no loudspeaker.
    if (context.state !== "running") throw new Error("The browser's sound does not start.");
    return {
      async stop() {
        capture.port.postMessage("stop");
        await end;
        await close();
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}

function integers(samples) {
  return Int16Array.from(samples, (value) =>
    Math.round(32767 * Math.max(-1, Math.min(1, value))),
  );
}

/** How loud a block is, 0 to 1, on a scale that looks even. */
export function loudness(samples) {
  let sum = 0;
  for (const value of samples) sum += value * value;
  const decibels = 10 * Math.log10(sum / samples.length / 32768 ** 2 + 1e-9);
  return Math.max(0, Math.min(1, (decibels + 60) / 50));
}

/** A WAV file of blocks of samples at RATE. */
export function wavFile(blocks) {
  const bytes = blocks.reduce((sum, block) => sum + block.byteLength, 0);
  const header = new DataView(new ArrayBuffer(44));
  const text = (at, word) => [...word].forEach((c, i) => header.setUint8(at + i, c.charCodeAt(0)));
  text(0, "RIFF");
  header.setUint32(4, 36 + bytes, true);
  text(8, "WAVEfmt ");
  header.setUint32(16, 16, true);
  header.setUint16(20, 1, true); // PCM
  header.setUint16(22, 1, true); // channels
  header.setUint32(24, RATE, true);
  header.setUint32(28, 2 * RATE, true); // bytes a second
  header.setUint16(32, 2, true); // bytes a frame
  header.setUint16(34, 16, true); // bits
  text(36, "data");
  header.setUint32(40, bytes, true);
  return new Blob([header, ...blocks], { type: "audio/wav" });
}
