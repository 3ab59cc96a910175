"""Several live signals on one model, which share each pass over its weights.

python examples/many_streams.py RECORDING...
"""

import sys
from concurrent.futures import ThreadPoolExecutor

import parrotlet
from parrotlet.audio import read_blocks

model = parrotlet.load("demo")
group = model.streams()


def listen(path: str) -> str:
    """Feed a recording to a stream of the group, about a tenth of a second at a time."""
    with group.open() as stream:
        for samples in read_blocks(path, model.sample_rate, block_values=model.sample_rate // 10):
            stream.feed(samples)
        return stream.finish().text


with group, ThreadPoolExecutor(max_workers=8) as pool:
    for path, text in zip(sys.argv[1:], pool.map(listen, sys.argv[1:]), strict=True):
        print(f"{path}: {text}")
