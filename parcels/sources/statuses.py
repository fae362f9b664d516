"""Other people's states in our vocabulary: ``policies/statuses.yml``."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import BeforeValidator, Field, field_validator

from parcels.models import Status, SubStatus
from store.policies import Policy, load


class State(NamedTuple):
    """A state of ours; both None where the source's code is in no table."""

    status: Status | None = None
    sub_status: SubStatus | None = None


def _state(written: object) -> State:
    if written in set(Status):
        return State(Status(str(written)))
    if written in set(SubStatus):
        detail = SubStatus(str(written))
        return State(detail.status, detail)
    raise ValueError(f"is none of {', '.join([*Status, *SubStatus])}")


Table = dict[str, Annotated[State, BeforeValidator(_state)]]


class Statuses(Policy):
    """A table per source, and one for those who ask us."""

    kuaidi100: Table
    track17: Annotated[Table, Field(alias="17track")]
    aftership: Table
    to_kuaidi100: dict[Status, str]
    to_wechat: dict[str, int | None]

    @field_validator("to_kuaidi100")
    @classmethod
    def _complete(cls, table: dict[Status, str]) -> dict[Status, str]:
        if missing := set(Status) - table.keys():
            raise ValueError(f"{', '.join(sorted(missing))} missing")
        return table

    @field_validator("to_wechat")
    @classmethod
    def _named(cls, table: dict[str, int | None]) -> dict[str, int | None]:
        if missing := {*Status, "unknown"} - table.keys():
            raise ValueError(f"{', '.join(sorted(missing))} missing")
        if strange := table.keys() - {*Status, *SubStatus, "unknown"}:
            raise ValueError(f"{', '.join(sorted(strange))}: no states of ours")
        return table

    def wechat_type(self, status: Status | None, sub_status: SubStatus | None) -> int | None:
        """What WeChat calls a scan's state; None for what it has no name for."""
        named = (sub_status, status, "unknown")
        return next(self.to_wechat[name] for name in named if name and name in self.to_wechat)

    @classmethod
    def from_file(cls, path: Path) -> Statuses:
        return load(path, cls)


def state(table: Mapping[str, State], *codes: str | None) -> State:
    """The state of the first code that the table knows."""
    return next((table[code] for code in codes if code and code in table), State())
