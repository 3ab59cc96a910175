"""The stages in between as arrays, and a CTC decoder of one's own on top of them.

python examples/stages.py [RECORDING]
"""

import sys
from pathlib import Path

import numpy as np

import parrotlet
from parrotlet.audio import read_audio

recording = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("example.wav")
model = parrotlet.load("demo")
samples = read_audio(recording, model.sample_rate)

features = model.features(samples)  # [frames, mels]
encoded = model.encode(features)  # [frames', d_model]
log_probs = model.ctc_log_probs(encoded)  # [frames', vocabulary + 1]
for name, array in (("features", features), ("encoded", encoded), ("log_probs", log_probs)):
    print(f"{name:9} {array.shape[0]:4} x {array.shape[1]}")

# Greedy CTC: the best class of each frame, repetitions joined, blanks dropped.
blank = len(model.vocabulary)
best = log_probs.argmax(axis=1)
ids = best[np.insert(best[1:] != best[:-1], 0, True) & (best != blank)]
text = "".join(model.vocabulary[i] for i in ids).replace("\u2581", " ").strip()
print(text)
assert text == model.transcribe(samples, decoding=parrotlet.Decoding(head="ctc")).text
