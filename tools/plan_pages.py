"""Write docs/plan.schema.json and docs/rules.md from the code and its data. Run by `make docs`."""

import json
from pathlib import Path

from safelight.plan.schema import schema

DOCS = Path(__file__).parents[1] / "docs"


def pages() -> dict[str, str]:
    """Return each page by its name."""
    return {"plan.schema.json": json.dumps(schema(), indent=1, ensure_ascii=False) + "\n"}


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
