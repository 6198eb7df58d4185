"""Which instances rejection notes withdrew, marked and counted ahead so that no question has to look it up row by row.

Source: IHE RAD TF, Imaging Object Change Management: rejected instances are hidden from those who query.
"""

from collections.abc import Iterable

from sqlalchemy import Connection, and_, func, select, update

from safelight.catalog.reading import chunks
from safelight.catalog.schema import rejection_table, series_table, study_table, version_table

_version, _series, _study = version_table.c, series_table.c, study_table.c


def follow_rejections(connection: Connection, instances: Iterable[str], series_keys: Iterable[int] = ()) -> None:
    """Mark what is withdrawn of these instances; count anew there, and in those of these series that hide something."""
    counted: set[int] = set()
    source = version_table.join(study_table, _study.key == _version.study_key).join(
        rejection_table,
        and_(rejection_table.c.sop_instance == _version.sop_instance, rejection_table.c.study == _study.study),
    )
    shown = select(_version.key, _version.series_key).select_from(source).where(_version.withdrawn.is_(False))
    for chunk in chunks(dict.fromkeys(instances)):
        fresh = connection.execute(shown.where(_version.sop_instance.in_(chunk)).distinct()).all()
        for some in chunks(key for key, _ in fresh):
            connection.execute(update(version_table).where(_version.key.in_(some)).values(withdrawn=True))
        counted |= {series_key for _, series_key in fresh}
    for named in chunks(dict.fromkeys(series_keys)):
        hiding = select(_series.key).where(_series.key.in_(named), _series.withdrawn_count > 0)
        counted |= set(connection.execute(hiding).scalars())
    _count(connection, counted)


def _count(connection: Connection, series_keys: set[int]) -> None:
    studies: set[int] = set()
    for key in sorted(series_keys):
        study_key = connection.execute(select(_series.study_key).where(_series.key == key)).scalar_one()
        here = (_version.study_key == study_key, _version.series_key == key, _version.withdrawn.is_(True))
        count = connection.execute(select(func.count(_version.sop_instance.distinct())).where(*here)).scalar_one()
        connection.execute(update(series_table).where(_series.key == key).values(withdrawn_count=count))
        studies.add(study_key)
    for key in sorted(studies):
        of_study = select(_series.withdrawn_count, _series.instance_count).where(_series.study_key == key)
        counts = connection.execute(of_study).all()
        values = {
            "withdrawn_count": sum(withdrawn for withdrawn, _ in counts),
            "withdrawn_series_count": sum(withdrawn >= held for withdrawn, held in counts),
        }
        connection.execute(update(study_table).where(_study.key == key).values(**values))
