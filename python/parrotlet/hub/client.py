"""What the hub says about a repository, and what its errors mean."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from parrotlet.errors import HubError
from parrotlet.hub.names import Repository

INSTALL = "pip install 'parrotlet[hub]'"

_TRUE = ("1", "ON", "YES", "TRUE")

# Libraries whose errors say that the network failed; huggingface_hub has used each of them.
_NETWORK = ("httpx2", "httpcore2", "httpx", "httpcore", "requests", "urllib3")


class UnreachableError(HubError):
    """The hub does not answer: what is cached will have to do."""


@dataclass(frozen=True)
class RemoteFile:
    """Size in bytes, and the checksum: SHA-256 (64 digits) of a large file, or git's (40)."""

    size: int | None
    checksum: str | None


@dataclass(frozen=True)
class Listing:
    """The files of a repository at a commit."""

    commit: str
    files: dict[str, RemoteFile]


def offline() -> bool:
    """Whether the environment forbids to ask the hub, in the variables that huggingface_hub has."""
    variables = ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE")
    return any(os.environ.get(name, "").upper() in _TRUE for name in variables)


def hub_library() -> ModuleType:
    """Import huggingface_hub; HubError says how to install it."""
    try:
        import huggingface_hub  # type: ignore[import-not-found,unused-ignore]
        import huggingface_hub.constants  # which the package itself does not import
    except ImportError as error:
        raise UnreachableError(
            "models from the Hugging Face hub need the package huggingface_hub; install it: "
            f"{INSTALL}"
        ) from error
    return huggingface_hub  # type: ignore[no-any-return,unused-ignore]


def hub_cache() -> Path:
    """Return the directory in which huggingface_hub keeps what it fetches; HubError without it."""
    return Path(hub_library().constants.HF_HUB_CACHE)


def listing(repository: Repository) -> Listing:
    """Ask which files the revision has, and which commit it is.

    Raises UnreachableError if there is no answer and HubError if the answer is no.
    """
    hub = hub_library()
    with explained(repository):
        info = hub.HfApi().model_info(
            repository.id, revision=repository.revision, files_metadata=True
        )
    files = {
        sibling.rfilename: RemoteFile(
            sibling.size, sibling.lfs.sha256 if sibling.lfs else sibling.blob_id
        )
        for sibling in info.siblings or ()
    }
    return Listing(str(info.sha), files)


@contextlib.contextmanager
def explained(repository: Repository) -> Iterator[None]:
    """Turn what huggingface_hub raises into HubError with a remedy."""
    try:
        yield
    except HubError:
        raise
    except Exception as error:
        raise _explanation(repository, error) from error


def _explanation(repository: Repository, error: Exception) -> Exception:
    errors = hub_library().errors
    page = f"{hub_library().constants.ENDPOINT}/{repository.id}"
    log_in = "log in with `hf auth login`, or set HF_TOKEN"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if isinstance(error, errors.GatedRepoError):
        return HubError(
            f"{repository}: access is restricted; accept its conditions at {page}, then {log_in}"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return HubError(
            f"{repository}: there is no such file here, and no such repository at {page}, or it is "
            f"private; check the name, or {log_in}"
        )
    if isinstance(error, errors.RevisionNotFoundError):
        return HubError(f"{repository}: the repository has no revision {repository.revision!r}")
    if isinstance(error, errors.EntryNotFoundError) and status == 404:
        return HubError(f"{repository}: the file is not in the repository any more; try again")
    if status in (401, 403):
        return HubError(f"{repository}: access is denied; {log_in}, with a token that may read it")
    if status is not None and status != 429 and status < 500:
        return HubError(f"{repository}: the hub refuses ({_brief(error)})")
    return _failure(repository, error)


def _network_failed(error: Exception) -> bool:
    """Whether an error is that of a connection."""
    return type(error).__module__.partition(".")[0] in _NETWORK


def _failure(repository: Repository, error: Exception) -> Exception:
    """What did not get as far as an answer, or broke off."""
    hub = hub_library()
    # Errors of the system have a number. Others are huggingface_hub's and those of hf_xet, which
    # raises RuntimeError as well.
    in_the_system = isinstance(error, OSError) and error.errno is not None
    if (
        _network_failed(error)
        or isinstance(error, (hub.errors.HfHubHTTPError, hub.errors.OfflineModeIsEnabled))
        or type(error) is RuntimeError
        or (isinstance(error, OSError) and not in_the_system)
    ):
        return UnreachableError(
            f"{repository}: the hub cannot be reached, or the connection broke off "
            f"({_brief(error)}); check the connection and try again"
        )
    if in_the_system:
        reason = getattr(error, "strerror", None) or _brief(error)
        return HubError(f"{repository}: cannot be stored ({reason})")
    return error


def _brief(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
