"""Runs the self-test (tests/runtime/self_test.cpp) on the demo model and the README's recording.

    packaging/self_test.py COMMAND...

COMMAND starts it; the expected tokens are those of NeMo, for both heads of the model.
"""

import json
import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[1]


def main(command: list[str]) -> int:
    """Return the worst exit status."""
    text = (CHECKOUT / "tests/data/demo/expected.json").read_text(encoding="utf-8")
    expected = json.loads(text)["example"]
    model = CHECKOUT / "python/parrotlet/data/demo-q8_0.gguf"
    recording = CHECKOUT / "examples/example.wav"
    context = map(str, expected["att_context_size"])
    arguments = [str(path.relative_to(CHECKOUT)) for path in (model, recording)]
    left, right = context
    statuses = []
    for head in ("rnnt", "ctc"):
        tokens = [str(token) for token in expected[head]["tokens"]]
        full = [*command, *arguments, head, left, right, *tokens]
        statuses.append(subprocess.run(full, cwd=CHECKOUT, check=False).returncode)
    return max(map(abs, statuses))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
