// Recordings that are dropped on the page, chosen, or pasted.

/** `take(file)` is called with each recording; `surplus(name)` says that only one was taken. */
export function acceptFiles({ zone, input, take, surplus }) {
  const first = (files) => {
    if (!files.length) return;
    take(files[0]);
    if (files.length > 1) surplus(files[0].name);
  };
  input.addEventListener("change", () => {
    first([...input.files]);
    input.value = ""; // so that the same file can be chosen again
  });
  // The whole page takes a file: a browser would leave the page for one that misses the zone.
  const hasFiles = (event) => event.dataTransfer?.types.includes("Files");
  let depth = 0;
  const over = (change) => {
    depth = Math.max(0, depth + change);
    zone.classList.toggle("over", depth > 0);
  };
  addEventListener("dragenter", (event) => hasFiles(event) && over(1));
  addEventListener("dragleave", (event) => hasFiles(event) && over(-1));
  addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
  addEventListener("drop", (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    over(-depth);
    first([...event.dataTransfer.files]);
  });
  addEventListener("paste", (event) => first([...(event.clipboardData?.files ?? [])]));
}
