"""Files of other projects that lie in one number of their header."""

from __future__ import annotations

from pathlib import Path

import pytest

CORPUS = Path(__file__).parents[2] / "fuzz" / "corpus" / "foreign"

MUTATE = f"""
import resource, sys
sys.path.insert(0, {str(Path(__file__).parent)!r})
from pathlib import Path
from fields import mutations
import parrotlet

data, target = Path(sys.argv[1]).read_bytes(), Path(sys.argv[2])
out = target.with_name("out.gguf")


def run():
    parrotlet.convert(target, out)
    parrotlet.load(out, threads=1)


target.write_bytes(data)
run()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = refused = 0
for what, changed in mutations(data):
    target.write_bytes(changed)
    out.unlink(missing_ok=True)
    print(what, file=sys.stderr)
    count += 1
    try:
        run()
    except parrotlet.ParrotletError as error:
        assert target.name in str(error) or out.name in str(error), error
        refused += 1
grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
print(count, refused, grown)
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in CORPUS.iterdir()))
def test_every_number_of_the_header_may_be_wrong(name, tmp_path, run_apart) -> None:
    """Refused by parrotlet's own exception, or harmless; and no number asks for memory."""
    output = run_apart(MUTATE, CORPUS / name, tmp_path / "wrong.gguf")
    count, refused, grown = map(int, output.split())
    assert count > 1000
    assert count / 4 < refused < count
    assert grown < 200 << 10  # KiB
