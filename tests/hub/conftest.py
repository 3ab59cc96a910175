"""A hub on this machine, empty caches, and huggingface_hub looking there."""

from __future__ import annotations

import io
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import huggingface_hub
import pytest
from hub_server import FakeHub, serving
from huggingface_hub import constants

ORGANIZATION = "nvidia"


@pytest.fixture
def fake_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeHub]:
    """The server; `huggingface_hub` reads its environment when imported, and is told here."""
    for name in ("HF_TOKEN", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "PARROTLET_MODEL"):
        monkeypatch.delenv(name, raising=False)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PARROTLET_CACHE", str(tmp_path / "parrotlet"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hf" / "hub"))
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(tmp_path / "hf" / "token"))
    monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 1 << 16)
    monkeypatch.chdir(tmp_path)
    with serving() as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        template = constants.HUGGINGFACE_CO_URL_TEMPLATE.replace(constants.ENDPOINT, hub.url)
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        # Connections to the servers of other tests are dead.
        getattr(huggingface_hub, "close_session", lambda: None)()
        yield hub


@pytest.fixture
def environment(fake_hub: FakeHub) -> dict[str, str]:
    """For commands in processes of their own."""
    return {**os.environ, "PYTHONUTF8": "1", "COLUMNS": "120"}


@pytest.fixture
def nemo(data_dir: Path) -> bytes:
    """A tiny checkpoint, as on the hub."""
    return (data_dir / "parakeet-ctc-0.6b" / "model.nemo").read_bytes()


@pytest.fixture
def other_nemo(nemo: bytes) -> bytes:
    """The same model in a file with other bytes."""
    file = io.BytesIO(nemo)
    with tarfile.open(fileobj=file, mode="a") as archive:
        archive.addfile(tarfile.TarInfo("note.txt"))
    return file.getvalue()


@pytest.fixture
def model_name(fake_hub: FakeHub, nemo: bytes) -> str:
    """A repository with the checkpoint."""
    name = f"{ORGANIZATION}/parakeet-ctc-tiny"
    fake_hub.publish(name, {"README.md": b"# tiny", "parakeet-ctc-tiny.nemo": nemo})
    return name
