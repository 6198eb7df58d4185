"""The journal's tables. An entry's line is kept as the exact bytes that are hashed."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table

schema = MetaData()

about_table = Table("about", schema, Column("format", Integer, nullable=False))

entry_table = Table(
    "entry",
    schema,
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=False),
    # Stands in the line as well; this copy is only there to be looked up by.
    Column("kind", String, nullable=False),
    Column("line", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Index("entry_by_kind", "kind", "position"),
)
