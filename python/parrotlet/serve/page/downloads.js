// The transcript in the formats that the server writes.

const EXTENSIONS = { text: "txt", srt: "srt", vtt: "vtt", verbose_json: "json" };

/**
 * Make the buttons of `box` save files. `render(format)` resolves with the server's text of the
 * transcription, `name()` is the file's name without its extension, `said(text)` shows a word on it.
 */
export function offerDownloads({ box, render, name, said }) {
  box.addEventListener("click", async ({ target }) => {
    const format = target.closest("button")?.dataset.format;
    if (!format) return;
    const file = `${name()}.${EXTENSIONS[format]}`;
    said(`Preparing ${file} …`);
    try {
      save(new Blob([await render(format)], { type: "text/plain" }), file);
      said(`${file} is saved.`);
    } catch (error) {
      said(`${file} could not be made: ${error.message}`);
    }
  });
}

function save(blob, name) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
