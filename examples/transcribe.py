"""Print what is said in a recording, and when each word is said.

python examples/transcribe.py [RECORDING [MODEL.gguf]]
"""

import sys
from pathlib import Path

import parrotlet

recording = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("example.wav")
model = parrotlet.load(sys.argv[2] if len(sys.argv) > 2 else "demo")

result = model.transcribe(recording)
print(result.text)
for word in result.words:
    print(f"{word.start:7.2f} {word.end:7.2f}  {word.confidence:4.2f}  {word.word}")
