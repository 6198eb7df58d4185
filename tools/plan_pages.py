"""Write docs/plan.schema.json and docs/rules.md from the code and its data. Run by `make docs`."""

import json
from pathlib import Path

from safelight.findings.requirement import Requirement, requirement_packs
from safelight.findings.requirement_check import CHECKS as CHECKS_OF_REQUIREMENTS
from safelight.findings.rule import CHECKS, built_in
from safelight.findings.source import works
from safelight.plan.schema import schema

DOCS = Path(__file__).parents[1] / "docs"
HEAD = """# The fifty rules

Made by `make docs` from the rules; do not edit. `safelight plan assess FOLDER` asks them all. A *rift* is where IT
and radiology differ, a *gap* is what neither
covers. Findings are never added up to one number: for each clinical service the first that stands in its way is named.

A finding is open until the plan is mended, or until `treatments` of the plan says who accepted or mitigated it, why,
and until when.

| rule | severity | kind | what is wrong | it looks for | IT | radiology | from |
| --- | --- | --- | --- | --- | --- | --- | --- |
"""
OWN = """
## Rules of your own

Put TOML files into the folder `rules` of your plan. Each rule names a section of the plan, which of its things it
looks at (`where`), what must hold (`must`), and what it says when it
does not. Conditions: a value; `{there = true}`; `{hours_max = 4}`; `{days_old_max = 365}`; `{contains = "images"}`.

    [S01]
    title = "Every modality is good for two days"
    kind = "gap"
    severity = "medium"
    sources = ["our own"]
    section = "systems"
    where = {kind = "modality"}
    must = {vendor = {there = true}}
    says = "{id} has no vendor"

A rule that fails, ours or yours, is told, and the others are asked all the same; so is a file that cannot be read, and
a rule that has the name of one of ours or of another of yours. `safelight plan lint FOLDER` names file and line.

## What laws and standards ask for

`safelight plan assess FOLDER --requirements` says of each: *met* (every rule and check that looks at it found
nothing in the plan, which is less than an auditor asks), *decided* (mitigated or accepted), *open*, or *not checked*,
with the reason. The printed plan has the same as its last appendix.

In our own words, with the rules that look at it. *Verified* says how far to trust a line: `read` in a copy of the
text, `second hand` where others quote it, `outline only`, or
`general knowledge`, which must be checked before it is cited.

| source | edition | where | what it asks for | rules | verified |
| --- | --- | --- | --- | --- | --- |
"""

SOURCES = """
## Where the rules come from

Severity, and which source stands behind which rule, are our judgement. What each source is, and how far it was checked:

| source | what it is | verified |
| --- | --- | --- |
"""


def rules_page() -> str:
    """Return the reference of rules and requirements."""
    lines = [HEAD]
    for rule in built_in():
        looks = (CHECKS[rule.id].__doc__ or "").partition("\n")[0]
        sources = "; ".join(str(one) for one in rule.sources)
        cells = [rule.id, rule.severity, rule.kind, rule.title, looks, rule.it, rule.radiology, sources]
        lines.append(f"| {' | '.join(cells)} |\n")
    lines.append(OWN)
    for pack in requirement_packs():
        for one in pack.requirements:
            cells = [pack.source, pack.edition, one.ref, one.text, _asked(one), one.verified]
            lines.append(f"| {' | '.join(cells)} |\n")
    lines.append(SOURCES)
    lines += [f"| {one.name} | {one.is_what} | {one.verified} |\n" for one in works().values()]
    return "".join(lines)


def _asked(one: Requirement) -> str:
    check = f"{CHECKS_OF_REQUIREMENTS[one.check].ask.__doc__}" if one.check else ""
    return (
        ". ".join(filter(None, [" ".join(one.rules), check.partition("\n")[0].rstrip("."), one.beyond.rstrip(".")]))
        or "none"
    )


def pages() -> dict[str, str]:
    """Return each page by its name."""
    return {
        "plan.schema.json": json.dumps(schema(), indent=1, ensure_ascii=False) + "\n",
        "rules.md": rules_page(),
    }


if __name__ == "__main__":
    for name, text in pages().items():
        (DOCS / name).write_text(text, encoding="utf-8")
