"""Rows that fall due (inbox, outbox, promises): claimed once, by one worker, for a while.

A claim is a lease. A worker that dies keeps nothing: after ``lease`` the row falls due again.
``last_error`` is what the last attempt ended with: claimed before and without one, a worker died.
``due_at`` is null when nothing more is to be done with the row.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    Select,
    and_,
    bindparam,
    case,
    exists,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from store import clock
from store.base import Instant


class Due:
    """Columns of a table whose rows fall due."""

    due_at: Mapped[datetime | None] = mapped_column(index=True)
    leased_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    last_error: Mapped[str | None]


def claim(
    session: Session, table: type[Any], limit: int, lease: timedelta, *, in_order_of: str = ""
) -> list[Any]:
    """Up to ``limit`` due rows of ``table``, leased to the caller and counted as an attempt.

    ``in_order_of`` names a column (such as ``conversation_id``): of each of its values only the
    oldest unfinished row may be claimed, so order is kept however many workers there are. A row
    that waits for its next attempt holds back those behind it.
    """
    at = clock.now()
    rows = session.scalars(
        _claiming(table, in_order_of, session.get_bind().dialect.name),  # type: ignore[arg-type]
        {"at": at, "until": at + lease, "most": limit},
        execution_options={"synchronize_session": False},
    )
    return sorted(rows, key=lambda row: row.id)


@cache
def _claiming(table: type[Any], in_order_of: str, dialect: str) -> Any:
    """The statement of ``claim``, put together once: building it costs more than running it."""
    at = bindparam("at", type_=Instant())
    ready: list[ColumnElement[bool]] = [
        table.due_at <= at,
        or_(table.leased_until.is_(None), table.leased_until <= at),
    ]
    if in_order_of:
        earlier = aliased(table)
        ready.append(
            ~exists().where(
                and_(
                    getattr(earlier, in_order_of) == getattr(table, in_order_of),
                    earlier.due_at.is_not(None),
                    earlier.id < table.id,
                )
            )
        )
    due: Select[Any] = select(table.id).where(*ready).order_by(table.due_at)
    due = due.limit(bindparam("most", type_=Integer))
    if dialect == "postgresql":
        due = due.with_for_update(skip_locked=True)
    return (
        update(table)
        .where(table.id.in_(due))
        .values(
            leased_until=bindparam("until", type_=Instant()),
            attempts=table.attempts + 1,
            # Still leased: nobody gave it back, so its error is of an attempt before the last.
            last_error=case((table.leased_until.is_(None), table.last_error)),
        )
        .returning(table)
    )


def release(row: Any, *, retry_at: datetime | None, error: str | None = None) -> None:
    """Give a claimed row back: to be tried again at ``retry_at``, or never (``None``)."""
    row.leased_until = None
    row.due_at = retry_at
    row.last_error = error


def waits_behind(session: Session, rows: Sequence[Any]) -> bool:
    """Whether a later row of one of their conversations is unfinished: it may be claimed once
    ``rows`` are done. Asked so that loops are not woken to find nothing, as after most rows.

    Exact on SQLite, which has one writer. On PostgreSQL such a row may be committed between this
    look and the caller's own commit, so it always says yes there.
    """
    if session.get_bind().dialect.name != "sqlite":
        return True
    ids = [row.id for row in rows]
    places = {"conversation_ids": [row.conversation_id for row in rows]}
    behind = _behind(type(rows[0]))  # type: ignore[arg-type]
    return session.scalar(behind, places | {"ids": ids, "first": min(ids)}) is not None


@cache
def _behind(table: type[Any]) -> Any:
    return (
        select(table.id)
        .where(
            table.conversation_id.in_(bindparam("conversation_ids", expanding=True)),
            table.id > bindparam("first"),
            table.id.not_in(bindparam("ids", expanding=True)),
            table.due_at.is_not(None),
        )
        .limit(1)
    )


def next_due(session: Session, table: type[Any]) -> datetime | None:
    """When the earliest unfinished row falls due; ``None`` when there is none."""
    found: datetime | None = session.scalar(
        select(table.due_at).where(table.due_at.is_not(None)).order_by(table.due_at).limit(1)
    )
    return found


def backoff(attempts: int, *, first: timedelta, most: timedelta) -> timedelta:
    """Doubling wait before the next attempt, from ``first`` to ``most``."""
    doublings = min(max(attempts - 1, 0), 20)
    return min(first * (1 << doublings), most)
