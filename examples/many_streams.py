"""Several live signals on one model: the weights are in memory once, each stream has its own state.

python examples/many_streams.py RECORDING...
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import parrotlet
from parrotlet.audio import read_blocks

model = parrotlet.load("demo", threads=1)  # one for each stream that computes


def listen(path: str) -> str:
    """Feed a recording to a stream of its own, about a tenth of a second at a time."""
    stream = model.stream()
    for samples in read_blocks(path, model.sample_rate, block_values=model.sample_rate // 10):
        stream.feed(samples)
    return stream.finish().text


with ThreadPoolExecutor(max_workers=4) as pool:
    for path, text in zip(sys.argv[1:], pool.map(listen, sys.argv[1:]), strict=True):
        print(f"{path}: {text}")
