"""The command, as a process of its own."""

from __future__ import annotations

import contextlib
import fcntl
import json
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from serve_client import PATIENCE, eventually

from parrotlet.cli import main
from parrotlet.serve.logs import BackgroundHandler, logging_to_stderr


@contextlib.contextmanager
def command(*arguments: object) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """Run `parrotlet serve` on a free port; give the process and the port."""
    environment = {k: v for k, v in os.environ.items() if k != "PARROTLET_MODEL"}
    process = subprocess.Popen(
        [sys.executable, "-m", "parrotlet", "serve", "--port", "0", "-t", "1"]
        + [str(argument) for argument in arguments],
        stderr=subprocess.PIPE,
        text=True,
        env={**environment, "PYTHONUTF8": "1"},
    )
    assert process.stderr is not None
    try:
        lines = iter(process.stderr.readline, "")
        port = next(
            int(found[1]) for line in lines if (found := re.search(r"http://\S+:(\d+)", line))
        )
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(PATIENCE)
        process.stderr.close()


def test_it_answers_what_runs_and_ends(example: Path, tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text("very-secret\n")
    options = ("--json-logs", "--api-key-file", keys, "-m", "digits=demo")
    with command(*options) as (process, port):
        url = f"http://127.0.0.1:{port}"
        content = example.read_bytes()
        body = (
            b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
            + content
            + b"\r\n--b--\r\n"
        )
        head = (
            "POST /v1/audio/transcriptions HTTP/1.1\r\nHost: localhost\r\n"
            "Authorization: Bearer very-secret\r\nConnection: close\r\n"
            f"Content-Type: multipart/form-data; boundary=b\r\nContent-Length: {len(body)}\r\n\r\n"
        ).encode()
        with socket.create_connection(("127.0.0.1", port), PATIENCE) as running:
            running.sendall(head + body[:1000])

            def health() -> httpx.Response:
                return httpx.get(f"{url}/health", timeout=PATIENCE, trust_env=False)

            eventually(lambda: health().json()["queue"]["waiting"] == 1)
            process.send_signal(signal.SIGTERM)
            eventually(lambda: health().status_code == 503)
            assert health().json()["status"] == "draining"
            headers = {"Authorization": "Bearer very-secret"}
            refused = httpx.get(
                f"{url}/v1/models", headers=headers, timeout=PATIENCE, trust_env=False
            )
            assert refused.status_code == 503
            assert refused.json()["error"]["code"] == "draining"
            assert refused.headers["retry-after"]
            running.sendall(body[1000:])
            with running.makefile("rb") as file:
                answer = file.read()
        assert answer.startswith(b"HTTP/1.1 200 OK")
        assert b"two one five nine" in answer
        assert process.wait(PATIENCE) == 0
        assert process.stderr is not None
        logged = process.stderr.read()
    assert "very-secret" not in logged
    lines = [json.loads(line) for line in logged.splitlines()]
    (done,) = [line for line in lines if line.get("method") == "POST"]
    assert (done["status"], done["model"], done["client"]) == (200, "digits", "127.0.0.1")
    assert done["audio_seconds"] == pytest.approx(5.628)


def test_a_log_that_nobody_reads_stops_nothing() -> None:
    with command() as (process, port), httpx.Client(timeout=PATIENCE, trust_env=False) as client:
        assert process.stderr is not None
        requests = 200  # whose lines are more than a pipe takes
        if hasattr(fcntl, "F_SETPIPE_SZ"):
            fcntl.fcntl(process.stderr, fcntl.F_SETPIPE_SZ, 4096)
            requests = 80
        for _ in range(requests):
            assert client.get(f"http://127.0.0.1:{port}/nothing").status_code == 404
        process.send_signal(signal.SIGTERM)
        assert process.wait(PATIENCE) == 0


def test_everything_logged_goes_the_same_way(capfd) -> None:
    """Whoever logs by another way than the log's thread may stop the event loop."""
    with logging_to_stderr(as_json=True, quiet=False):
        logging.getLogger("asyncio").error("Task exception was never retrieved")
        logging.getLogger("anyone").info("of no interest")
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            warnings.warn("an old name", UserWarning, stacklevel=1)
        handlers = [
            handler
            for name in ("asyncio", "uvicorn.error", "websockets.server", "parrotlet.serve")
            for handler in (logging.getLogger(name).handlers or logging.getLogger().handlers)
        ]
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["logger"] for line in lines] == ["asyncio", "py.warnings"]
    assert {type(handler) for handler in handlers} == {BackgroundHandler}
    assert BackgroundHandler not in map(type, logging.getLogger().handlers)


def test_ctrl_c_ends_it() -> None:
    with command("-q") as (process, _):
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE) == 0


def test_without_the_extra_it_says_what_to_install(monkeypatch, capsys) -> None:
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "parrotlet.serve.running", raising=False)
    assert main(["serve", "--port", "0"]) == 1
    assert "pip install 'parrotlet[serve]'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("-m", "missing.gguf"), 1, "missing.gguf: no such file"),
        (("-m", "=demo"), 2, "--model =demo: expected MODEL or NAME=MODEL"),
        (("-m", "demo", "-m", "demo"), 2, "two models have the name demo"),
        (("--port", "70000"), 2, "port is 70000"),
        (("--api-key-file", "/missing"), 1, "/missing: cannot be read"),
    ],
)
def test_what_cannot_be_is_said_before_anything_listens(capsys, arguments, status, message) -> None:
    assert main(["serve", *arguments]) == status
    assert message in capsys.readouterr().err


def test_a_port_that_is_taken(capsys) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        assert main(["serve", "--port", str(taken.getsockname()[1])]) == 1
    told = capsys.readouterr().err
    assert "cannot be listened on" in told
    assert "choose another --host or --port" in told


def test_more_than_this_machine_is_served_with_a_warning(capsys) -> None:
    # The address is one of documentation (RFC 5737): nobody has it.
    assert main(["serve", "--host", "192.0.2.1", "--port", "0"]) == 1
    assert "192.0.2.1: other machines may connect, and everybody is let in" in (
        capsys.readouterr().err
    )
