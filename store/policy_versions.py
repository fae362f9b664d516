"""Every version of a policy that was ever in force: what was promised under it stays promised."""

from __future__ import annotations

import difflib
import hashlib
import logging
from datetime import datetime

from sqlalchemy import String, UniqueConstraint, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Mapped, Session, mapped_column

from store import clock
from store.base import Base

log = logging.getLogger(__name__)


class PolicyVersion(Base):
    """The text of a policy file. A text that comes back is the version it was before."""

    __tablename__ = "policy_versions"
    __table_args__ = (UniqueConstraint("name", "sha256"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(40))
    sha256: Mapped[str] = mapped_column(String(64))
    text: Mapped[str]
    read_at: Mapped[datetime]
    """When a process last put it in force; it logs what changed since the one before."""


def id_of(session: Session, name: str, text: str) -> int:
    """The version with this text; a new one if it was never seen."""
    return _of(session, name, text).id


def at(session: Session, name: str, instant: datetime) -> PolicyVersion | None:
    """The version last put in force until ``instant``. One that came back later counts from then
    on, and is what stands now or close to it."""
    return session.scalar(
        select(PolicyVersion)
        .where(PolicyVersion.name == name, PolicyVersion.read_at <= instant)
        .order_by(PolicyVersion.read_at.desc(), PolicyVersion.id.desc())
        .limit(1)
    )


def put_in_force(session: Session, name: str, text: str) -> int:
    """A process begins to work by this text. A change is logged, line by line."""
    before = session.scalar(
        select(PolicyVersion)
        .where(PolicyVersion.name == name)
        .order_by(PolicyVersion.read_at.desc(), PolicyVersion.id.desc())
        .limit(1)
    )
    if before is not None and before.text == text:
        return before.id
    if before is not None:
        lines = difflib.unified_diff(before.text.splitlines(), text.splitlines(), n=0, lineterm="")
        log.warning("policy %s has changed: %s", name, " | ".join(list(lines)[2:]))
    version = _of(session, name, text)
    version.read_at = clock.now()
    session.flush()
    return version.id


def _of(session: Session, name: str, text: str) -> PolicyVersion:
    digest = hashlib.sha256(text.encode()).hexdigest()
    of_text = select(PolicyVersion).where(
        PolicyVersion.name == name, PolicyVersion.sha256 == digest
    )
    known = session.scalar(of_text)
    if known is not None:
        return known
    new = PolicyVersion(name=name, sha256=digest, text=text, read_at=clock.now())
    try:
        with session.begin_nested():
            session.add(new)
    except IntegrityError:  # another process reads the same at this moment
        return session.scalars(of_text).one()
    return new
