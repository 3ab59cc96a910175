"""Write the table of published checkpoints into `models.md`: python docs/models_table.py

It is made of `python/parrotlet/data/known_models.csv`, and a test holds the two equal.
"""

from __future__ import annotations

from pathlib import Path

from parrotlet.known_models import LISTED_TYPE, KnownModel, known_models

PAGE = Path(__file__).with_name("models.md")
BEGIN, END = "<!-- models: begin -->", "<!-- models: end -->"


def table() -> str:
    """Return the table in Markdown."""
    header = (
        f"| checkpoint | languages | parameters | {LISTED_TYPE} | live | licence | tried |",
        "|---|---|---:|---:|---|---|---|",
    )
    return "\n".join([*header, *map(row, known_models())])


def row(model: KnownModel) -> str:
    """Return the line of a checkpoint."""
    cells = (
        f"`{model.name}`",
        " ".join(model.languages),
        "" if model.parameters is None else f"{model.parameters / 1e6:,.0f} M",
        "" if model.bytes is None else f"{model.bytes / 1e6:,.0f} MB",
        "yes" if model.streaming else "no",
        model.licence,
        tried(model),
    )
    return f"| {' | '.join(cells)} |"


def tried(model: KnownModel) -> str:
    """Say how a checkpoint's conversion was tried."""
    if model.needs:
        return f"not converted: {model.needs}"
    if model.twin == model.name.rpartition("/")[2]:
        return "twin, full size" if model.shape else "twin"
    return f"as `{model.twin}`" + (", full size" if model.shape else "")


def with_table(page: str) -> str:
    """Return the page with the table in its place."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} and {END}")
    return f"{before}{BEGIN}\n\n{table()}\n\n{END}{after}"


if __name__ == "__main__":
    PAGE.write_text(with_table(PAGE.read_text("utf-8")), encoding="utf-8")
