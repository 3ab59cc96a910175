"""The page at `/`: what is served, and that its files fit together."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import parrotlet
from parrotlet.serve.app import create_app
from parrotlet.serve.settings import ServeSettings

FILES = {
    entry.name: entry.read_text("utf-8")
    for entry in resources.files("parrotlet.serve.page").iterdir()
    if entry.name.endswith((".html", ".css", ".js", ".svg"))
}
TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class Elements(HTMLParser):
    """The elements of a page with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, {name: value or "" for name, value in attrs}))


ELEMENTS = Elements(FILES["index.html"]).found
IDS = [attributes["id"] for _, attributes in ELEMENTS if "id" in attributes]


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create_app(ServeSettings()), base_url="http://127.0.0.1") as client:
        yield client


@pytest.mark.parametrize("name", sorted(FILES))
def test_a_file_comes_with_its_type_and_a_strict_policy(client: TestClient, name: str):
    response = client.get("/" if name == "index.html" else f"/page/{name}")
    assert response.status_code == 200
    assert response.text == FILES[name]
    assert response.headers["content-type"] == TYPES[name.rpartition(".")[2]]
    assert response.headers["x-content-type-options"] == "nosniff"
    policy = response.headers["content-security-policy"].split("; ")
    assert policy[0] == "default-src 'self'"
    assert not [rule for rule in policy if "unsafe" in rule or "http" in rule or "*" in rule]
    again = client.get(str(response.url), headers={"If-None-Match": response.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/page/",
        "/page/route.py",
        "/page/__init__.py",
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page/..%2fapp.py",
        "/page//etc/passwd",
    ],
)
def test_nothing_else_is_served(client: TestClient, path: str):
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("name", sorted(FILES))
def test_no_file_refers_to_another_host(name: str):
    text = FILES[name].replace('xmlns="http://www.w3.org/2000/svg"', "")
    assert not re.findall(r"(?:https?:|wss?:|[\"'(]\s*)//\w[^\s\"')]*", text)


def test_the_page_has_no_code_and_no_style_of_its_own():
    for tag, attributes in ELEMENTS:
        assert tag != "style"
        assert tag != "script" or attributes["src"]
        assert not [name for name in attributes if name.startswith("on") or name == "style"]


def test_addresses_are_relative_so_that_a_proxy_may_serve_the_page_in_a_folder():
    addresses = [
        attributes[name]
        for _, attributes in ELEMENTS
        for name in ("src", "href")
        if name in attributes and not attributes[name].startswith("#")
    ]
    assert {address.removeprefix("page/") for address in addresses} <= FILES.keys()
    assert all(address.startswith("page/") for address in addresses)


def test_ids_are_there_once_wherever_they_are_referred_to():
    assert len(IDS) == len(set(IDS))
    wanted = {
        name
        for _, attributes in ELEMENTS
        for key in ("for", "aria-labelledby", "aria-describedby")
        for name in attributes.get(key, "").split()
    }
    wanted |= {found for text in FILES.values() for found in re.findall(r'\bpart\("([^"]+)"', text)}
    styles = "".join(text for name, text in FILES.items() if name.endswith(".css"))
    wanted |= set(re.findall(r"(?:^|[\s,])#([a-z][\w-]*)(?=[^;{}]*\{)", styles))
    assert len(wanted) > 30
    assert wanted <= set(IDS)


def test_every_control_has_a_name():
    labelled = {attributes["for"] for tag, attributes in ELEMENTS if tag == "label"}
    for tag, attributes in ELEMENTS:
        if tag in ("input", "select", "textarea", "meter", "progress"):
            named = {"aria-label", "aria-labelledby"} & attributes.keys()
            assert named or attributes["id"] in labelled


@pytest.mark.parametrize("name", sorted(name for name in FILES if name.endswith(".js")))
def test_a_module_imports_what_others_export(name: str):
    imports = re.findall(r"import \{([^}]*)\} from \"\./([^\"]+)\"", FILES[name])
    assert len(imports) == len(re.findall(r"^import\b", FILES[name], re.MULTILINE))
    for names, module in imports:
        exported = re.findall(
            r"^export (?:async )?(?:function|class|const) (\w+)", FILES[module], re.MULTILINE
        )
        assert {found.strip() for found in names.split(",") if found.strip()} <= set(exported)


def test_status_has_the_figures_of_the_panel(client: TestClient):
    first, second = (client.get("/status.json").json() for _ in range(2))
    read = set(re.findall(r"\b(?:now|before)\.(\w+)", FILES["status.js"]))
    assert read <= first.keys()
    assert first["status"] == "ok"
    assert (first["running"], first["waiting"], first["streams"]) == (0, 0, 0)
    assert first["loaded"] == []
    assert first["cores"] >= 1
    assert second["seconds"] > first["seconds"]
    assert second["processor_seconds"] >= first["processor_seconds"]


def test_one_request_gives_text_as_it_comes_and_then_words_as_sure_as_they_are(
    client: TestClient, examples_dir: Path
):
    recording = examples_dir / "example.wav"
    fields = {
        "stream": "true",
        "response_format": "verbose_json",
        "timestamp_granularities[]": ["word", "segment"],
    }
    response = client.post(
        "/v1/audio/transcriptions", files={"file": recording.read_bytes()}, data=fields
    )
    lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line]
    *deltas, done = map(json.loads, lines)
    expected = parrotlet.load("demo").transcribe(recording)
    assert deltas and {event["type"] for event in deltas} == {"transcript.text.delta"}
    assert "".join(event["delta"] for event in deltas) == done["text"] == expected.text
    assert done["type"] == "transcript.text.done"
    assert done["words"] == [word.to_dict() for word in expected.words]
    assert [found["text"] for found in done["segments"]] == [s.text for s in expected.segments]


def test_with_keys_the_page_is_open_and_the_figures_are_not(tmp_path):
    (tmp_path / "keys").write_text("secret\n")
    settings = ServeSettings(api_keys_file=tmp_path / "keys")
    with TestClient(create_app(settings), base_url="http://127.0.0.1") as client:
        assert client.get("/").status_code == 200
        assert client.get("/page/main.js").status_code == 200
        assert client.get("/status.json").status_code == 401
        key = {"Authorization": "Bearer secret"}
        assert client.get("/status.json", headers=key).status_code == 200
