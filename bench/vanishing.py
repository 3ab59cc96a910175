"""Clients that vanish, for an hour: what `parrotlet serve` holds on to.

    python bench/vanishing.py [--model MODEL.gguf] [--minutes 60] [--clients 4]

Starts `parrotlet serve` with a folder of its own for temporary files. So many clients at a time do
in turn what clients do that lose their network: cut an upload in its middle, send a recording and
do not wait for the text, stop reading a text that is streamed, and break off a realtime session
while it speaks. Every eighth stays to the end, and has to have its text. Every minute prints the
least resident memory that the server had in it, the most so far, its open files, the files in the
folder, and how many clients there were. (The server gives free memory back twice a minute: what it
holds at one moment depends on how long ago that was.)

Exits with 1 if a client that stayed had not the text of the first, if memory grew by more than
--most-growth MB after minute --settled, or if a file is left.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import contextlib
import json
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import websockets
from realtime import RATE, UPDATE, as_wav, blocks, example_sound, resident, server

PATIENCE = 30.0  # seconds for what the last clients have left behind
BOUNDARY = "a-boundary"


@dataclass
class Clients:
    """The clients of one server."""

    url: str
    sound: np.ndarray
    source: random.Random
    right: bytes = b""
    done: int = 0
    failed: int = 0

    @property
    def host(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")

    async def run(self, end: float) -> None:
        """Be one client after the other."""
        kinds: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = (
            self.cut_upload,
            self.unread_answer,
            self.unread_stream,
            self.broken_session,
        )
        while time.monotonic() < end:
            if self.done % 8 == 7:
                self.failed += await self.text() != self.right
            else:
                # A server may be quicker than the client that gives up.
                with contextlib.suppress(OSError, websockets.WebSocketException):
                    await self.source.choice(kinds)()
            self.done += 1
            await asyncio.sleep(self.source.uniform(0, 0.5))

    def request(self, **fields: str) -> bytes:
        """A request to transcribe the recording, as it goes over the wire."""
        parts = [
            f'--{BOUNDARY}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
            for name, value in fields.items()
        ]
        head = (
            f"--{BOUNDARY}\r\ncontent-disposition: form-data; "
            'name="file"; filename="recording.wav"\r\n\r\n'
        )
        body = "".join(parts).encode() + head.encode() + as_wav(self.sound)
        body += f"\r\n--{BOUNDARY}--\r\n".encode()
        lines = (
            "POST /v1/audio/transcriptions HTTP/1.1",
            f"host: {self.host}",
            f"content-type: multipart/form-data; boundary={BOUNDARY}",
            f"content-length: {len(body)}",
            "connection: close",
        )
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + body

    async def send(self, data: bytes, read: int, seconds: float = 0.0) -> bytes:
        """Send bytes, read so many at most (-1: all), and cut the connection after so long."""
        host, port = self.host.split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        try:
            writer.write(data)
            await writer.drain()
            answer = await reader.read(read) if read else b""
            await asyncio.sleep(seconds)
            return answer
        finally:
            writer.transport.abort()

    async def cut_upload(self) -> None:
        """Send a part of a recording."""
        whole = self.request()
        await self.send(whole[: self.source.randrange(len(whole))], 0)

    async def unread_answer(self) -> None:
        """Send a recording, and go after a while."""
        await self.send(self.request(), 0, self.source.uniform(0, 1))

    async def unread_stream(self) -> None:
        """Read the beginning of a text that is streamed."""
        await self.send(self.request(stream="true"), 200)

    async def broken_session(self) -> None:
        """Speak for a while, and cut the connection without a word."""
        uri = f"ws://{self.host}/v1/realtime?intent=transcription"
        async with websockets.connect(uri) as connection:
            await connection.send(json.dumps(UPDATE))
            for block in blocks(self.sound, self.source.uniform(0.2, 4)):
                audio = base64.b64encode(block.tobytes()).decode()
                event = {"type": "input_audio_buffer.append", "audio": audio}
                await connection.send(json.dumps(event))
                await asyncio.sleep(len(block) / RATE)
            connection.transport.abort()

    async def text(self) -> bytes:
        """Transcribe, and wait for the text; nothing if that fails."""
        answer = await self.send(self.request(response_format="text"), -1)
        head, _, text = answer.partition(b"\r\n\r\n")
        return text if head.startswith(b"HTTP/1.1 200") else b""


def count(folder: Path) -> int:
    """How many entries a folder has."""
    return sum(1 for _ in folder.iterdir())


async def soak(url: str, process: int, folder: Path, args: argparse.Namespace) -> bool:
    """Run for --minutes; return whether all is as it has to be."""
    clients = Clients(url, example_sound(), random.Random(0))
    clients.right = await clients.text()
    begin = time.monotonic()
    running = [
        asyncio.create_task(clients.run(begin + 60 * args.minutes)) for _ in range(args.clients)
    ]
    print("minute   MB  most MB  open files  left  clients  without text")
    memory = []
    for minute in range(1, args.minutes + 1):
        least = float("inf")
        while time.monotonic() < begin + 60 * minute:
            await asyncio.sleep(1.0)
            now, most = resident(process)
            least = min(least, now)
        memory.append(least)
        files, left = count(Path(f"/proc/{process}/fd")), count(folder)
        print(
            f"{minute:6d} {least:6.1f} {most:6.1f} {files:11d} {left:5d} {clients.done:8d} "
            f"{clients.failed:13d}",
            flush=True,
        )
    await asyncio.gather(*running)
    end = time.monotonic() + PATIENCE
    while (left := count(folder)) and time.monotonic() < end:
        await asyncio.sleep(0.5)
    growth = memory[-1] - memory[min(args.settled, len(memory)) - 1]
    print(f"grown by {growth:.1f} MB after minute {args.settled}; files left: {left}")
    return bool(clients.right) and not clients.failed and growth <= args.most_growth and not left


def main() -> int:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="demo")
    parser.add_argument("--max-streams", type=int, help="as for parrotlet serve")
    parser.add_argument("--minutes", type=int, default=60)
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument(
        "--settled", type=int, default=5, help="memory is compared with that of this minute"
    )
    parser.add_argument("--most-growth", type=float, default=5.0, help="MB")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TMPDIR"] = folder
        with server(args) as (url, process):
            return 0 if asyncio.run(soak(url, process, Path(folder), args)) else 1


if __name__ == "__main__":
    sys.exit(main())
