"""Many rows in one statement, and the same statement however many there are.

They travel as one JSON parameter: the drivers bind nothing row by row, and SQLite reads them
without Python's lock, so that other threads of the service go on meanwhile.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    ARRAY,
    Column,
    ColumnElement,
    Dialect,
    String,
    any_,
    bindparam,
    cast,
    column,
    func,
    literal_column,
    select,
    true,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import CursorResult
from sqlalchemy.orm import InstrumentedAttribute, Session

from store.base import Instant


def one_of(
    session: Session, of: InstrumentedAttribute[Any], values: Iterable[Any]
) -> ColumnElement[bool]:
    """``of IN values`` as one parameter."""
    listed = list(values)
    if _dialect(session).name == "postgresql":
        return of == any_(bindparam(None, listed, type_=ARRAY(of.type)))
    return of.in_(select(func.json_each(json.dumps(listed)).table_valued("value").c.value))


def insert(session: Session, table: type[Any]) -> Any:
    """An insert that can say what is done about rows that exist."""
    dialect = postgresql if _dialect(session).name == "postgresql" else sqlite
    return dialect.insert(table.__table__)


def insert_rows(
    session: Session,
    table: type[Any],
    rows: Sequence[Mapping[str, Any]],
    *,
    key: Sequence[str] = (),
    changed: Collection[str] = (),
) -> int:
    """Insert rows of the same columns; how many were inserted or changed.

    One whose unique columns are known stays as it is, but for the columns ``changed`` of the one
    that has the same ``key``.
    """
    if not rows:
        return 0
    dialect = _dialect(session)
    names = tuple(rows[0])
    instant = Instant().bind_processor(dialect) or str

    def written(value: Any) -> str:
        return str(instant(value) if isinstance(value, datetime) else value)

    listed = json.dumps([[row[name] for name in names] for row in rows], default=written)
    adding = _adding(dialect.name, table, names, tuple(key), tuple(sorted(changed)))  # type: ignore[arg-type]
    done = session.execute(adding, {"rows": listed}, execution_options={"preserve_rowcount": True})
    assert isinstance(done, CursorResult)
    return int(done.rowcount)


@cache
def _adding(
    dialect: str,
    table: type[Any],
    names: tuple[str, ...],
    key: tuple[str, ...],
    changed: tuple[str, ...],
) -> Any:
    """The statement of ``insert_rows``, put together once: for a few rows building it costs more
    than running it. Numbers, texts and instants come as ``rows``."""
    columns = [table.__table__.columns[name] for name in names]
    postgres = dialect == "postgresql"
    given = _of_postgresql(columns) if postgres else _of_sqlite(columns)
    adding = (postgresql if postgres else sqlite).insert(table.__table__).from_select(names, given)
    if not changed:
        return adding.on_conflict_do_nothing(index_elements=key or None)
    values = {name: adding.excluded[name] for name in changed}
    return adding.on_conflict_do_update(index_elements=key, set_=values)


def _of_postgresql(columns: Sequence[Column[Any]]) -> Any:
    listed = cast(bindparam("rows", type_=String), postgresql.JSON)
    value = func.json_array_elements(listed).column_valued()
    texts = [value.op("->>")(literal_column(str(place))) for place in range(len(columns))]
    # Text is not cast: a cast would cut what is too long instead of refusing it.
    return select(
        *(
            text if isinstance(c.type, String) else cast(text, c.type)
            for text, c in zip(texts, columns, strict=True)
        )
    )


def _of_sqlite(columns: Sequence[Column[Any]]) -> Any:
    cells = func.json_each(bindparam("rows", type_=String)).table_valued(column("value", String))
    return (
        select(*(func.json_extract(cells.c.value, f"$[{place}]") for place in range(len(columns))))
        .select_from(cells)
        .where(true())  # or SQLite takes the ON of ON CONFLICT for a join's
    )


def _dialect(session: Session) -> Dialect:
    return session.get_bind().dialect
