"""How soon realtime sessions have their text, while recordings are uploaded beside them.

    python bench/realtime.py [--model MODEL.gguf] [--sessions 64] [--uploads 8] [--seconds 60]

Starts `parrotlet serve` on a free port, and talks to it over loopback. Every session is sent the
recordings at the pace of speech, a tenth of a second at a time, beginning at moments that are
spread over a second. As many clients as --uploads transcribe all of the sound, again and again.

The latency of a delta is the time from when the sound that makes its text final was due to when the
delta came. Which sound that is, a stream of the same model that runs alone says beforehand. A table
has the median and the 99th percentile over all sessions, in milliseconds, and the memory of the
server (resident) at its end and at most.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import io
import json
import re
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import websockets
from reporting import add_reporting_options, print_table, write_json

import parrotlet
from parrotlet.audio import read_audio

EXAMPLES = Path(__file__).parents[1] / "examples"
RATE = 16_000
BLOCK = RATE // 10
WARM_UP = 3.0  # seconds that do not count
PATIENCE = 60.0  # seconds after the end for the last texts

UPDATE = {
    "type": "session.update",
    "session": {
        "type": "transcription",
        "audio": {"input": {"format": {"type": "audio/pcm", "rate": RATE}, "turn_detection": None}},
    },
}


@dataclass(frozen=True)
class Load:
    """What the sessions and uploads saw."""

    sessions: int
    uploads: int
    seconds: float
    refused: int
    deltas: int
    median_ms: float
    percentile_99_ms: float
    uploads_done: int
    upload_seconds: float
    rss_mb: float
    most_rss_mb: float


@dataclass
class Seen:
    """What clients write down."""

    late: list[float] = field(default_factory=list)
    upload_seconds: list[float] = field(default_factory=list)
    refused: int = 0


def example_sound() -> np.ndarray:
    """Return 16-bit samples of speech, one recording after the other."""
    samples = [read_audio(EXAMPLES / name, RATE) for name in ("example.wav", "spelled.wav")]
    return (np.concatenate(samples) * 32767).round().astype(np.int16)


def blocks(sound: np.ndarray, seconds: float) -> list[np.ndarray]:
    """Return what a session is sent: the sound again and again, in blocks."""
    count = int(seconds * RATE / BLOCK)
    return list(np.resize(sound, count * BLOCK).reshape(count, BLOCK))


def final_lengths(model: parrotlet.Model, sent: list[np.ndarray]) -> list[int]:
    """Return how many characters are final after each block."""
    stream = model.stream()
    return [len(stream.feed(block).final) for block in sent]


async def session(
    uri: str, sent: list[np.ndarray], lengths: list[int], delay: float, seen: Seen
) -> None:
    """Send blocks when they are due, and note how late the deltas are."""
    async with websockets.connect(uri) as connection:
        await connection.send(json.dumps(UPDATE))
        while json.loads(await connection.recv())["type"] != "session.updated":
            pass
        begin = time.monotonic() + 1.0 + delay

        async def send() -> None:
            for number, block in enumerate(sent):
                due = begin + (number + 1) * BLOCK / RATE
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                audio = base64.b64encode(block.tobytes()).decode()
                event = {"type": "input_audio_buffer.append", "audio": audio}
                await connection.send(json.dumps(event))
            await connection.send(json.dumps({"type": "input_audio_buffer.commit"}))

        sending = asyncio.create_task(send())
        try:
            await _receive(connection, lengths, begin, seen)
        finally:
            sending.cancel()


async def _receive(
    connection: websockets.ClientConnection, lengths: list[int], begin: float, seen: Seen
) -> None:
    said = 0
    async for message in connection:
        now, event = time.monotonic(), json.loads(message)
        if event["type"].endswith(".delta"):
            said += len(event["delta"])
            number = next((i for i, length in enumerate(lengths) if length >= said), None)
            if number is not None and number * BLOCK / RATE >= WARM_UP:
                seen.late.append(now - begin - (number + 1) * BLOCK / RATE)
        elif event["type"].endswith(".completed"):
            return
        elif event["type"] == "error":
            print(event["error"]["message"], file=sys.stderr)
            seen.refused += 1
            return


async def upload(url: str, recording: bytes, end: float, seen: Seen) -> None:
    """Transcribe a recording until the time has come."""
    async with httpx.AsyncClient(timeout=None) as client:
        while time.monotonic() < end:
            began = time.monotonic()
            files = {"file": ("recording.wav", recording)}
            answer = await client.post(f"{url}/v1/audio/transcriptions", files=files)
            answer.raise_for_status()
            seen.upload_seconds.append(time.monotonic() - began)


async def load(url: str, args: argparse.Namespace, sound: np.ndarray, lengths: list[int]) -> Seen:
    """Run all clients."""
    seen = Seen()
    sent = blocks(sound, args.seconds)
    uri = f"{url.replace('http', 'ws')}/v1/realtime?intent=transcription"
    end = time.monotonic() + args.seconds
    recording = as_wav(sound)
    clients = [
        session(uri, sent, lengths, number / args.sessions, seen) for number in range(args.sessions)
    ]
    clients += [upload(url, recording, end, seen) for _ in range(args.uploads)]
    await asyncio.wait_for(asyncio.gather(*clients), args.seconds + PATIENCE)
    return seen


def as_wav(sound: np.ndarray) -> bytes:
    """Return 16-bit samples as a file."""
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(RATE)
        writer.writeframes(sound.tobytes())
    return file.getvalue()


@contextmanager
def server(args: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Run `parrotlet serve`; give its address and its process."""
    command = [sys.executable, "-m", "parrotlet", "serve", "--port", "0", "-m", args.model]
    if args.max_streams:
        command += ["--max-streams", str(args.max_streams)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert process.stderr is not None
        for line in process.stderr:
            if found := re.search(r"http://127\.0\.0\.1:\d+$", line.strip()):
                yield found[0], process.pid
                return
        raise SystemExit("the server did not start")
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait()


def resident(process: int) -> tuple[float, float]:
    """Return the megabytes that a process has now, and the most that it had."""
    status = Path(f"/proc/{process}/status").read_text()
    now, most = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmRSS", "VmHWM"))
    return now / 1024, most / 1024


def main() -> None:
    """Measure what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--sessions", type=int, default=64)
    parser.add_argument("--uploads", type=int, default=8)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--max-streams", type=int, help="as for parrotlet serve")
    add_reporting_options(parser)
    args = parser.parse_args()
    sound = example_sound()
    lengths = final_lengths(parrotlet.load(args.model), blocks(sound, args.seconds))
    with server(args) as (url, process):
        seen = asyncio.run(load(url, args, sound, lengths))
        now, most = resident(process)
    milliseconds = 1e3 * np.array(seen.late or [np.nan])
    done = Load(
        args.sessions,
        args.uploads,
        args.seconds,
        seen.refused,
        len(seen.late),
        float(np.median(milliseconds)),
        float(np.percentile(milliseconds, 99)),
        len(seen.upload_seconds),
        float(np.median(seen.upload_seconds or [np.nan])),
        now,
        most,
    )
    header = ("sessions", "refused", "deltas", "median", "99 %", "uploads", "s each", "RSS", "most")
    row = (
        str(done.sessions),
        str(done.refused),
        str(done.deltas),
        f"{done.median_ms:.0f} ms",
        f"{done.percentile_99_ms:.0f} ms",
        str(done.uploads_done),
        f"{done.upload_seconds:.1f}",
        f"{done.rss_mb:.0f} MB",
        f"{done.most_rss_mb:.0f} MB",
    )
    print_table(header, [row], args.markdown)
    write_json(args.json, [done])


if __name__ == "__main__":
    main()
