"""Threads, forks, memory and disks that run out, and processes that are killed."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import parrotlet
from parrotlet import _core

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits and signals")

SAMPLES = "import numpy as np; samples = np.sin(np.arange(16000, dtype=np.float32))\n"


def test_two_hundred_threads_call_one_model(converted) -> None:
    model = parrotlet.load(converted("parakeet-tdt_ctc-110m", "q8_0"), threads=2)
    noise = np.random.default_rng(0).normal(0, 0.1, 16_000).astype(np.float32)
    recordings = [noise[: 4000 + 500 * i] for i in range(8)]
    expected = [model.transcribe(samples) for samples in recordings]
    results: dict[int, object] = {}
    barrier = threading.Barrier(200)

    def call(index: int) -> None:
        barrier.wait()
        results[index] = model.transcribe(recordings[index % len(recordings)])

    threads = [threading.Thread(target=call, args=(index,)) for index in range(200)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == {index: expected[index % len(recordings)] for index in range(200)}


def test_streams_and_recordings_at_once(tiny_models) -> None:
    """Streams share the model's positions, which come and go with them."""
    (path,) = (p for p in tiny_models if "streaming" in p.name)
    model = parrotlet.load(path, threads=2)
    samples = np.sin(np.arange(4000, dtype=np.float32))
    expected = {c: model.transcribe(samples, right_context=c).text for c in model.right_contexts}
    failures: list[object] = []

    def call(index: int) -> None:
        context = model.right_contexts[index % len(model.right_contexts)]
        try:
            stream = model.stream(right_context=context)
            stream.feed(samples)
            stream.finish()
            text = model.transcribe(samples, right_context=context).text
            if text != expected[context]:
                failures.append((index, text))
        except Exception as error:
            failures.append(error)

    threads = [threading.Thread(target=call, args=(index,)) for index in range(50)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []


def test_a_forked_child_goes_on_alone(tiny_models, run_apart) -> None:
    """Threads do not survive a fork: the child computes on the one it has, and ends."""
    code = SAMPLES + (
        "import os, signal, sys, parrotlet\n"
        "model = parrotlet.load(sys.argv[1], threads=4)\n"
        "expected = model.transcribe(samples).tokens\n"
        "for _ in range(3):\n"
        "    child = os.fork()\n"
        "    if child == 0:\n"
        "        signal.alarm(30)\n"
        "        same = model.transcribe(samples).tokens == expected\n"
        "        del model\n"
        "        again = parrotlet.load(sys.argv[1], threads=4)\n"
        "        same = same and again.transcribe(samples).tokens == expected\n"
        "        del again\n"
        "        os._exit(0 if same else 3)\n"
        "    assert os.waitpid(child, 0)[1] == 0\n"
        "    assert model.transcribe(samples).tokens == expected\n"
        "print('done')\n"
    )
    for model in tiny_models:
        assert run_apart(code, model) == "done\n"


def test_a_group_of_streams_in_a_forked_child(run_apart) -> None:
    """The thread that steps a group does not survive a fork: the child starts another."""
    code = SAMPLES + (
        "import os, signal, parrotlet\n"
        "group = parrotlet.load('demo', threads=2).streams()\n"
        "def fed():\n"
        "    stream = group.open()\n"
        "    stream.feed(samples)\n"
        "    return stream.finish().tokens\n"
        "expected = fed()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    signal.alarm(30)\n"
        "    os._exit(0 if fed() == expected else 3)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert fed() == expected\n"
        "print('done')\n"
    )
    assert run_apart(code) == "done\n"


def test_more_threads_than_the_system_starts(tiny_models, run_apart) -> None:
    code = SAMPLES + (
        "import resource, sys, parrotlet\n"
        "resource.setrlimit(resource.RLIMIT_AS, (3 << 30, 3 << 30))  # a stack takes 8 MB of it\n"
        "try:\n"
        "    parrotlet.load(sys.argv[1], threads=1024)\n"
        "except (RuntimeError, MemoryError) as error:\n"
        "    print(type(error).__name__, error)\n"
        "parrotlet.load(sys.argv[1], threads=2).transcribe(samples)\n"
    )
    output = run_apart(code, tiny_models[0])
    assert "ask for fewer" in output


def test_memory_that_runs_out(converted, run_apart) -> None:
    """Whatever the limit, an exception: while loading, while computing, on any thread."""
    code = (
        "import resource, sys, numpy as np, parrotlet\n"
        "load = parrotlet.load  # which imports the rest, while there is memory\n"
        "resource.setrlimit(resource.RLIMIT_STACK, (1 << 20, 1 << 20))\n"
        "noise = np.random.default_rng(0).normal(0, 0.1, 16000 * 120).astype(np.float32)\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "outcomes = []\n"
        "for spare in map(int, sys.argv[2:]):  # kB\n"
        "    limit = used + (spare << 10)\n"
        "    resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))\n"
        "    try:\n"
        "        load(sys.argv[1], threads=2).transcribe(noise)\n"
        "        outcomes.append('done')\n"
        "    except (parrotlet.ParrotletError, MemoryError, RuntimeError) as error:\n"
        "        outcomes.append(type(error).__name__)\n"
        "print(*outcomes)\n"
    )
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs Linux's /proc")
    # Between 9 and 13 MB the workers start, and find no memory for what is theirs.
    spare = [*range(1024, 9216, 1024), *range(9216, 13312, 128), *range(16384, 262144, 16384)]
    outcomes = run_apart(code, converted("parakeet-tdt_ctc-110m", "f32"), *spare).split()
    assert outcomes[0] != "done"
    assert len(outcomes) == len(spare)


def test_a_thread_that_first_calls_without_memory(run_apart) -> None:
    """glibc ends a process where a library's variables of a thread find no memory."""
    code = (
        "import ctypes, resource, threading\n"
        "from parrotlet import _core\n"
        "c = ctypes.PyDLL(None)\n"
        "c.malloc.restype, c.malloc.argtypes = ctypes.c_void_p, [ctypes.c_size_t]\n"
        "c.free.restype, c.free.argtypes = None, [ctypes.c_void_p]\n"
        "sizes = [1 << bits for bits in range(24, 3, -1)] + list(range(24, 1024, 16))\n"
        "outcome = []\n"
        "def call():\n"
        "    spare = c.malloc(1 << 20)\n"
        "    for size in sizes:\n"
        "        while c.malloc(size): pass\n"
        "    try:\n"
        "        outcome.append(_core.isa())\n"
        "    except MemoryError:\n"
        "        outcome.append('MemoryError')\n"
        "    c.free(spare)\n"
        "used = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (used + (64 << 20), resource.RLIM_INFINITY))\n"
        "thread = threading.Thread(target=call)\n"
        "thread.start()\n"
        "thread.join()\n"
        "resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY,) * 2)\n"
        "print(outcome[0])\n"
    )
    if not Path("/proc/self/statm").exists():
        pytest.skip("needs Linux's /proc")
    assert run_apart(code).split()[0] in (*_core.available_isas(), "MemoryError")


LIMITED = (
    "import resource, signal, sys, parrotlet\n"
    "from parrotlet.cli import main\n"
    "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
    "resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]), int(sys.argv[1])))\n"
    "sys.exit(main(sys.argv[2:]))\n"
)


@pytest.mark.parametrize("limit", [0, 100, 30_000])
def test_a_disk_that_fills_while_quantising(converted, tmp_path, limit: int) -> None:
    """A limit on file size stands in for the disk."""
    out = tmp_path / "out.gguf"
    out.write_bytes(b"precious")
    source = converted("conformer-ctc-char", "f32")
    command = ["quantize", str(source), str(out), "--type", "q8_0"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(limit), *command], capture_output=True, text=True
    )
    assert done.returncode == 1
    assert f"{out}: cannot be written (" in done.stderr
    assert "File too large" in done.stderr or "the disk may be full" in done.stderr
    assert "Traceback" not in done.stderr
    assert out.read_bytes() == b"precious"
    assert [path.name for path in tmp_path.iterdir()] == ["out.gguf"]


def test_a_disk_that_fills_while_writing_transcripts(converted, audio_dir, tmp_path) -> None:
    model = converted("conformer-ctc-char", "f32")
    command = ["transcribe", "-m", str(model), str(audio_dir / "clip04.wav"), "--format", "json"]
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, "100", *command, "--output-dir", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert "clip04" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("when", [0, 0.5, 0.99])
def test_a_process_killed_while_converting(data_dir, tmp_path, when: float) -> None:
    """The final name keeps what it had; only a hidden temporary file may be left."""
    out = tmp_path / "out.gguf"
    out.write_bytes(b"precious")
    code = (
        "import os, signal, sys, parrotlet\n"
        "def progress(done, total, name):\n"
        f"    if done >= {when} * total:\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
        "parrotlet.convert(sys.argv[1], sys.argv[2], progress=progress)\n"
    )
    source = data_dir / "conformer-ctc-char" / "model.nemo"
    killed = subprocess.run([sys.executable, "-c", code, str(source), str(out)])
    assert killed.returncode < 0
    assert out.read_bytes() == b"precious"
    left = {path.name for path in tmp_path.iterdir()} - {"out.gguf"}
    assert all(name.startswith(".") and name.endswith(".tmp") for name in left)
