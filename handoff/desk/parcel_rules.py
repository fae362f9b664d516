"""``policies/parcels.yml``: what people at the desk may do with parcels."""

from __future__ import annotations

from pathlib import Path

from pydantic import PositiveInt

from handoff.models import Role
from handoff.staff import SignedIn
from store.policies import Policy, load


class ByPerson(Policy):
    """Who may find parcels by a person, of how many days."""

    roles: frozenset[Role]
    days: PositiveInt


class ParcelRules(Policy):
    find_by_person: ByPerson

    @classmethod
    def from_file(cls, path: Path) -> ParcelRules:
        return load(path, cls)

    def may_find(self, person: SignedIn) -> bool:
        return person.role in self.find_by_person.roles
