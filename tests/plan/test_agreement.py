"""Signatures, differences, estimates, schema."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from safelight.core.signing import SigningKey
from safelight.core.span import read_span, span_text
from safelight.plan.document import differences, parts
from safelight.plan.errors import BadPlan, UnknownSigner
from safelight.plan.estimate import Part, estimates, order, service_estimate
from safelight.plan.model import Plan
from safelight.plan.on_record import FALLBACK_RATE, Figure, OnRecord, Span, work_recovery
from safelight.plan.reading import read_plan
from safelight.plan.schema import schema
from safelight.plan.signature import Signature, agreement, sign
from safelight.plan.words import EXAMPLES, Disruption, Portion, Side
from safelight.site.plan_folder import example_plan, example_texts

NOW = datetime(2026, 11, 24, 9, tzinfo=UTC)
IT, RADIOLOGY = SigningKey.generate(), SigningKey.generate()


def keyed() -> Plan:
    plan = example_plan("400-bed", NOW.date())
    keys = {"ines": IT, "paula": RADIOLOGY}
    people = [
        replace(one, signing_key=keys[one.id].verify_key.raw.hex()) if one.id in keys else one for one in plan.people
    ]
    return replace(plan, people=tuple(people))


def test_nothing_is_approved_before_both_sides_signed_it() -> None:
    plan = keyed()
    one = sign(plan, "ines", IT, NOW)
    two = sign(plan, "paula", RADIOLOGY, NOW)
    assert not agreement(plan, []).approved
    assert not agreement(plan, [one]).approved
    assert not agreement(plan, [one, sign(plan, "ines", IT, NOW)]).approved
    assert agreement(plan, [one, two]).approved


def test_a_change_unsigns_exactly_what_it_touches() -> None:
    plan = keyed()
    signed = [sign(plan, "ines", IT, NOW), sign(plan, "paula", RADIOLOGY, NOW)]
    slower = replace(plan, systems=(replace(plan.systems[0], tier=3), *plan.systems[1:]))
    found = agreement(slower, signed)
    assert found.missing(Side.IT) == found.missing(Side.RADIOLOGY) == (f"systems/{plan.systems[0].id}",)
    assert agreement(plan, signed).approved


def test_a_signature_of_somebody_else_does_not_count() -> None:
    plan = keyed()
    with pytest.raises(UnknownSigner):
        sign(plan, "ines", RADIOLOGY, NOW)
    with pytest.raises(UnknownSigner):
        sign(plan, "omar", IT, NOW)
    good = sign(plan, "ines", IT, NOW)
    forged = [
        replace(good, side=Side.RADIOLOGY),
        replace(good, version="9"),
        replace(good, person="nobody"),
        replace(good, key="zz"),
        replace(good, signature="00"),
    ]
    told = agreement(plan, forged)
    assert len(told.refused) == len(forged)
    assert not any(told.signed.values())
    assert agreement(plan, [*forged, good]).counted == (good,), "a forgery takes nothing from what it copies"
    assert Signature.load(good.document()) == good


def test_differences_name_the_field_and_both_values() -> None:
    plan = keyed()
    later = replace(plan, plan=replace(plan.plan, horizon=timedelta(days=30)), sites=plan.sites[1:])
    (gone,) = [one for one in differences(parts(plan), parts(later)) if one.where.startswith("sites/")]
    (longer,) = [one for one in differences(parts(plan), parts(later)) if one.where == "plan"]
    assert (gone.where, gone.after) == ("sites/main", None)
    assert (longer.field, longer.before, longer.after) == ("horizon", "28 d", "30 d")


CHAIN = """
plan: {title: T, hospital: H, version: 1, horizon: 28 d, planned_outage: 0 min}
declaration: {criteria: [x], declarer: [], detect: 15 min, declare: 45 min}
sites: [{id: s, name: S, power: p, fabric: f}]
copies:
  - {id: tape, of: pacs, site: s, medium: tape, holds: [images], every: 1 d, admin_domain: x, acquire: 2 h,
     gb_per_hour: 100}
systems:
  - {id: pacs, name: P, kind: pacs, site: s, in_it_plan: yes, needs: [left, right],
     recovery: [{disruption: hardware, rebuild: 1 h, copy: tape, size_gb: 300, consistency: 30 min,
                 validation: 30 min}]}
  - {id: left, name: L, kind: other, site: s, in_it_plan: yes, needs: [root],
     recovery: [{disruption: hardware, rebuild: 1 h}]}
  - {id: right, name: R, kind: other, site: s, in_it_plan: yes, needs: [root],
     recovery: [{disruption: hardware, rebuild: 5 h}]}
  - {id: root, name: Z, kind: other, site: s, in_it_plan: yes, recovery: [{disruption: hardware, rebuild: 4 h}]}
