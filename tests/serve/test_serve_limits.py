"""Requests that mean harm: none costs more than the limits say, and none stops the others."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from serve_client import eventually, wav
from sound_files import make, tone

BOUNDARY = "b0undary"


def head(length: int | None, path: str = "/v1/audio/transcriptions") -> bytes:
    """The head of a request with a form; without a length, the body comes in chunks."""
    size = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    return (
        f"POST {path} HTTP/1.1\r\nHost: localhost\r\n{size}\r\n"
        f"Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n"
    ).encode()


def form(content: bytes, name: str = "a.wav") -> bytes:
    return (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    ).encode() + (content + f"\r\n--{BOUNDARY}--\r\n".encode())


def answer(connection: socket.socket) -> bytes:
    """All that is sent until the connection is closed."""
    parts = []
    with connection:
        while data := connection.recv(1 << 16):
            parts.append(data)
    return b"".join(parts)


def first_line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as file:
        return file.readline().strip()


@pytest.fixture
def scratch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where temporary files go; at the end there is none, with or without a name."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield tmp_path
    assert list(tmp_path.iterdir()) == []
    eventually(lambda: not open_files(tmp_path))


def open_files(folder: Path) -> list[str]:
    found = []
    for link in Path("/proc/self/fd").iterdir():
        try:
            found.append(str(link.readlink()))
        except OSError:  # closed meanwhile
            continue
    return [name for name in found if name.startswith(str(folder))]


def post(client, content: bytes, name: str = "a.wav", **data: str):
    return client.post(
        "/v1/audio/transcriptions", files={"file": (name, content)}, data=data or None
    )


NAMES = ("../../etc/passwd", "/etc/passwd", "..\\..\\x", "file:///etc/passwd", "a\0b", "~root", "")


def test_a_name_is_no_path(server, scratch, example) -> None:
    """The recording is what was sent, whatever it is called; messages have the last part alone."""
    for name in NAMES:
        with server.connection() as connection:
            body = form(b"no sound", name)
            connection.sendall(head(len(body)) + body)
            assert first_line(connection) == b"HTTP/1.1 400 Bad Request", name
    with server.client() as client:
        error = post(client, b"no sound", "../secret/talk.txt").json()["error"]
        assert error["message"].startswith("talk.txt: cannot be read as audio")
        assert post(client, example.read_bytes(), "/etc/passwd").status_code == 200


@pytest.mark.parametrize("length", [True, False])
def test_a_large_body_is_refused(served, scratch, length) -> None:
    server = served({"max_upload_bytes": 3 << 20})
    body = form(bytes(4 << 20))
    with server.client() as client:
        headers = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        pieces = (body[i : i + (1 << 16)] for i in range(0, len(body), 1 << 16))
        response = client.post(
            "/v1/audio/transcriptions", content=body if length else pieces, headers=headers
        )
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (413, "request_too_large")


def test_a_large_file_lies_on_disk_while_it_arrives(server, scratch) -> None:
    body = form(bytes(2 << 20))
    with server.connection(head(len(body)) + body[:-10]):
        eventually(lambda: open_files(scratch))
        assert list(scratch.iterdir()) == []  # it has no name
    eventually(lambda: server.state.active == 0)


@pytest.mark.parametrize("sound", ["silence", "tone"])
@pytest.mark.parametrize("told", [True, False], ids=["told", "untold"])
def test_a_small_file_that_is_long_is_refused(served, scratch, sound, told) -> None:
    """The header says how long it is, or does not."""
    level = 0.3 if sound == "tone" else 0.0
    content = make("flac", lambda rate: np.tile(tone(300, 1.0, rate, level), 12))
    if not told:
        content = content[:21] + bytes([content[21] & 0xF0, 0, 0, 0, 0]) + content[26:]
    server = served({"max_audio_seconds": 10.0})
    with server.client() as client:
        error = post(client, content).json()["error"]
    assert error["code"] == "recording_too_long"


@pytest.mark.parametrize("stream", ["true", "false"])
def test_work_has_a_limit_of_time(served, scratch, example, stream) -> None:
    server = served({"max_work_seconds": 0.0})
    with server.client() as client:
        response = post(client, example.read_bytes(), stream=stream)
    assert response.json()["error"]["code"] == "recording_takes_too_long"
    assert response.status_code == 400


@pytest.mark.parametrize(
    "content",
    [b"", b"\0" * 5000, b"RIFF\xff\xff\xff\xffWAVEfmt ", os.urandom(20_000), b"<html>no</html>"],
    ids=["empty", "zeros", "cut", "noise", "page"],
)
def test_what_is_no_recording(server, scratch, content) -> None:
    with server.client() as client:
        response = post(client, content)
    error = response.json()["error"]
    assert (response.status_code, error["code"]) == (400, "invalid_audio")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"a=b", "application/x-www-form-urlencoded"),
        (b"{}", "application/json"),
        (b"", "multipart/form-data"),
        (b"rubbish", f"multipart/form-data; boundary={BOUNDARY}"),
        (form(b"x")[:-30], f"multipart/form-data; boundary={BOUNDARY}"),
        (form(b"x") * 2, "multipart/form-data; boundary=" + "x" * 5000),
        (b"", ""),
    ],
)
def test_what_is_no_form(server, scratch, body, kind) -> None:
    with server.client() as client:
        response = client.post(
            "/v1/audio/transcriptions", content=body, headers={"Content-Type": kind}
        )
    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"


def test_too_many_fields_and_files(server, scratch) -> None:
    with server.client() as client:
        many = client.post(
            "/v1/audio/transcriptions",
            files=[("file", b"x")],
            data={f"field{i}": "x" for i in range(2000)},
        )
        two = client.post("/v1/audio/transcriptions", files=[("file", b"x"), ("file", b"y")])
        large = client.post(
            "/v1/audio/transcriptions", files={"file": b"x"}, data={"prompt": "x" * 100_000}
        )
    assert [response.status_code for response in (many, two, large)] == [400, 400, 400]


@pytest.mark.parametrize("sent", [b"", b"GET /health HTTP/1.1\r\nX-", b"POST"])
def test_a_connection_without_a_request_is_closed(served, sent) -> None:
    server = served({"receive_seconds": 0.3})
    assert answer(server.connection(sent)) == b""


def test_a_connection_that_sends_byte_by_byte_is_closed(served) -> None:
    server = served({"receive_seconds": 0.3})
    with server.connection(b"GET /health HTTP/1.1\r\nX: ") as connection:
        connection.settimeout(0.01)

        def is_closed() -> bool:
            try:
                connection.sendall(b"x")
                return not connection.recv(1)
            except TimeoutError:
                return False
            except OSError:
                return True

        eventually(is_closed)


def test_a_second_request_has_no_more_time(served) -> None:
    server = served({"receive_seconds": 0.3})
    with server.connection(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n") as connection:
        assert connection.recv(1 << 16).startswith(b"HTTP/1.1 200")
        connection.sendall(b"GET /he")
        assert b"HTTP" not in answer(connection)


def test_a_slow_body_is_given_up(served, scratch) -> None:
    server = served({"receive_seconds": 0.3})
    found = answer(server.connection(head(1000) + form(b"x" * 100)[:80]))
    assert found.startswith(b"HTTP/1.1 408")
    assert server.state.admission.waiting == 0


def test_connections_are_bounded(served) -> None:
    server = served({"max_connections": 3})
    held = [server.connection(b"GET /health HTTP/1.1\r\n") for _ in range(3)]
    # They are taken in the order in which they came.
    refused = answer(server.connection())
    assert refused.startswith(b"HTTP/1.1 503")
    for connection in held:
        connection.close()

    def is_served() -> bool:
        found = answer(server.connection(b"GET /health HTTP/1.0\r\nHost: localhost\r\n\r\n"))
        return found.startswith(b"HTTP/1.1 200")

    eventually(is_served)


def test_a_full_queue_says_when_to_come_again(served, scratch, example) -> None:
    server = served({"max_running": 1, "max_queue": 0})
    body = form(example.read_bytes())
    with server.connection(head(len(body)) + body[:1000]) as first, server.client() as client:
        eventually(lambda: server.state.admission.waiting == 1)
        response = post(client, example.read_bytes())
        assert response.status_code == 429
        assert int(response.headers["retry-after"]) >= 1
        assert response.json()["error"]["type"] == "rate_limit_error"
        first.sendall(body[1000:])
        assert first_line(first) == b"HTTP/1.1 200 OK"
    with server.client() as client:
        assert post(client, example.read_bytes()).status_code == 200


@pytest.mark.parametrize("stream", [False, True])
def test_work_ends_with_its_client(served, scratch, stream) -> None:
    server = served({"max_running": 1})
    sound = wav(np.tile(tone(500, 2.0), 150))
    field = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="stream"\r\n\r\ntrue\r\n'
    body = (field.encode() if stream else b"") + form(sound)
    running = server.connection(head(len(body)) + body)
    eventually(lambda: server.state.admission.running == 1)
    waiting = server.connection(head(len(body)) + body)
    eventually(lambda: server.state.admission.waiting == 1)
    waiting.close()
    eventually(lambda: server.state.admission.waiting == 0)
    assert server.state.admission.running == 1
    running.close()
    eventually(lambda: server.state.active == 0)
    assert server.state.admission.running == 0
    with server.client() as client:
        counted = client.get("/metrics").text
    assert 'route="/v1/audio/transcriptions",status="499"} 2.0' in counted
    assert "parrotlet_audio_seconds_total{" not in counted  # none came to its end


def test_a_client_that_goes_while_it_sends(server, scratch) -> None:
    for _ in range(5):
        server.connection(head(10_000) + form(bytes(5000))[:5000]).close()
    eventually(lambda: server.state.active == 0)
    assert server.state.admission.waiting == 0
