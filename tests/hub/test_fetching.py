"""How files come from a hub on this machine: cut connections, Xet, checksums."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hub_server import sha256

import parrotlet
from parrotlet.errors import HubError
from parrotlet.hub import names
from parrotlet.hub.download import checksum_of


def blobs(tmp_path: Path) -> list[Path]:
    return sorted(path for path in (tmp_path / "hf").rglob("blobs/*") if path.suffix != ".lock")


# Interruptions ------------------------------------------------------------------------------


@pytest.fixture
def no_pauses(monkeypatch):
    """huggingface_hub waits a second before it tries again."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)


def test_a_connection_that_is_cut_goes_on(fake_hub, model_name, nemo, no_pauses):
    fake_hub.cuts = [700_000, 300_000]
    model = parrotlet.load(model_name, threads=1)
    assert len(model.vocabulary) == 128
    ranges = [headers.get("range") for headers in fake_hub.asked("GET", "/store/")]
    starts = [int(r.removeprefix("bytes=").rstrip("-")) for r in ranges if r]
    assert ranges[0] is None
    assert len(starts) == 2
    # Whole pieces of 64 KiB arrived before each cut.
    assert 600_000 < starts[0] <= 700_000 < starts[1] <= 1_000_000


def test_a_download_that_ended_goes_on_in_the_next(fake_hub, model_name, nemo, no_pauses, tmp_path):
    fake_hub.cuts = [800_000] + [0] * 20
    with pytest.raises(HubError, match=r"nvidia/parakeet-ctc-tiny.*cannot be reached.*try again"):
        parrotlet.load(model_name)
    (partial,) = blobs(tmp_path)
    size = partial.stat().st_size
    assert partial.name == f"{sha256(nemo)}.parrotlet.incomplete"
    assert 700_000 < size <= 800_000
    fake_hub.cuts = []
    fake_hub.log.clear()
    steps = []
    parrotlet.load(model_name, threads=1, progress=lambda *step: steps.append(step))
    (headers,) = fake_hub.asked("GET", "/store/")
    assert headers["range"] == f"bytes={size}-"
    assert steps[0][0] > size
    assert [path.name for path in blobs(tmp_path)] == [sha256(nemo)]


