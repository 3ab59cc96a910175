"""`parrotlet --version`: what runs here, which a report of a fault needs."""

from __future__ import annotations

import argparse

from parrotlet import _core
from parrotlet.cli.console import UsageError
from parrotlet.machine import usable_cores

LIBRARIES = {
    "NumPy": "numpy",
    "PyAV": "av",
    "gguf": "gguf",
    "soxr": "soxr",
    "SentencePiece": "sentencepiece",
    "huggingface_hub": "huggingface_hub",
}
"""Libraries that results depend on, by the names of their packages."""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add `--version`, and the option that makes it say more."""
    parser.add_argument("--version", action="store_true", help="show the version and exit")
    parser.add_argument(
        "-v",
        dest="version_details",
        action="store_true",
        help="with --version: kernels, threads and the versions of libraries as well",
    )


def run(args: argparse.Namespace) -> int:
    """Print the version, and with `-v` what it runs with. Returns the exit status."""
    from importlib import metadata

    print(f"parrotlet {metadata.version('parrotlet')}")
    for name, value in _details().items() if args.version_details else ():
        print(f"{name:<16} {value}")
    return 0


def _details() -> dict[str, str]:
    """What there is to say, by name."""
    import platform

    import av

    try:
        chosen = _core.isa()
    except ValueError as error:  # $PARROTLET_ISA names none that there is
        raise UsageError(str(error)) from error

    versions = {name: _version(package) for name, package in LIBRARIES.items()}
    versions["PyAV"] += f", FFmpeg {av.ffmpeg_version_info}"
    return {
        "kernels": f"{chosen} of {', '.join(_core.available_isas())}",
        "threads": str(usable_cores()),
        "system": f"{platform.system()} {platform.machine()}",
        platform.python_implementation(): platform.python_version(),
        **versions,
    }


def _version(package: str) -> str:
    """The version of a package, as it was installed."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return "not installed"
