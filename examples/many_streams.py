"""Several live signals on one model: the weights are in memory once, each stream has its own state.

python examples/many_streams.py RECORDING...
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import soundfile  # type: ignore[import-untyped]

import parrotlet

model = parrotlet.load("demo", threads=1)  # one for each stream that computes


def listen(path: str) -> str:
    """Feed a recording to a stream of its own, a tenth of a second at a time."""
    stream = model.stream()
    with soundfile.SoundFile(path) as file:
        for samples in file.blocks(model.sample_rate // 10, dtype="float32"):
            stream.feed(samples)
    return stream.finish().text


with ThreadPoolExecutor(max_workers=4) as pool:
    for path, text in zip(sys.argv[1:], pool.map(listen, sys.argv[1:]), strict=True):
        print(f"{path}: {text}")
