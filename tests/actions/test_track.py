"""Where is it: what is said of a parcel in zh and en, of several, and to whom."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest

from parcels import history, incidents
from parcels import service as parcels
from parcels.change_models import IdentityTry
from parcels.incidents import Report
from parcels.models import Status
from parcels.road_models import IncidentKind, Scope
from parcels.schemas import ScanIn, ShipmentIn
from store import clock
from store.engine import Database
from tests import rooms
from tests.actions.test_skills import CRABS, LAPTOP, Run, Told, run, the_conversation

__all__ = ["run"]

MINE, OTHER = "YT2718281828459", "YT2718281828466"
HOUR = timedelta(hours=1)
JINAN = "济南转运中心"
WORDS = {
    "zh": ("我的包裹到哪了", "尾号6789"),
    "en": ("where is my parcel", "last four digits 6789"),
}
pytestmark = pytest.mark.usefixtures("at")


@pytest.fixture
def store(database: Database) -> Callable[..., None]:
    def one(
        number: str = MINE, ago: float = 2, scan: dict[str, Any] | None = None, **more: Any
    ) -> None:
        told: dict[str, Any] = {"place": JINAN, "status": Status.IN_TRANSIT} | (scan or {})
        with database.write() as session:
            parcels.store_shipment(
                session,
                ShipmentIn(
                    waybill_no=number,
                    carrier="yto",
                    destination="北京",
                    recipient_name="王敏",
                    recipient_phone="13800006789",
                    scans=[ScanIn(at=clock.now() - ago * HOUR, **told)],
                    **more,
                ),
            )

    return one


@pytest.fixture
def travelled(database: Database) -> Callable[[int], None]:
    """So many parcels stood six hours at the place and came to the door after a day."""

    def some(count: int) -> None:
        began = clock.now() - timedelta(days=30)
        with database.write() as session:
            for n in range(count):
                parcels.store_shipment(
                    session,
                    ShipmentIn(
                        waybill_no=f"OLD{n:09}",
                        carrier="yto",
                        destination="北京",
                        scans=[
                            ScanIn(at=began, place=JINAN),
                            ScanIn(at=began + 6 * HOUR, place="北京顺义转运中心"),
                            ScanIn(at=began + 24 * HOUR, status=Status.DELIVERED, place="门口"),
                        ],
                    ),
                )

    return some


@pytest.fixture(params=["zh", "en"])
def asks(request: pytest.FixtureRequest, run: Run) -> Callable[..., Any]:
    """Asks in Chinese and in English; a list of numbers or one; ``proof``: with the digits."""
    words, digits = WORDS[request.param]

    async def ask(number: str | list[str] | None = MINE, *, proof: bool = False) -> Told:
        told: Told = await run(
            "action_track_parcel",
            f"{words} {digits}" if proof else words,
            "track_parcel",
            entities={"waybill_no": number} if number else None,
        )
        return told

    ask.language = request.param  # type: ignore[attr-defined]
    return ask


def either(asks: Any, zh: str, en: str) -> str:
    return {"zh": zh, "en": en}[asks.language]


async def test_the_window_says_how_sure_it_is(asks: Any, store: Any, travelled: Any) -> None:
    store()
    travelled(40)
    told = await asks()
    assert either(asks, "十件里有八件在明天 08:00 到 09:00 之间送到", "eight in ten") in told.texts
    assert either(asks, "看的是 40 件", "going by 40 of them") in told.texts
    assert either(asks, "明天 08:30", "tomorrow 08:30") in told.texts


async def test_too_few_parcels_are_too_few_to_say(asks: Any, store: Any, travelled: Any) -> None:
    store()
    travelled(history.ENOUGH - 1)
    told = await asks()
    assert either(asks, "走这条路的包裹还太少", "Too few parcels have taken") in told.texts
    assert "08:30" not in told.texts


async def test_a_carriers_own_time_is_no_more_than_that(asks: Any, store: Any) -> None:
    store(eta_to=clock.now() + 9 * HOUR)
    told = await asks()
    assert either(asks, "今天 19:00", "today 19:00") in told.texts
    assert either(asks, "先当参考", "how sure that is") in told.texts


async def test_the_next_place_has_a_time_from_the_history(
    asks: Any, store: Any, travelled: Any
) -> None:
    store(scan={"next_place": "北京顺义转运中心"})
    travelled(40)
    told = await asks()
    # Six hours after it came, to the hour: 8:00 and seven hours.
    assert either(asks, "一般最晚今天 15:00 能到", "as a rule by today 15:00") in told.texts


async def test_standing_longer_than_usual_is_owned_up_to_and_can_be_chased(
    asks: Any, store: Any, travelled: Any
) -> None:
    store(ago=20)
    travelled(40)
    told = await asks()
    assert told.texts.startswith(either(asks, "让您久等了", "I am sorry"))
    assert either(
        asks, "已经停了20 小时，平时6 小时左右就走了", "usually leave after about 6 hours"
    )
    assert either(asks, "这次确实不正常", "not as it should be") in told.texts
    assert either(asks, "专人最晚今天 10:30 联系您", "by today 10:30 at the latest") in told.texts
    assert told.buttons == [either(asks, "催一下", "please chase it")]
    # Those that took a day had left long before: nothing of them is said of this one.
    assert either(asks, "靠得住的", "would be a guess") in told.texts
    assert either(asks, "十件里", "in ten") not in told.texts


async def test_what_moves_as_usual_is_not_excused(asks: Any, store: Any, travelled: Any) -> None:
    store()
    travelled(40)
    told = await asks()
    assert told.buttons == []
    for word in ("抱歉", "sorry", "停了", "has been at"):
        assert word not in told.texts


async def test_late_without_history_says_that_nothing_is_known_of_the_place(
    asks: Any, store: Any
) -> None:
    store(ago=30, eta_to=clock.now() - HOUR)
    told = await asks()
    assert (
        either(asks, "停了 30 小时。那里我们走过的包裹还太少", "Too few of our parcels")
        in told.texts
    )
    assert told.buttons


@pytest.mark.parametrize("own", [True, False])
async def test_an_incident_explains_it_in_the_customers_language(
    asks: Any, store: Any, travelled: Any, database: Database, own: bool
) -> None:
    store(ago=20)
    travelled(40)
    with database.write() as session:
        words = ("济南暴雪，高速封了。", "Snow has closed the road.") if own else ("", "")
        fog = Report(
            IncidentKind.WEATHER, Scope.HUB, JINAN, None,
            clock.now() - 3 * HOUR, clock.now() + 5 * HOUR, *words,
        )  # fmt: skip
        incidents.enter(session, "snow", fog, 1)
    told = await asks()
    said = either(asks, *(words if own else ("这两天天气不好", "The weather around")))
    assert said in told.texts
    assert either(asks, "预计今天 15:00 恢复", "over today 15:00") in told.texts
    assert either(asks, "让您久等了", "I am sorry") in told.texts
    assert told.buttons == []  # chasing does not melt snow
    assert either(asks, "十件里", "in ten") not in told.texts


async def test_an_incident_that_lasts_longer_is_said_to(
    asks: Any, store: Any, database: Database, at: Callable[[datetime], None], travelled: Any
) -> None:
    store(ago=20)
    travelled(40)
    with database.write() as session:
        fog = Report(
            IncidentKind.ROAD, Scope.ROUTE, "济南", "北京",
            clock.now() - 3 * HOUR, clock.now() + HOUR,
        )  # fmt: skip
        incidents.enter(session, "road", fog, 1)
    at(clock.now() + 2 * HOUR)
    told = await asks()
    assert either(asks, "济南到北京的路断了", "closed at 济南 to 北京") in told.texts
    assert either(asks, "还没有完全好", "is not quite") in told.texts
    assert told.buttons


OUT = {
    "status": Status.OUT_FOR_DELIVERY, "place": "北京望京网点",
    "courier_name": "刘师傅", "courier_phone": "+86 136-0000-7788",
}  # fmt: skip


async def test_the_courier_is_told_to_the_owner_only_and_masked(asks: Any, store: Any) -> None:
    store(scan=OUT)
    stranger = await asks()
    assert "刘师傅" not in stranger.texts
    assert "7788" not in stranger.texts
    assert either(asks, "后四位", "last four digits") in stranger.texts
    owner = await asks(proof=True)
    assert "刘师傅" in owner.texts
    assert "136****7788" in owner.texts
    assert "0000" not in owner.texts
    again = await asks()
    assert "136****7788" in again.texts


async def test_digits_by_themselves_answer_the_offer(
    run: Run, store: Any, database: Database
) -> None:
    store(scan=OUT)
    told = await run("action_track_parcel", "到哪了", "track_parcel", entities={"waybill_no": MINE})
    assert told.slots["pending"] == "prove_parcel"
    wrong = await run("action_inform", "0000", "inform", slots=told.slots)
    assert "刘师傅" not in wrong.texts
    assert wrong.slots["pending"] == "prove_parcel"
    right = await run("action_inform", "6789", "inform", slots=wrong.slots | {"waybill_no": MINE})
    assert "刘师傅" in right.texts
    assert right.slots["pending"] is None


async def test_guessing_digits_locks_as_everywhere(run: Run, store: Any) -> None:
    store(scan=OUT)
    slots = {"pending": "prove_parcel", "waybill_no": MINE}
    for digits in ("0000", "0001", "0002"):
        told = await run("action_inform", digits, "inform", slots=slots)
    assert "30 分钟" in told.texts
    right = await run("action_inform", "6789", "inform", slots=slots)
    assert "30 分钟" in right.texts
    assert "刘师傅" not in right.texts


async def test_once_it_is_delivered_nobody_is_told_who_brought_it(asks: Any, store: Any) -> None:
    store(scan=OUT)
    await asks(proof=True)
    store(ago=1, scan={"status": Status.DELIVERED, "place": "望京"})
    assert "刘师傅" not in (await asks()).texts


async def test_two_numbers_in_one_message_are_two_answers(asks: Any) -> None:
    told = await asks([LAPTOP, CRABS])
    assert len(told["responses"]) == 2
    assert "嘉兴" in told["responses"][0]["text"]
    assert "济南" in told["responses"][1]["text"]
    assert told.slots["waybill_no"] == CRABS


async def test_one_of_two_numbers_that_is_unknown_is_said_to_be(asks: Any) -> None:
    told = await asks([LAPTOP, "YT3141592653589"])
    assert "嘉兴" in told.texts
    assert "YT3141592653589" in told.texts


async def test_of_many_numbers_five_are_answered_and_the_rest_counted(asks: Any) -> None:
    told = await asks([LAPTOP, CRABS, *(f"YT31415926535{n:02}" for n in range(5))])
    assert len(told["responses"]) == 6
    assert either(asks, "还有 2 件", "other 2 numbers") in told.texts


async def test_my_parcel_is_the_one_that_was_proved(asks: Any, store: Any) -> None:
    store()
    nobody = await asks(None)
    assert nobody.slots["pending"] == "track_parcel"
    await asks(proof=True)
    mine = await asks(None)
    assert MINE in mine.texts
    assert LAPTOP not in mine.texts


async def test_several_proved_ones_are_told_and_the_delivered_left_out(
    asks: Any, store: Any
) -> None:
    third = "YT2718281828473"
    for number in (MINE, OTHER, third):
        store(number)
        await asks(number, proof=True)
    assert len((await asks(None))["responses"]) == 3
    store(third, ago=1, scan={"status": Status.DELIVERED, "place": "望京"})
    told = await asks(None)
    assert MINE in told.texts
    assert OTHER in told.texts
    assert third not in told.texts


async def test_a_proof_of_another_customer_shows_nothing(
    asks: Any, store: Any, database: Database
) -> None:
    store()
    await asks(proof=True)
    with database.write() as session:
        conversation = the_conversation(database)
        stranger = rooms.said(session, "hi", by="stranger")
        assert stranger.customer_id != conversation.customer_id
        for tried in session.query(IdentityTry):
            tried.customer_id = stranger.customer_id
    told = await asks(None)
    assert MINE not in told.texts


@pytest.mark.parametrize(
    ("phone", "shown"),
    [
        ("13800001234", "138****1234"),
        ("+86 138-0000-1234", "138****1234"),
        ("021-5555 1234", "****1234"),
        ("+44 7911 123456", "****3456"),
        ("12345", None),
        (None, None),
    ],
)
@pytest.mark.parametrize("address", ["sqlite"], indirect=True)
def test_a_phone_is_masked(phone: str | None, shown: str | None, database: Database) -> None:
    assert parcels.masked(phone) == shown
