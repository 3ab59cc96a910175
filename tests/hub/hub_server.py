"""A Hugging Face hub on this machine, as far as fetching models goes.

Speaks what `huggingface_hub` asks: `GET /api/models/ORG/NAME/revision/REVISION?blobs=true` lists
the files of a revision; `HEAD` and `GET /ORG/NAME/resolve/REVISION/FILE` give a small file with its
ETag (git's hash), or send to a store (`/store/SHA256`) for a large one, with `X-Linked-Etag` and
`X-Linked-Size`; every answer names the commit in `X-Repo-Commit`. The store honours `Range`.
"""

from __future__ import annotations

import hashlib
import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

LARGE = 20_000  # bytes from which a file is kept in the store


@dataclass
class FakeHub:
    """What the hub has, what it does wrong, and what it was asked."""

    url: str
    store_url: str  # elsewhere, as on the hub
    # (repository, revision) -> commit, and commit -> {name: contents}
    revisions: dict[tuple[str, str], str] = field(default_factory=dict)
    commits: dict[str, dict[str, bytes]] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    private: set[str] = field(default_factory=set)
    token: str = "hf_secret"
    # After so many bytes of a stored file the connection is cut, as often as there are entries.
    cuts: list[int] = field(default_factory=list)
    # What is sent in the place of stored bytes, by the true ones' SHA-256.
    swapped: dict[str, bytes] = field(default_factory=dict)
    broken: int | None = None  # a status for every answer
    # The address of the Xet store that has the large files; nothing here speaks its protocol.
    xet_store: str | None = None
    log: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def publish(self, repository: str, files: dict[str, bytes], revision: str = "main") -> str:
        """Commit files, and return the commit."""
        content = repr(sorted(files.items())).encode()
        commit = hashlib.sha1(repository.encode() + content).hexdigest()
        self.revisions[repository, revision] = commit
        self.commits[commit] = files
        return commit

    def asked(self, method: str, part: str) -> list[dict[str, str]]:
        """The headers of every request of a method whose path has a part."""
        return [headers for m, path, headers in self.log if m == method and part in path]

    def stored(self, sha: str) -> bytes | None:
        """The bytes of a large file."""
        if sha in self.swapped:
            return self.swapped[sha]
        contents = (data for files in self.commits.values() for data in files.values())
        return next((data for data in contents if sha256(data) == sha), None)


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """One connection; `hub` is set on the class that serves."""

    protocol_version = "HTTP/1.1"
    hub: FakeHub

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""

    def _answer(self) -> None:
        path = unquote(urlsplit(self.path).path)
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.hub.log.append((self.command, path, headers))
        parts = path.strip("/").split("/")
        if self.hub.broken is not None:
            self._send(self.hub.broken)
        elif parts[0] == "store":
            self._store(parts[1])
        elif parts[0] == "xet-token":
            self._send(200, b"{}", self._xet_access())
        elif parts[:2] == ["api", "models"]:
            revision = parts[5] if len(parts) > 5 else "main"
            self._model_info("/".join(parts[2:4]), revision)
        elif len(parts) > 4 and parts[2] == "resolve":
            self._resolve("/".join(parts[:2]), parts[3], "/".join(parts[4:]))
        else:
            self._send(404)

    def _commit(self, repository: str, revision: str) -> str | None:
        """The commit of a revision; None if the request was refused."""
        known = {commit for (name, _), commit in self.hub.revisions.items() if name == repository}
        allowed = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if not known or (repository in self.hub.private and not allowed):
            # The hub does not tell a private repository from one that there is not.
            self._send(404 if allowed else 401, error="RepoNotFound")
            return None
        commit = self.hub.revisions.get((repository, revision))
        commit = commit or (revision if revision in known else None)
        if commit is None:
            self._send(404, error="RevisionNotFound")
        return commit

    def _model_info(self, repository: str, revision: str) -> None:
        commit = self._commit(repository, revision)
        if commit is None:
            return
        siblings = []
        for name, data in self.hub.commits[commit].items():
            entry = {"rfilename": name, "size": len(data), "blobId": git_hash(data)}
            if len(data) >= LARGE:
                entry["lfs"] = {"sha256": sha256(data), "size": len(data), "pointerSize": 130}
            siblings.append(entry)
        info = {"id": repository, "sha": commit, "siblings": siblings, "private": False}
        self._send(200, json.dumps(info).encode(), {"Content-Type": "application/json"})

    def _resolve(self, repository: str, revision: str, name: str) -> None:
        commit = self._commit(repository, revision)
        if commit is None:
            return
        allowed = self.headers.get("Authorization") == f"Bearer {self.hub.token}"
        if repository in self.hub.gated and not allowed:
            self._send(403 if "Authorization" in self.headers else 401, error="GatedRepo")
            return
        data = self.hub.commits[commit].get(name)
        headers = {"X-Repo-Commit": commit}
        if data is None:
            self._send(404, headers=headers, error="EntryNotFound")
        elif len(data) < LARGE:
            self._send(200, data, {**headers, "ETag": f'"{git_hash(data)}"'})
        else:
            headers["X-Linked-Etag"] = f'"{sha256(data)}"'
            headers["X-Linked-Size"] = str(len(data))
            headers["Location"] = f"{self.hub.store_url}/store/{sha256(data)}"
            if self.hub.xet_store is not None:
                headers["X-Xet-Hash"] = sha256(data)
                headers["X-Xet-Refresh-Route"] = f"{self.hub.url}/xet-token"
            self._send(302, headers=headers)

    def _xet_access(self) -> dict[str, str]:
        """What lets a client into the Xet store."""
        expiration = str(int(time.time()) + 3600)
        return {
            "X-Xet-Cas-Url": str(self.hub.xet_store),
            "X-Xet-Access-Token": "xet_secret",
            "X-Xet-Token-Expiration": expiration,
        }

    def _store(self, sha: str) -> None:
        data = self.hub.stored(sha)
        if data is None:
            self._send(404)
            return
        start, status, headers = 0, 200, {"ETag": f'"{sha}"', "Accept-Ranges": "bytes"}
        wanted = self.headers.get("Range")
        if wanted:
            start, status = int(wanted.removeprefix("bytes=").split("-")[0]), 206
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
        cut = self.hub.cuts.pop(0) if self.hub.cuts and self.command == "GET" else None
        self._send(status, data[start:], headers, cut=cut)

    def _send(
        self,
        status: int,
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        error: str | None = None,
        cut: int | None = None,
    ) -> None:
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if error is not None:
            self.send_header("X-Error-Code", error)
            self.send_header("X-Error-Message", error)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return
        self.wfile.write(body[:cut])
        if cut is not None:
            self.close_connection = True


@contextmanager
def serving() -> Iterator[FakeHub]:
    """A hub that answers until the end of the block."""
    handler = type("Bound", (Handler,), {})
    servers = [ThreadingHTTPServer(("127.0.0.1", 0), handler) for _ in range(2)]
    hub = FakeHub(*(f"http://127.0.0.1:{server.server_port}" for server in servers))
    handler.hub = hub  # type: ignore[attr-defined]
    threads = [
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        for server in servers
    ]
    for thread in threads:
        thread.start()
    try:
        yield hub
    finally:
        for server, thread in zip(servers, threads, strict=True):
            server.shutdown()
            server.server_close()
            thread.join()
