"""Every change in both languages, and each way in which it comes to nothing before an order."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest
import yaml

from conversations.models import Holder
from parcels import change_rules
from parcels.change_models import OrderKind
from parcels.models import Status
from store import clock
from tests.actions.test_change import ADDRESS, NUMBER, SECRET_NAME, Talk, parcel, run, talk
from tests.actions.test_skills import the_conversation
from tests.e2e import dialogues
from tests.rooms import POLICIES

__all__ = ["parcel", "run", "talk"]

RULES = change_rules.from_file(POLICIES / "changes.yml")
ASKED = yaml.safe_load((dialogues.HERE / "changes.yml").read_text(encoding="utf-8"))
DONT_KNOW = {"zh": "我不知道", "en": "I don't know"}
PERSON = {"zh": ["转人工"], "en": ["I want to talk to a person"]}
PICKUPS = {OrderKind.PICKUP_BOOK, OrderKind.PICKUP_MOVE, OrderKind.PICKUP_CANCEL}
Change = tuple[OrderKind, str, str]


REMEDIES = {OrderKind.CALL_FIRST, OrderKind.REDELIVER, OrderKind.RESEND}
"""Arranged by people for a complaint: no customer asks the bot for them."""


def changes(*, cut_off: bool = False) -> Iterator[Change]:
    """Kind, language, and how it is asked for; with ``cut_off`` those that have one."""
    for kind, told in ASKED.items():
        out = RULES.changes[OrderKind(kind)].states.get(Status.OUT_FOR_DELIVERY)
        if not cut_off or (out is not None and out.minutes_before is not None):
            for language in ("zh", "en"):
                yield OrderKind(kind), language, told[language][0].format(a=NUMBER)


def test_every_change_is_asked_for_in_both_languages() -> None:
    assert {OrderKind(kind) for kind in ASKED} == set(OrderKind) - PICKUPS - REMEDIES
    assert all(ASKED[kind][language] for kind in ASKED for language in ("zh", "en"))


@pytest.mark.parametrize(("kind", "language", "words"), list(changes()))
async def test_wrong_digits_order_nothing_and_close_it_after_the_third(
    talk: Talk, parcel: Callable[..., None], kind: OrderKind, language: str, words: str
) -> None:
    parcel(Status.OUT_FOR_DELIVERY)
    heard = [await talk.says(words, RULES.changes[kind].intent, waybill_no=NUMBER)]
    heard += [await talk.says(digits) for digits in ("0000", "9999", "1234")]
    for told, key in zip(heard[1:], ("wrong_digits", "wrong_digits", "locked"), strict=True):
        assert dialogues.said(told.texts, language, f"change.{key}"), told.texts
        assert SECRET_NAME not in told.texts
        assert ADDRESS not in told.texts
    assert heard[-1].buttons == PERSON[language]
    assert talk.orders() == []
    assert talk.ended


@pytest.mark.parametrize(("kind", "language", "words"), list(changes()))
async def test_who_cannot_prove_it_gets_a_person(
    talk: Talk, parcel: Callable[..., None], kind: OrderKind, language: str, words: str
) -> None:
    parcel(Status.OUT_FOR_DELIVERY)
    await talk.says(words, RULES.changes[kind].intent, waybill_no=NUMBER)
    told = await talk.says(DONT_KNOW[language])
    assert dialogues.said(told.texts, language, "change.person"), told.texts
    assert the_conversation(talk.database).holder == Holder.WAITING
    assert talk.orders() == []
    assert talk.ended


@pytest.mark.parametrize(("kind", "language", "words"), list(changes(cut_off=True)))
async def test_after_the_cut_off_it_is_too_late(
    talk: Talk, parcel: Callable[..., None], kind: OrderKind, language: str, words: str
) -> None:
    out = RULES.changes[kind].states[Status.OUT_FOR_DELIVERY]
    begins = clock.now() + timedelta(minutes=(out.minutes_before or 0) - 1)
    parcel(Status.OUT_FOR_DELIVERY, eta_from=begins, eta_to=clock.now() + timedelta(hours=3))
    await talk.says(words, RULES.changes[kind].intent, waybill_no=NUMBER)
    told = await talk.says("4455")
    assert dialogues.said(told.texts, language, "change.too_late"), told.texts
    assert told.buttons == PERSON[language]
    assert talk.orders() == []
    assert talk.ended
