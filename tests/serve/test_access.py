"""Who is let in, and what everybody is told: keys, other sites, errors, health and metrics."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from pathlib import Path
from typing import Any

import openai
import pytest

from parrotlet import ParrotletError
from parrotlet.serve.app import create_app
from parrotlet.serve.guard import Guard
from parrotlet.serve.settings import ServedModel, ServeSettings, read_api_keys

KEYS = "# of the team\nfirst-key\n\n  second-key  \n"


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    file = tmp_path / "keys"
    file.write_text(KEYS)
    return file


def test_only_who_has_a_key_is_let_in(served, keys, example) -> None:
    server = served(api_keys_file=keys)
    with server.client() as client:
        assert client.get("/health").status_code == 200
        for path in ("/v1/models", "/metrics", "/v1/audio/transcriptions", "/v1/nothing"):
            response = client.get(path)
            assert response.status_code == 401
            assert response.json()["error"]["code"] == "invalid_api_key"
            assert response.headers["www-authenticate"] == "Bearer"
    with server.openai("second-key") as client, example.open("rb") as file:
        assert client.audio.transcriptions.create(file=file, model="demo").text
    for wrong in ("first", "first-key2", "# of the team", "Ω"):
        with (
            server.openai(wrong) as client,
            pytest.raises((openai.AuthenticationError, UnicodeEncodeError)),
        ):
            client.models.list()


def test_a_file_of_keys_is_read(keys, tmp_path) -> None:
    assert read_api_keys(keys) == ("first-key", "second-key")
    keys.write_text("first\n  # indented\n\n second \n", encoding="utf-8-sig")
    assert read_api_keys(keys) == ("first", "second")
    keys.write_text("# none\n")
    with pytest.raises(ParrotletError, match="holds no API key"):
        read_api_keys(keys)
    with pytest.raises(ParrotletError, match="cannot be read"):
        create_app(ServeSettings(api_keys_file=tmp_path / "missing"))


def websocket(settings: ServeSettings, headers: dict[str, str], **extra: Any) -> list[Any]:
    """What the guard sends to one who opens a websocket; nothing if it lets him pass."""
    sent: list[Any] = []

    async def reached(scope: Any, receive: Any, send: Any) -> None:
        sent.append("reached")

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "websocket",
        "path": "/v1/realtime",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        **extra,
    }
    server = create_app(settings).state.server
    asyncio.run(Guard(reached, server)(scope, None, send))  # type: ignore[arg-type]
    return sent


def test_websockets_need_a_key_too(keys) -> None:
    settings = ServeSettings(api_keys_file=keys)
    (closed,) = websocket(settings, {})
    assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
    answered = {"extensions": {"websocket.http.response": {}}}
    start, _ = websocket(settings, {}, **answered)
    assert start["status"] == 401
    assert websocket(settings, {"authorization": "Bearer first-key"}) == ["reached"]
    protocols = "realtime, openai-insecure-api-key.second-key"
    assert websocket(settings, {"sec-websocket-protocol": protocols}) == ["reached"]


def test_pages_of_other_sites_open_no_websocket() -> None:
    other = {"origin": "https://example.org", "host": "localhost:8000"}
    (closed,) = websocket(ServeSettings(), other)
    assert closed["code"] == 1008
    assert websocket(ServeSettings(cors_origins=("https://example.org",)), other) == ["reached"]
    own = {"origin": "http://localhost:8000", "host": "localhost:8000"}
    assert websocket(ServeSettings(), own) == ["reached"]


def test_pages_of_other_sites_post_nothing(server, example) -> None:
    with server.client(headers={"Origin": "https://example.org"}) as client:
        response = client.post("/v1/audio/transcriptions", files={"file": example.read_bytes()})
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "unknown_origin"


def test_pages_that_are_named_may(served) -> None:
    server = served(cors_origins=("https://example.org",))
    asked = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "X-Any"}
    with server.client(headers={"Origin": "https://example.org"}) as client:
        preflight = client.options("/v1/audio/transcriptions", headers=asked)
        found = client.get("/v1/models")
    for response in (preflight, found):
        assert response.status_code == 200
        assert response.headers["access-control-allow-origin"] == "https://example.org"
    with server.client(headers={"Origin": "https://example.com"}) as client:
        assert client.options("/v1/audio/transcriptions", headers=asked).status_code == 400


def test_names_that_somebody_else_gave_this_machine(server) -> None:
    with server.client(headers={"Host": "evil.example.org:8000"}) as client:
        response = client.get("/v1/models")
    assert response.status_code == 403
    assert response.json()["error"]["code"] == "unknown_host"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/nothing", 404), ("DELETE", "/v1/models", 405), ("PUT", "/health", 405)],
)
def test_every_error_has_the_shape(server, method, path, status) -> None:
    with server.client() as client:
        response = client.request(method, path)
    assert response.status_code == status
    assert set(response.json()["error"]) == {"message", "type", "param", "code"}
    assert response.headers["x-request-id"].startswith("req_")


def test_health(server) -> None:
    with server.client() as client:
        found = client.get("/health").json()
    assert (found["status"], found["models"]["available"]) == ("ok", ["demo"])


def test_metrics(server, example) -> None:
    with server.client() as client:
        client.post("/v1/audio/transcriptions", files={"file": example.read_bytes()})
        client.get("/nothing/like/this")
        text = client.get("/metrics").text
    assert 'parrotlet_audio_seconds_total{model="demo"} 5.6' in text
    counted = 'method="POST",route="/v1/audio/transcriptions",status="200"'
    assert f"parrotlet_http_requests_total{{{counted}}}" in text
    assert "nothing" not in text  # a path that is not there is no label
    assert 'parrotlet_model_loaded{model="demo"} 1.0' in text
    if shutil.which("promtool"):
        command = ["promtool", "check", "metrics"]
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("host", "local"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("0.0.0.0", False), ("x", False)],
)
def test_what_is_local(host, local) -> None:
    assert ServeSettings(host=host).is_local == local


def test_settings_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="two models have the name a"):
        ServeSettings(models=(ServedModel("a", "demo"), ServedModel("a", "demo")))
    with pytest.raises(ValueError, match="models is empty"):
        ServeSettings(models=())
    with pytest.raises(ValueError, match="port is 65536"):
        ServeSettings(port=65536)