def test_a_killed_process_leaves_what_it_fetched(fake_hub, model_name, environment, tmp_path):
    """Killed while bytes arrive: the next process fetches the rest only."""
    code = (
        "import os, parrotlet\n"
        "from huggingface_hub import constants\n"
        "constants.DOWNLOAD_CHUNK_SIZE = 1 << 16\n"
        "def progress(done, total, name):\n"
        "    if done > 500_000: os._exit(9)\n"
        f"parrotlet.load({model_name!r}, progress=progress)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environment, check=False)
    assert done.returncode == 9
    (partial,) = blobs(tmp_path)
    assert partial.stat().st_size > 400_000
    size = partial.stat().st_size
    parrotlet.load(model_name, threads=1)
    assert fake_hub.asked("GET", "/store/")[-1]["range"] == f"bytes={size}-"


@pytest.mark.parametrize("large", [True, False])
def test_a_wrong_checksum_keeps_nothing(fake_hub, model_name, nemo, data_dir, tmp_path, large):
    if large:
        damaged = bytearray(nemo)
        damaged[len(nemo) // 2] ^= 1
        fake_hub.swapped[sha256(nemo)] = bytes(damaged)
        name, file = model_name, "parakeet-ctc-tiny.nemo"
    else:
        directory = data_dir / "transformers" / "ParakeetForCTC"
        files = {p.name: p.read_bytes() for p in directory.iterdir()}
        name, file = "a/b", "config.json"
        commit = fake_hub.publish(name, files)
        parrotlet.hub.fetch_checkpoint(names.Repository(name))
        (blob,) = (tmp_path / "hf").rglob(f"snapshots/{commit}/config.json")
        blob.resolve().write_bytes(b"{}")
    with pytest.raises(HubError, match=f"{file} has another checksum than the hub states"):
        parrotlet.load(name)
    assert not list((tmp_path / "hf").rglob(file))
    assert not [p for p in blobs(tmp_path) if "incomplete" in p.name or p.name == sha256(nemo)]
    assert not list((tmp_path / "parrotlet").rglob("*.gguf"))
    fake_hub.swapped.clear()
    parrotlet.load(name, threads=1)


def test_a_cached_file_that_was_damaged_is_found_out(fake_hub, model_name, nemo, tmp_path):
    parrotlet.load(model_name, threads=1)
    (blob,) = blobs(tmp_path)
    blob.write_bytes(nemo[:-512] + b"\1" * 512)
    with pytest.raises(HubError, match="another checksum"):
        parrotlet.load(model_name, type="f16")
    assert blobs(tmp_path) == []
    parrotlet.load(model_name, threads=1, type="f16")


# Xet ----------------------------------------------------------------------------------------


@pytest.fixture
def xet(fake_hub, monkeypatch):
    """A Xet store, as far as huggingface_hub sees it: give it bytes, or an error to raise."""
    pytest.importorskip("hf_xet")
    from huggingface_hub import file_download

    given: list[bytes | Exception] = []

    def xet_get(*, incomplete_path, tqdm_class, expected_size, **others):
        if isinstance(given[0], Exception):
            raise given.pop(0)
        with tqdm_class(total=expected_size, name="xet") as bar:
            bar.update_transfer(expected_size)
            bar.update(expected_size / 2)
            bar.update(expected_size / 2)
        incomplete_path.write_bytes(given.pop(0))

    monkeypatch.setattr(file_download, "xet_get", xet_get)
    fake_hub.xet_store = f"{fake_hub.url}/nothing"
    return given


def test_large_files_come_through_xet(fake_hub, model_name, nemo, xet):
    xet.append(nemo)
    steps = []
    parrotlet.load(model_name, threads=1, progress=lambda *step: steps.append(step))
    fetching = [step[:2] for step in steps if step[2] == "fetching parakeet-ctc-tiny.nemo"]
    assert fetching == [(len(nemo) // 2, len(nemo)), (len(nemo), len(nemo))]
    assert not fake_hub.asked("GET", "/store/")


def test_xet_can_be_switched_off(fake_hub, model_name, xet, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    parrotlet.load(model_name, threads=1)
    assert len(fake_hub.asked("GET", "/store/")) == 1


def test_what_xet_gives_is_checked(model_name, nemo, xet, tmp_path):
    xet.append(nemo[:-512] + b"\1" * 512)
    with pytest.raises(HubError, match="another checksum"):
        parrotlet.load(model_name, progress=lambda *step: None)
    left = [path for path in (tmp_path / "hf").rglob("*") if not path.is_dir()]
    assert not [path for path in left if path.is_symlink() or path.stat().st_size == len(nemo)]
    xet.append(nemo)
    parrotlet.load(model_name, threads=1, progress=lambda *step: None)


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("Task error: CAS Client Error: error sending request"),
        ConnectionError("Network error: Request error: error decoding response body"),
    ],
)
def test_a_xet_store_that_does_not_answer(model_name, xet, error):
    xet.append(error)
    with pytest.raises(HubError, match=f"{model_name}: the hub cannot be reached.*try again"):
        parrotlet.load(model_name)


def test_no_room(model_name, xet):
    xet.append(OSError(28, "No space left on device"))
    with pytest.raises(HubError, match=r"cannot be stored \(No space left on device\)"):
        parrotlet.load(model_name)


def test_checksums(tmp_path):
    file = tmp_path / "file"
    file.write_bytes(b"test content\n")
    # What `git hash-object` and `sha256sum` say
    assert checksum_of(file, 40) == "d670460b4b4aece5915caf5c68d12f560a9fe3e4"
    assert checksum_of(file, 64).startswith("a1fff0ffefb9eace7230c24e50731f0a")
