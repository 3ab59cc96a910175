// What the page asks of the server, and how it says what went wrong.

const KEY = "parrotlet-key";
let key = sessionStorage.getItem(KEY) ?? "";

/** Keep an API key for this tab. */
export function setKey(value) {
  key = value;
  sessionStorage.setItem(KEY, value);
}

/** A request that failed; `status` is 0 where there was no answer. */
export class ServerError extends Error {
  constructor(message, status = 0) {
    super(message);
    this.status = status;
  }
}

function authorization() {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

function failure(status, text, retryAfter) {
  let message = "";
  try {
    message = JSON.parse(text).error.message;
  } catch {
    message = status ? `The server answered ${status}.` : "The server cannot be reached.";
  }
  if (status === 429 && retryAfter) message += ` Try again in ${retryAfter} s.`;
  return new ServerError(message, status);
}

/** GET a JSON value; throws ServerError. */
export async function getJson(path) {
  let response;
  try {
    response = await fetch(path, { headers: authorization(), cache: "no-store" });
  } catch {
    throw failure(0, "");
  }
  const text = await response.text();
  if (!response.ok) throw failure(response.status, text);
  return JSON.parse(text);
}

/** A websocket of live transcription. Browsers send no headers with it: the key is a protocol. */
export function realtimeSocket(model) {
  const address = new URL("v1/realtime", document.baseURI);
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  address.searchParams.set("intent", "transcription");
  if (model) address.searchParams.set("model", model);
  const protocols = ["realtime"];
  if (key) protocols.push(`openai-insecure-api-key.${key}`);
  return new WebSocket(address, protocols);
}

/**
 * POST a recording to the transcription endpoint, and return the whole answer as text.
 *
 * `fields` are the form's other fields, [name, value] each. `signal` cancels. `sent(share)` is told
 * how much of the upload is done, `event(data)` each server-sent event. Throws ServerError.
 */
export function transcribe(file, name, fields, { signal, sent, event } = {}) {
  const form = new FormData();
  for (const [field, value] of fields) form.append(field, value);
  form.append("file", file, name); // last: the server knows what to do with it when it comes
  return new Promise((resolve, reject) => {
    // fetch() says nothing about the progress of an upload.
    const request = new XMLHttpRequest();
    const events = event && eventReader(event);
    const readEvents = () => {
      if (events && request.status === 200) events(request.responseText);
    };
    request.open("POST", "v1/audio/transcriptions");
    for (const [header, value] of Object.entries(authorization())) {
      request.setRequestHeader(header, value);
    }
    if (sent) {
      request.upload.onprogress = (progress) => {
        if (progress.lengthComputable) sent(progress.loaded / progress.total);
      };
      request.upload.onload = () => sent(1);
    }
    request.onprogress = readEvents;
    request.onload = () => {
      const { status, responseText } = request;
      if (status !== 200) {
        return reject(failure(status, responseText, request.getResponseHeader("Retry-After")));
      }
      try {
        readEvents();
      } catch (error) {
        return reject(error);
      }
      resolve(responseText);
    };
    request.onerror = () => reject(failure(0, ""));
    request.onabort = () => reject(new DOMException("cancelled", "AbortError"));
    signal?.addEventListener("abort", () => request.abort());
    request.send(form);
  });
}

/** Calls `event` with the data of each complete event in a text that grows. */
function eventReader(event) {
  let read = 0;
  return (text) => {
    for (;;) {
      const rest = text.slice(read);
      const end = /\r?\n\r?\n/.exec(rest);
      if (!end) return;
      read += end.index + end[0].length;
      const data = rest
        .slice(0, end.index)
        .split(/\r?\n/)
        .filter((line) => line.startsWith("data:"))
        .map((line) => line.slice(5).trimStart())
        .join("\n");
      if (!data || data === "[DONE]") continue;
      const value = JSON.parse(data);
      const error = value.type === "error" || value.error ? (value.error ?? value) : null;
      if (error) throw new ServerError(error.message ?? "The server gave up.");
      event(value);
    }
  };
}
