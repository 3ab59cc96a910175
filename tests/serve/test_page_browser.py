"""The page at `/` in Chromium, with the demo model."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import browsing
import numpy as np
import pytest
from live_server import Live, live_server

import parrotlet
from parrotlet.serve.settings import ServeSettings

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.skipif(browsing.missing() is not None, reason=f"{browsing.missing()}")

PATIENCE = 60_000  # milliseconds that anything may take on a loaded machine
DESKTOP = {"width": 1280, "height": 800}
PHONE = {"width": 360, "height": 740}

DROP = """
([name, content]) => {
  const bytes = Uint8Array.from(atob(content), (c) => c.charCodeAt(0));
  const data = new DataTransfer();
  data.items.add(new File([bytes], name));
  const zone = document.getElementById("drop-label");
  for (const type of ["dragenter", "dragover", "drop"]) {
    const options = { dataTransfer: data, bubbles: true, cancelable: true };
    zone.dispatchEvent(new DragEvent(type, options));
  }
}
"""

NOTE_LIT = """
() => {
  window.lit = [];
  new MutationObserver(() => {
    const word = document.querySelector("#words .now")?.firstChild.textContent;
    if (word && word !== window.lit.at(-1)) window.lit.push(word);
  }).observe(document.getElementById("words"), { subtree: true, attributeFilter: ["class"] });
}
"""

NOTE_SENT = """
() => {
  const send = XMLHttpRequest.prototype.send;
  XMLHttpRequest.prototype.send = function (form) {
    window.sent = [...form.entries()].filter(([, value]) => typeof value === "string");
    send.call(this, form);
  };
}
"""

RESAMPLE = """
async ([hertz, rate]) => {
  const { Resampler } = await import("/page/resampler.js");
  const resampler = new Resampler(rate, 24000);
  const tone = Float32Array.from({ length: rate / 10 }, (_, i) =>
    Math.sin((2 * Math.PI * hertz * i) / rate),
  );
  const found = [];
  for (let at = 0; at < tone.length; at += 777) {
    found.push(...resampler.push(tone.subarray(at, at + 777)));
  }
  return [...found, ...resampler.end()];
}
"""


@pytest.fixture(scope="module")
def recording(examples_dir: Path) -> Path:
    return examples_dir / "example.wav"


@pytest.fixture(scope="module")
def expected(recording: Path) -> parrotlet.Transcription:
    return parrotlet.load("demo").transcribe(recording)


@pytest.fixture(scope="module")
def browser(recording: Path) -> Iterator[Browser]:
    with browsing.chromium(recording) as browser:
        yield browser


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with live_server() as live:
        yield address_of(live)


@contextmanager
def pages(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    """`open(address=…, **context)`: the page, once it knows how the server is doing.

    Nothing may go wrong in it but requests that the server refuses.
    """
    contexts, wrong = [], []

    def open(address: str = address, **options: object) -> Page:
        context = browser.new_context(**{"viewport": DESKTOP, **options})
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(PATIENCE)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
        page.goto(address)
        page.locator("#server-pill:not([data-state=unknown])").wait_for()
        return page

    yield open
    for context in contexts:
        context.close()
    assert [text for text in wrong if "Failed to load resource" not in text] == []


@pytest.fixture
def open_page(browser: Browser, address: str) -> Iterator[Callable[..., Page]]:
    with pages(browser, address) as open:
        yield open


@pytest.fixture(scope="module")
def read_page(browser: Browser, address: str, recording: Path) -> Iterator[Page]:
    """A page on which the recording is read; shared, and left paused."""
    with pages(browser, address) as open:
        page = open()
        give(page, recording)
        yield page


def address_of(live: Live) -> str:
    return f"http://127.0.0.1:{live.port}"


def give(page: Page, recording: Path) -> None:
    """Choose a file, and wait until it is read."""
    page.set_input_files("#file", recording)
    page.wait_for_selector("#words .w")


def word(page: Page, number: int) -> str:
    return page.evaluate(
        "(i) => document.querySelectorAll('#words .w')[i].firstChild.textContent", number
    )


def time_of(page: Page) -> float:
    return page.evaluate("() => document.getElementById('audio').currentTime")


def lit(page: Page, text: str) -> None:
    page.wait_for_function(
        "(text) => document.querySelector('#words .now')?.firstChild.textContent === text", arg=text
    )


def test_captions_appear_while_the_microphone_hears(open_page):
    page = open_page()
    page.get_by_role("button", name="Start the microphone").click()
    stop = page.get_by_role("button", name="Stop the microphone")
    stop.wait_for()
    page.wait_for_function(
        "() => document.getElementById('settled').textContent.trim().split(/\\s+/).length >= 5"
    )
    assert stop.is_visible()  # words came while it was open
    assert page.get_by_role("log", name="Live captions").inner_text().startswith("two one")
    stop.click()
    page.wait_for_selector("#words .w")
    assert [word(page, number) for number in range(3)] == ["two", "one", "five"]
    page.get_by_role("button", name="Start the microphone").wait_for()
    page.wait_for_function("() => document.getElementById('audio').duration > 1")
    with page.expect_download() as download:
        page.get_by_role("button", name="SRT").click()
    assert download.value.suggested_filename.startswith("microphone ")
    assert "two one five" in Path(download.value.path()).read_text()


def test_a_dropped_recording_is_sent_with_phrases_and_model(open_page, recording, expected):
    page = open_page()
    page.get_by_label("Phrases to expect").fill("six eight three\n\n  five nine ")
    page.evaluate(NOTE_SENT)
    page.evaluate(DROP, [recording.name, base64.b64encode(recording.read_bytes()).decode()])
    page.wait_for_selector("#words .w")
    sent = page.evaluate("() => window.sent")
    assert ["model", "demo"] in sent
    assert [value for name, value in sent if name == "keywords[]"] == [
        "six eight three",
        "five nine",
    ]
    assert page.get_by_role("heading", name=recording.name).is_visible()
    assert page.locator("#words .w").count() == len(expected.words)


def test_words_have_their_times_and_confidences(read_page, expected):
    page = read_page
    spans = page.locator("#words .w").all()
    assert [word(page, number) for number in range(len(spans))] == [w.word for w in expected.words]
    for span, heard in zip(spans, expected.words, strict=True):
        sure = f"{round(heard.confidence * 100)} %"
        assert span.get_attribute("title") == f"0:{heard.start:05.2f}, {sure} sure"
        unsure = heard.confidence < 0.8
        assert ("fair" in span.get_attribute("class")) == unsure
        assert span.text_content() == heard.word + (f" (fairly sure, {sure})" if unsure else "")
    assert page.get_by_role("note", name="What underlining means").is_visible()
    assert page.locator("#facts").inner_text() == f"{len(spans)} words, 0:05"


def test_words_light_up_while_the_recording_plays(read_page, expected):
    page = read_page
    page.evaluate(NOTE_LIT)
    page.evaluate("() => document.getElementById('audio').playbackRate = 2")
    page.get_by_role("button", name="Play", exact=True).click()
    page.get_by_role("button", name="Pause").wait_for()
    page.wait_for_function("() => document.getElementById('audio').ended")
    heard = page.evaluate("() => window.lit")
    said = iter([w.word for w in expected.words])
    assert len(heard) >= len(expected.words) // 3
    assert all(text in said for text in heard)  # in their order
    assert page.locator("#words .now").count() == 0


def test_a_word_is_heard_when_it_is_clicked_or_entered(read_page, expected):
    page = read_page
    page.evaluate("() => document.getElementById('audio').playbackRate = 0.1")
    fourth = expected.words[3]
    page.locator("#words .w").nth(3).click()
    lit(page, fourth.word)
    assert fourth.start <= time_of(page) < fourth.start + 2
    page.get_by_role("button", name="Pause").click()

    page.get_by_role("group", name="Words", exact=True).focus()
    page.keyboard.press("Home")
    for _ in range(4):
        page.keyboard.press("ArrowRight")
    fifth = expected.words[4]
    assert page.locator("#word-said").inner_text().startswith(f"{fifth.word}, 0:01.68, ")
    page.keyboard.press("Enter")
    lit(page, fifth.word)
    assert fifth.start <= time_of(page) < fifth.start + 2
    page.get_by_role("button", name="Pause").click()

    page.get_by_role("button", name="Play from 0:00").click()
    lit(page, expected.words[0].word)
    assert expected.words[0].start <= time_of(page) < fourth.start


def test_downloads_are_what_the_server_writes(read_page, expected):
    page = read_page
    saved = {}
    for name in ("TXT", "SRT", "VTT", "JSON"):
        with page.expect_download() as download:
            page.get_by_role("button", name=name).click()
        file = download.value
        assert file.suggested_filename == f"example.{name.lower()}"
        saved[name] = Path(file.path()).read_text("utf-8")
        page.get_by_text(f"{file.suggested_filename} is saved.").wait_for()
    for name, format in (("TXT", "text"), ("SRT", "srt"), ("VTT", "vtt")):
        assert saved[name] == parrotlet.render(expected, format)
    values = json.loads(saved["JSON"])
    assert values["text"] == expected.text
    assert values["words"] == [w.to_dict() for w in expected.words]


def test_a_file_without_sound_is_an_error_that_can_be_closed(open_page):
    page = open_page()
    page.set_input_files("#file", {"name": "a.wav", "mimeType": "audio/wav", "buffer": b"nothing"})
    alert = page.get_by_role("alert")
    alert.wait_for()
    assert "a.wav" in alert.inner_text()
    assert not page.locator("#result").is_visible()
    page.get_by_role("button", name="Close the message").click()
    assert not alert.is_visible()


def test_work_can_be_cancelled(open_page, recording):
    page = open_page()
    page.route("**/v1/audio/transcriptions", lambda route: None)  # it is never answered
    page.set_input_files("#file", recording)
    page.get_by_role("button", name="Cancel").click()
    page.locator("#blank").wait_for()
    assert not page.locator("#result").is_visible()
    page.unroute("**/v1/audio/transcriptions")
    give(page, recording)


def test_a_server_with_keys_is_asked_with_one(open_page, recording, tmp_path):
    (tmp_path / "keys").write_text("first\nsecond\n")
    with live_server(ServeSettings(api_keys_file=tmp_path / "keys")) as live:
        page = open_page(address_of(live))
        for key in ("third", "second"):
            page.get_by_label("API key").fill(key)
            page.get_by_role("button", name="Use it").click()
            page.get_by_label("API key").wait_for(state="visible" if key == "third" else "hidden")
        page.get_by_text("ready").wait_for()
        give(page, recording)
        page.get_by_role("button", name="Start the microphone").click()
        page.get_by_role("button", name="Stop the microphone").wait_for()
        page.get_by_role("log", name="Live captions").get_by_text("two").wait_for()
        page.close()  # the server would wait for its websocket


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_and_a_phone_is_wide_enough(open_page, recording, scheme):
    axe = pytest.importorskip("axe_playwright_python.sync_playwright").Axe()
    page = open_page(color_scheme=scheme, viewport=PHONE)

    def check() -> None:
        found = axe.run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("() => document.documentElement.scrollWidth") <= PHONE["width"]

    check()
    give(page, recording)
    page.locator("#words .w").nth(2).click()
    page.wait_for_selector("#words .now")
    page.get_by_role("button", name="Pause").click()
    check()


@pytest.mark.parametrize("rate", [16_000, 44_100, 48_000])
def test_the_microphone_is_resampled_without_aliases(open_page, rate):
    page = open_page()
    times = np.arange(2400) / 24_000
    for hertz in (440, 5000, 15_000):
        if hertz < rate / 2:
            found = np.array(page.evaluate(RESAMPLE, [hertz, rate]))
            right = np.sin(2 * np.pi * hertz * times) if hertz < 12_000 else np.zeros(2400)
            assert len(found) == 2400
            assert np.abs(found - right)[200:-200].max() < 1e-3
