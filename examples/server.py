"""A transcription service in seventy lines: POST a sound file, get JSON, or subtitles.

python examples/server.py [PORT]
curl --data-binary @talk.flac http://localhost:8000/transcribe
curl --data-binary @talk.flac http://localhost:8000/transcribe?format=srt

It is an example: it has no authentication, and listens on this machine only.
"""

import contextlib
import io
import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

import parrotlet

MAX_BYTES = 100_000_000

model = parrotlet.load()
one_at_a_time = threading.Lock()  # a request has all cores; the next one waits


class Handler(BaseHTTPRequestHandler):
    """Answers POST /transcribe with what `parrotlet transcribe --format FORMAT` writes."""

    def do_POST(self) -> None:
        """Transcribe the body of the request."""
        path, _, query = self.path.partition("?")
        if path != "/transcribe":
            return self.answer(404, {"error": "POST to /transcribe"})
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or not 0 < int(length) <= MAX_BYTES:
            return self.answer(413, {"error": f"send a sound file of at most {MAX_BYTES} bytes"})
        sound = io.BytesIO(self.rfile.read(int(length)))
        try:
            with one_at_a_time:
                result = model.transcribe(sound)
            format = parse_qs(query).get("format", ["json"])[0]
            return self.send(200, parrotlet.render(result, format), format)
        except (parrotlet.AudioError, ValueError) as error:
            return self.answer(400, {"error": str(error)})

    def answer(self, status: int, content: object) -> None:
        """Send JSON."""
        self.send(status, json.dumps(content, ensure_ascii=False), "json")

    def send(self, status: int, text: str, format: str) -> None:
        """Send text in one of the formats of `parrotlet transcribe`."""
        body = text.encode()
        self.send_response(status)
        kind = "application/json" if format == "json" else "text/plain; charset=utf-8"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


if __name__ == "__main__":
    port = int(sys.argv[1]) if len(sys.argv) > 1 else 8000
    with ThreadingHTTPServer(("127.0.0.1", port), Handler) as server:
        print(f"http://127.0.0.1:{server.server_port}/transcribe", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            server.serve_forever()