"""


def test_serial_steps_are_summed_and_of_parallel_ones_the_slowest_counts() -> None:
    plan = read_plan({"a.yaml": CHAIN}).plan
    found = estimates(plan, Disruption.HARDWARE)
    assert found["left"].takes == timedelta(hours=5)
    # 4 for the root, 5 for the slower branch, then 1 + 2 (tape) + 3 (300 GB at 100) + 1.
    assert found["pacs"].takes == timedelta(hours=16)
    assert service_estimate(plan, ["pacs"], found).takes == timedelta(hours=17)
    assert [part.system for part in found["pacs"].path][:2] == ["root", "right"]
    assert estimates(plan, Disruption.SITE)["pacs"].takes == timedelta(0)


def test_an_estimate_without_a_rate_takes_the_published_one_and_says_so() -> None:
    plan = read_plan({"a.yaml": CHAIN.replace(",\n     gb_per_hour: 100", "")}).plan
    found = estimates(plan, Disruption.HARDWARE)["pacs"]
    (data,) = (part for part in found.path if part.what == "data")
    assert data.takes == timedelta(seconds=ceil(300 / FALLBACK_RATE.value * 3600))
    assert "published fallback" in data.source


HELD = CHAIN.replace("medium: tape", "medium: disk, in_safelight: yes").replace(
    "size_gb: 300", "useful_with: last-24-hours"
)


def figures(**changes: Any) -> OnRecord:
    sizes = {Portion.LAST_24_HOURS: Figure(50, "counted"), Portion.EVERYTHING: Figure(5000, "counted too")}
    return replace(OnRecord(sizes, Figure(25, "measured in drill 7")), **changes)


def data_of(text: str, on_record: OnRecord, *, complete: bool = False) -> Part | None:
    found = estimates(read_plan({"a.yaml": text}).plan, Disruption.HARDWARE, on_record, complete=complete)["pacs"]
    return next((part for part in found.path if part.what == "data"), None)


def test_sizes_and_rates_on_record_count_before_what_the_plan_says() -> None:
    useful, complete = data_of(HELD, figures()), data_of(HELD, figures(), complete=True)
    assert useful is not None and complete is not None
    assert (useful.takes, complete.takes) == (timedelta(hours=2), timedelta(hours=200))
    assert "counted" in useful.source and "measured in drill 7" in useful.source
    claimed = data_of(HELD, figures(gb_per_hour=None))
    assert claimed is not None
    assert claimed.takes == timedelta(minutes=30), "no drill yet: the rate of the plan, at the size on record"


def test_a_size_claimed_for_no_named_part_stands_and_a_copy_elsewhere_is_not_counted_here() -> None:
    unnamed = HELD.replace("useful_with: last-24-hours", "size_gb: 300")
    elsewhere = HELD.replace("in_safelight: yes", "in_safelight: no").replace(
        "useful_with", "size_gb: 300, useful_with"
    )
    for text, hours in ((unnamed, 12), (elsewhere, 3)):
        part = data_of(text, figures())
        assert part is not None
        assert part.takes == timedelta(hours=hours)


def test_a_home_that_holds_nothing_makes_no_estimate_of_no_time() -> None:
    plan = read_plan({"a.yaml": HELD}).plan
    found = estimates(plan, Disruption.HARDWARE, figures(sizes_gb={Portion.LAST_24_HOURS: Figure(0, "counted")}))
    assert found["pacs"].takes is None
    assert found["pacs"].unknown == ("pacs: nothing of `last-24-hours` is held that counts",)


def test_a_short_outage_that_was_lived_through_does_not_shrink_the_work_that_is_claimed() -> None:
    service = replace(example_plan("400-bed", NOW.date()).services[0], work_recovery=timedelta(hours=3))
    for hours, takes in ((1, 3), (24, 24)):
        lived = Span(timedelta(hours=hours), "lived through")
        assert work_recovery(service, OnRecord(work_recovery=lived)).takes == timedelta(hours=takes)


def test_absurd_figures_are_unknown_or_refused_and_break_nothing() -> None:
    plan = read_plan({"a.yaml": CHAIN.replace("gb_per_hour: 100", "gb_per_hour: 1e-300")}).plan
    assert estimates(plan, Disruption.HARDWARE)["pacs"].takes is None
    for absurd in ("1e300", "nan", "inf", "-1"):
        with pytest.raises(BadPlan):
            read_plan({"a.yaml": CHAIN.replace("gb_per_hour: 100", f"gb_per_hour: {absurd}")})


def test_a_long_chain_is_no_reason_to_fail() -> None:
    plan = read_plan({"a.yaml": CHAIN}).plan
    first = plan.systems[3]
    chain = [replace(first, id=f"s{n}", needs=(f"s{n + 1}",) if n < 4999 else ()) for n in range(5000)]
    assert order(chain)[0] == "s4999"


@pytest.mark.parametrize("text", ["0 min", "4 h", "2 d 15 h", "90 min", "28 d", "1.5 h", "3 weeks", "0.000001 s"])
def test_spans_are_written_exactly(text: str) -> None:
    assert read_span(span_text(read_span(text))) == read_span(text)


@pytest.mark.parametrize("text", ["0", "4", "-1 h", "4h", "1 fortnight", "", "99999999 years", "101 years", "1e5 h"])
def test_a_span_without_a_unit_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        read_span(text)


def test_the_published_schema_is_what_the_reader_reads() -> None:
    import json

    page = Path(__file__).parents[2] / "docs/plan.schema.json"
    assert json.loads(page.read_text()) == schema(), "run: make docs"


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_examples_have_no_name_that_the_schema_does_not_know(name: str) -> None:
    import yaml

    known = schema()
    for text in example_texts(name, date(2026, 11, 24)).values():
        for section, value in yaml.safe_load(text).items():
            told = known["properties"][section]
            for one in value if isinstance(value, list) and "$ref" in told.get("items", {}) else ():
                definition = known["$defs"][told["items"]["$ref"].rpartition("/")[2]]
                assert set(one) <= set(definition["properties"])
                assert set(definition["required"]) <= set(one)
