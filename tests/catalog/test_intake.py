"""What is received is recorded once, in its place, however often it is told."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from safelight.catalog.catalog import Catalog
from safelight.catalog.rows import Standing
from safelight.core.instance import Head, LandingPlace, Wrapper
from support.catalog_filler import CT, START, arrival, digest_of, head, hospital, pack_of, receipt


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    made = Catalog.create(tmp_path / "catalog.db")
    yield made
    made.close()


def test_an_arrival_makes_patient_study_series_and_version(catalog: Catalog) -> None:
    assert catalog.record_landed([arrival()]) == [Standing.NEW]
    tally = catalog.tally()
    assert (tally.patients, tally.studies, tally.series, tally.instances_landed) == (1, 1, 1, 1)
    assert (tally.instances_packed, tally.instances_waiting) == (0, 1)
    study = catalog.study("1.2.3.1")
    assert study is not None
    assert (study.patient_id.text, study.patient_name.text) == ("P000000", "Okafor^Ana0")
    assert (study.study_date, study.accession, study.modalities) == ("20200102", "A0000001", ("MR",))
    assert (study.series, study.instances, study.versions, study.packed, study.bytes) == (1, 1, 1, 0, 1000)
    (version,) = catalog.versions(study="1.2.3.1")
    assert (version.sop_class, version.sop_instance, version.calling) == (CT, "1.2.3.1.1.1", "CT_1")
    assert version.received_at == START


def test_telling_again_changes_nothing(catalog: Catalog) -> None:
    batch = [one for arrivals in hospital(2, 2, 3) for one in arrivals]
    assert set(catalog.record_landed(batch)) == {Standing.NEW}
    before = (catalog.tally(), list(catalog.studies()), catalog.landed_waiting())
    assert set(catalog.record_landed(batch)) == {Standing.KNOWN}
    assert (catalog.tally(), list(catalog.studies()), catalog.landed_waiting()) == before


def test_a_digest_that_stands_twice_in_a_batch_is_one_version_in_two_places(catalog: Catalog) -> None:
    batch = [arrival(offset=0), arrival(offset=5000, minutes=1)]
    assert catalog.record_landed(batch) == [Standing.NEW, Standing.KNOWN]
    assert catalog.tally().instances_landed == 1
    assert catalog.tally().instances_waiting == 2
    assert len(catalog.landed(study="1.2.3.1")) == 2


def test_other_content_under_a_known_uid_is_kept_and_told(catalog: Catalog) -> None:
    assert catalog.record_landed([arrival()]) == [Standing.NEW]
    assert catalog.record_landed([arrival(version=1, minutes=5, offset=9)]) == [Standing.CONFLICT]
    assert catalog.record_landed([arrival(version=1, minutes=6, offset=99)]) == [Standing.KNOWN]
    study = catalog.study("1.2.3.1")
    assert study is not None
    assert (study.instances, study.versions) == (1, 2)
    assert catalog.tally().conflicts == 1
    assert len(catalog.versions(instance="1.2.3.1.1.1")) == 2


def test_a_conflict_within_one_batch_is_told(catalog: Catalog) -> None:
    batch = [arrival(version=1, minutes=1, offset=1), arrival(version=0, offset=2)]
    assert catalog.record_landed(batch) == [Standing.CONFLICT, Standing.NEW]


def test_one_uid_in_two_studies_is_a_conflict_and_counts_in_both(catalog: Catalog) -> None:
    other = arrival(2, 1, 1, minutes=1, of=head(2, 1, 1, sop_instance="1.2.3.1.1.1"))
    assert catalog.record_landed([arrival(), other]) == [Standing.NEW, Standing.CONFLICT]
    assert [study.instances for study in catalog.studies()] == [1, 1]


def test_the_earliest_received_instance_describes_in_whatever_order_it_is_told(tmp_path: Path) -> None:
    first = arrival(1, 1, 1, minutes=0, of=head(1, 1, 1, name=b"First^A"))
    second = arrival(1, 1, 2, minutes=9, of=head(1, 1, 2, name=b"Second^B", modality="PT"))
    said = []
    for number, order in enumerate(([first, second], [second, first])):
        catalog = Catalog.create(tmp_path / f"{number}.db")
        for one in order:
            catalog.record_landed([one])
        said.append((list(catalog.studies()), catalog.series("1.2.3.1")))
        catalog.close()
    assert said[0] == said[1]
    assert said[0][0][0].patient_name.text == "First^A"
    assert said[0][0][0].modalities == ("MR",)


def test_an_opaque_file_belongs_to_no_study_and_is_listed(catalog: Catalog) -> None:
    nothing = Head("", "", "", "", "", "")
    one = arrival(of=nothing, wrapper=Wrapper(opaque=True))
    two = replace(one, digest=digest_of("two"), place=LandingPlace(1, 1, 7777, 10))
    assert catalog.record_landed([one, two]) == [Standing.NEW, Standing.NEW]
    assert {version.digest for version in catalog.opaque()} == {one.digest, two.digest}
    assert catalog.tally().studies == 0
    (waiting,) = catalog.landed_waiting()
    assert (waiting.study, waiting.series, waiting.count) == ("", "", 2)
    assert len(catalog.landed(study="")) == 2


def test_an_opaque_file_never_joins_a_study_even_if_something_in_it_looks_like_one(catalog: Catalog) -> None:
    catalog.record_landed([arrival(wrapper=Wrapper(opaque=True))])
    assert list(catalog.studies()) == []
    assert len(list(catalog.opaque())) == 1


def test_an_instance_without_series_uid_still_has_its_study(catalog: Catalog) -> None:
    catalog.record_landed([arrival(of=replace(head(), series="", sop_instance=""))])
    assert [row.series for row in catalog.series("1.2.3.1")] == [""]
    (waiting,) = catalog.landed_waiting()
    assert len(catalog.landed(study="1.2.3.1", series="")) == 1
    assert (waiting.study, waiting.series) == ("1.2.3.1", "")


def test_what_waits_is_grouped_by_series_the_oldest_first(catalog: Catalog) -> None:
    catalog.record_landed([arrival(2, 1, 1, minutes=5), arrival(1, 1, 1, minutes=7), arrival(2, 1, 2, minutes=9)])
    first, second = catalog.landed_waiting()
    assert (first.study, first.count, first.bytes) == ("1.2.3.2", 2, 2000)
    assert first.newest_at - first.oldest_at == timedelta(minutes=4)
    assert second.study == "1.2.3.1"


def test_a_packed_series_waits_no_more_and_its_segment_is_settled(catalog: Catalog) -> None:
    arrivals = [arrival(1, 1, one) for one in (1, 2)]
    catalog.record_landed([*arrivals, arrival(2, 1, 1, segment=2)])
    assert catalog.settled_segments() == []
    row, held = pack_of(*arrivals)
    assert catalog.record_packed(row, held)
    assert [waiting.study for waiting in catalog.landed_waiting()] == ["1.2.3.2"]
    assert catalog.settled_segments() == [(1, 1)]
    catalog.segment_released(1, 1)
    assert catalog.settled_segments() == []
    assert catalog.tally().instances_waiting == 1
    assert catalog.tally().instances_packed == 2


def test_a_place_with_a_prefix_is_settled_only_when_the_packer_names_it(catalog: Catalog) -> None:
    plain, wrapped = arrival(offset=1), arrival(offset=2, wrapper=Wrapper(prefix_size=132))
    catalog.record_landed([plain, wrapped])
    row, held = pack_of(plain)
    catalog.record_packed(row, held)
    assert [one.place.offset for one in catalog.landed(study="1.2.3.1")] == [2]
    other_row, other_held = pack_of(wrapped, refers_to=(row.name,))
    catalog.record_packed(other_row, other_held, [wrapped.place])
    assert catalog.landed(study="1.2.3.1") == []
    assert catalog.tally().instances_waiting == 0
    assert catalog.tally().instances_packed == 1
    assert len(catalog.holdings(study="1.2.3.1")) == 2


def test_landing_replayed_after_packing_waits_for_nothing(catalog: Catalog) -> None:
    row, held = pack_of(arrival())
    catalog.record_packed(row, held)
    catalog.record_landed([arrival()])
    assert catalog.landed_waiting() == []
    assert catalog.tally().instances_waiting == 0
    assert catalog.settled_segments() == [(1, 1)]


def test_released_places_are_forgotten(catalog: Catalog) -> None:
    catalog.record_landed([arrival(offset=1), arrival(1, 1, 2, offset=2)])
    catalog.released([LandingPlace(1, 1, 1, 1000), LandingPlace(1, 1, 3, 1000)])
    assert [one.place.offset for one in catalog.landed(waiting_only=False)] == [2]
    assert catalog.tally().instances_waiting == 1


def test_the_way_an_instance_came_is_that_of_its_first_receipt(catalog: Catalog) -> None:
    late = replace(arrival(offset=1), receipt=receipt(10, calling="LATE"))
    early = replace(arrival(offset=2), receipt=receipt(1, calling="EARLY"))
    catalog.record_landed([late])
    catalog.record_landed([early])
    (version,) = catalog.versions(instance="1.2.3.1.1.1")
    assert (version.calling, version.received_at) == ("EARLY", START + timedelta(minutes=1))


def test_a_batch_larger_than_one_lookup_is_recorded_whole(catalog: Catalog) -> None:
    batch = [arrival(1, 1, one) for one in range(1, 1300)]
    assert set(catalog.record_landed(batch)) == {Standing.NEW}
    assert catalog.known([one.digest for one in batch]) == {one.digest for one in batch}
    assert catalog.known([one.digest for one in batch], packed_only=True) == set()
    assert set(catalog.record_landed(batch)) == {Standing.KNOWN}


def test_of_many_instances_those_with_two_contents_are_named(catalog: Catalog) -> None:
    first, other = arrival(), arrival(instance=2, offset=5)
    catalog.record_landed([first, other, arrival(version=1, minutes=5, offset=9)])
    asked = [first.head.sop_instance, other.head.sop_instance, "1.2.3"]
    assert catalog.disputed(asked) == {first.head.sop_instance}
