"""What the machine reaches at most, measured with the instructions that the kernels use."""

from __future__ import annotations

import functools
import platform
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from parrotlet import _core


@dataclass(frozen=True, slots=True)
class Rate:
    """Something per second, on one thread and on all that are asked for."""

    one: float
    all: float


@dataclass(frozen=True, slots=True)
class Machine:
    """The processor, the kernels chosen for it, and its limits.

    `products` are multiply-adds per second by the type of the weights, of loops that do nothing
    else and wait for no memory; `memory` is bytes per second read from memory.
    """

    processor: str
    isa: str
    threads: int
    products: Mapping[str, Rate]
    memory: Rate

    def least_seconds(self, work: Mapping[str, int]) -> float:
        """Seconds that multiply-adds, by the type of the weights, take at least."""
        return sum(count / self.products[type].all for type, count in work.items())


def measure(isa: str, threads: int, types: Iterable[str], again: bool = False) -> Machine:
    """Measure the limits for weights of `types`; takes about half a second for each, once.

    `again` measures what is known already: the system may have left threads on one core.
    """
    if again:
        _products.cache_clear()
        _memory.cache_clear()
    return Machine(
        processor=processor_name(),
        isa=isa,
        threads=threads,
        products={
            type: Rate(_products(isa, type, 1), _products(isa, type, threads)) for type in types
        },
        memory=Rate(_memory(isa, 1), _memory(isa, threads)),
    )


def processor_name() -> str:
    """Name of the processor as the system gives it."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "model name":
                return value.strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


@functools.lru_cache
def _products(isa: str, type: str, threads: int) -> float:
    rate: float = _core.kernels.peak_products(isa, type, threads)
    return rate


@functools.lru_cache
def _memory(isa: str, threads: int) -> float:
    rate: float = _core.kernels.peak_read(isa, threads)
    return rate
