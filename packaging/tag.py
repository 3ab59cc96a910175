"""Tag the commit of a release, or check the tag that it has.

    python packaging/tag.py          # tags this commit as v<version>, signed
    python packaging/tag.py --check  # for a build of a tag: this commit has that tag

The version is written in `pyproject.toml` and nowhere else, so that an archive or a copy without
`.git` builds the same version as the checkout. The tag is made of the version, and not the version
of the tag. A commit is refused whose changelog does not have the version with its date, or that
lacks something which lies in the checkout.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--check", action="store_true", help="make no tag; fail if there is none")
    parser.add_argument("--no-sign", action="store_true", help="make a tag without a signature")
    args = parser.parse_args(argv)
    try:
        version = ready_version(Path("pyproject.toml"), Path("CHANGELOG.md"))
        tag = f"v{version}"
        if tag in git("tag", "--points-at", "HEAD").split():
            print(f"{tag} is this commit")
            return 0
        if args.check:
            raise NotReadyError(f"this commit is version {version}, and has no tag {tag}")
        kind = "--annotate" if args.no_sign else "--sign"
        git("tag", kind, tag, "--message", f"parrotlet {version}")
    except NotReadyError as error:
        print(f"{parser.prog}: {error}", file=sys.stderr)
        return 1
    print(f"tagged {tag}; publish it with: git push origin {tag}")
    return 0


class NotReadyError(Exception):
    """The commit is not what a release is made of."""


def ready_version(project: Path, changelog: Path) -> str:
    """Return the version of a checkout that can be released."""
    found = re.search(r'^version = "([^"]+)"$', project.read_text(encoding="utf-8"), re.MULTILINE)
    if found is None:
        raise NotReadyError(f"{project} has no line: version = ...")
    version = found[1]
    dated = rf"^## \[{re.escape(version)}\] - \d{{4}}-\d\d-\d\d$"
    if not re.search(dated, changelog.read_text(encoding="utf-8"), re.MULTILINE):
        raise NotReadyError(f"{changelog} has no line: ## [{version}] - YYYY-MM-DD")
    changed = git("status", "--porcelain").splitlines()
    if changed:
        raise NotReadyError(f"not in the commit: {', '.join(line[3:] for line in changed)}")
    return version


def git(*arguments: str) -> str:
    """Run git and return what it prints."""
    done = subprocess.run(["git", *arguments], capture_output=True, encoding="utf-8", check=False)
    if done.returncode:
        raise NotReadyError(f"git {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
