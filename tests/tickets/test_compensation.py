"""Compensation: liability, sums, limits, a second pair of eyes, and what the customer hears."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from conversations.models import Conversation, Customer
from parcels.change_models import DepotOrder, OrderKind
from parcels.models import Status
from store import clock, policy_versions
from store import policies as files
from store.engine import Database
from store.errors import Forbidden, Invalid, NotFound, NotYours, Outdated, OutOfOrder
from tests.tickets.money import CHEN, HAN, LI, NUMBER, ZHOU, House, ago, hours, of
from tickets import relations
from tickets.compensation.errors import AlreadyGranted, LiabilityOpen, OwnGrant
from tickets.compensation.models import Coupon, Grant, GrantState, Kind
from tickets.compensation.policy import CompensationPolicies, CompensationPolicy
from tickets.compensation.reckoning import NothingDue
from tickets.compensation.remedies import RemedyImpossible
from tickets.compensation.service import Wish
from tickets.events import CUSTOMER
from tickets.lifecycle import Change
from tickets.models import TicketEvent
from tickets.promises.models import PromiseKind

Move = Callable[[datetime], None]


@pytest.fixture
def house(database: Database, at: object) -> House:
    return House(database)


def test_liability_starts_the_time_to_pay_once_and_is_an_event(house: House) -> None:
    house.parcel(freight=Decimal(12))
    number = house.ticket()
    with pytest.raises(LiabilityOpen):
        house.grant(number)
    with pytest.raises(NotYours):
        house.liable(number, HAN)
    house.liable(number)
    assert house.promise(number) == "open"
    assert house.happened(number)[-1] == "liability"
    with pytest.raises(OutOfOrder):
        house.liable(number)
    late = house.ticket("report_delay")
    with pytest.raises(Invalid):
        house.liable(late)


def test_a_coupon_beside_a_claim_is_not_its_payment(house: House) -> None:
    house.parcel(declared_value=Decimal(45), eta_to=ago(30))
    number = house.ticket("report_perishable")
    house.liable(number)
    house.grant(number, Kind.DELAY_COUPON)
    assert house.promise(number) == "open"


def test_money_goes_along_when_tickets_are_merged(house: House) -> None:
    house.parcel(declared_value=Decimal(300), freight=Decimal(12))
    damage, loss = house.ticket(), house.ticket("report_loss")
    house.liable(damage)
    grant = house.grant(damage)
    with house.database.write() as session:
        relations.merge(session, house.lifecycle, of(session, damage), of(session, loss), CHEN)
    assert [found.id for found in house.grants(loss)] == [grant.id]
    assert house.happened(loss)[-1] == "liability"
    assert (house.promise(damage), house.promise(loss)) == (None, "open")
    house.approve(grant)
    assert house.payout(grant) is not None
    with pytest.raises(AlreadyGranted):
        house.grant(loss, Kind.LOSS)


def test_nobody_decides_about_a_complaint_that_was_taken_back(house: House) -> None:
    number, grant = house.claim(300)
    with house.database.write() as session:
        house.lifecycle.change(session, of(session, number), Change.CANCEL, CUSTOMER, "不用了")
    assert house.row(grant).state == GrantState.REFUSED
    with pytest.raises(Outdated):
        house.approve(grant)


def test_a_small_sum_is_granted_alone_and_ordered_at_once(house: House) -> None:
    number, grant = house.claim(40)
    assert (grant.fen, grant.state) == (4000, GrantState.APPROVED)
    payout = house.payout(grant)
    assert payout is not None
    assert (payout.state, payout.due_at) == ("placed", clock.now())
    assert house.happened(number)[-1] == "granted"
    (words,) = house.told()[-1:]
    assert "已保价：声明价值 40 元 × 损坏程度 100% = 40 元" in words
    assert "最晚明天 10:00" in words  # the promise of 24 h


def test_limits_are_by_team_and_count_the_whole_ticket(house: House) -> None:
    house.parcel(declared_value=Decimal(45), freight=Decimal(12), eta_to=ago(30))
    number = house.ticket("report_perishable")
    house.liable(number)
    assert house.grant(number, Kind.DAMAGE).state == GrantState.APPROVED  # 45
    coupon = house.grant(number, Kind.DELAY_COUPON)  # 10 more: 55 of 50
    assert coupon.state == GrantState.WAITING
    assert house.codes() == []
    refund = house.grant(number, Kind.FREIGHT_REFUND, team="second_line")  # 67 of 200
    assert refund.state == GrantState.APPROVED


@pytest.mark.parametrize("yuan", [300, 5000])
def test_above_the_limit_a_supervisor_decides(house: House, yuan: int) -> None:
    number, grant = house.claim(yuan)
    assert grant.state == GrantState.WAITING
    assert house.payout(grant) is None
    assert f"{yuan} 元" in house.told()[-1]
    assert "主管再核对" in house.told()[-1]
    with pytest.raises(Forbidden):
        house.approve(grant, HAN)
    house.approve(grant)
    assert house.happened(number)[-2:] == ["granted", "grant_approved"]
    assert "主管已经核准" in house.told()[-1]
    assert (house.payout(grant) is None) == (yuan == 5000)  # that one needs an agreement first


def test_nobody_decides_his_own_not_even_a_supervisor(house: House) -> None:
    _, grant = house.claim(1500, actor=CHEN)
    assert grant.state == GrantState.WAITING  # above what a supervisor grants alone
    with pytest.raises(OwnGrant):
        house.approve(grant, CHEN)
    with house.database.write() as session, pytest.raises(OwnGrant):
        house.compensation.refuse(session, grant.id, CHEN, "doch nicht")
    house.approve(grant, ZHOU)
    assert house.row(grant).decided_by == ZHOU.id


def test_a_refusal_needs_words_is_told_kindly_and_opens_the_way_for_another(house: House) -> None:
    number, grant = house.claim(300)
    with house.database.write() as session, pytest.raises(Invalid):
        house.compensation.refuse(session, grant.id, CHEN, " ")
    with house.database.write() as session:
        house.compensation.refuse(session, grant.id, CHEN, "照片只看到一半碎了")
    assert house.row(grant).state == GrantState.REFUSED
    assert "重新算" in house.told()[-1]
    assert "照片" not in house.told()[-1]
    assert house.promise(number) == "open"
    with pytest.raises(Outdated):
        house.approve(grant)
    again = house.grant(number, percent=10)
    assert (again.fen, again.state) == (3000, GrantState.APPROVED)


def test_a_large_sum_waits_for_the_signed_agreement(house: House) -> None:
    _, grant = house.claim(5000)
    house.approve(grant)
    assert "协议" in house.told()[-1]
    with house.database.write() as session:
        with pytest.raises(NotYours):
            house.compensation.agreement_signed(session, grant.id, HAN, "协议 17")
        with pytest.raises(Invalid):
            house.compensation.agreement_signed(session, grant.id, LI, "")
        house.compensation.agreement_signed(session, grant.id, LI, "协议 2026-17，已存档")
    assert house.payout(grant) is not None
    assert "协议收到了" in house.told()[-1]
    with house.database.write() as session, pytest.raises(OutOfOrder):
        house.compensation.agreement_signed(session, grant.id, LI, "noch einmal")


def test_signed_before_it_is_approved_it_is_paid_on_approval(house: House) -> None:
    _, grant = house.claim(5000)
    with house.database.write() as session:
        house.compensation.agreement_signed(session, grant.id, LI, "协议 2026-17")
    assert house.payout(grant) is None
    house.approve(grant)
    assert house.payout(grant) is not None
    assert "协议" not in house.told()[-1]


def test_one_of_two_supervisors_decides(house: House) -> None:
    _, grant = house.claim(300)
    outcomes: list[str] = []
    ready = threading.Barrier(4)

    def decide(actor: object) -> None:
        ready.wait()
        try:
            house.approve(grant, actor)  # type: ignore[arg-type]
            outcomes.append("done")
        except Outdated:
            outcomes.append("told")

    people = [threading.Thread(target=decide, args=(who,)) for who in (CHEN, ZHOU, CHEN, ZHOU)]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(outcomes) == ["done", "told", "told", "told"]
    with house.database.read() as session:
        events = session.query(TicketEvent).filter_by(what="grant_approved").count()
    assert events == 1
    assert sum("核准" in text for text in house.told()) == 1


def test_who_decides_on_something_older_is_told(house: House) -> None:
    _, grant = house.claim(5000)
    with house.database.write() as session:
        house.compensation.agreement_signed(session, grant.id, LI, "协议 2026-17")
    with pytest.raises(Outdated):
        house.approve(grant, version=grant.version)
    house.approve(grant, version=house.row(grant).version)


def test_the_same_form_grants_once_and_the_same_damage_once(house: House) -> None:
    number, grant = house.claim(40, key="desk:1")
    assert house.grant(number, key="desk:1").id == grant.id
    with pytest.raises(AlreadyGranted):
        house.grant(number, percent=5)
    other = house.ticket("report_loss", by="the sender")
    house.liable(other)
    with pytest.raises(AlreadyGranted):
        house.grant(other, Kind.LOSS)
    assert len(house.grants(number)) == 1


def test_two_tickets_of_one_parcel_at_the_same_moment_get_one_grant(house: House) -> None:
    house.parcel(declared_value=Decimal(40), freight=Decimal(12))
    numbers = [house.ticket(), house.ticket("report_loss", by="the sender")]
    for number in numbers:
        house.liable(number)
    outcomes: list[str] = []
    ready = threading.Barrier(2)

    def grant(number: str, kind: Kind) -> None:
        ready.wait()
        try:
            house.grant(number, kind)
            outcomes.append("done")
        except AlreadyGranted:
            outcomes.append("told")

    people = [
        threading.Thread(target=grant, args=pair)
        for pair in zip(numbers, (Kind.DAMAGE, Kind.LOSS), strict=True)
    ]
    for person in people:
        person.start()
    for person in people:
        person.join()
    assert sorted(outcomes) == ["done", "told"]
    with house.database.read() as session:
        assert session.query(Grant).count() == 1


def test_another_sum_than_was_shown_is_not_granted(house: House) -> None:
    house.parcel(declared_value=Decimal(40))
    number = house.ticket()
    house.liable(number)
    with pytest.raises(Outdated):
        house.grant(number, seen=3999)
    assert house.grants(number) == []
    assert house.grant(number, seen=4000).fen == 4000


def test_a_typed_freight_counts_only_without_one_and_is_for_a_supervisor(house: House) -> None:
    house.parcel()
    number = house.ticket()
    house.liable(number)
    with pytest.raises(NothingDue):
        house.grant(number)
    grant = house.grant(number, freight=Decimal(2))
    assert (grant.fen, grant.state) == (1000, GrantState.WAITING)
    house.parcel("SF1234567890123", freight=Decimal(3))
    other = house.ticket(by="lin", waybill_no="SF1234567890123")
    house.liable(other)
    assert house.grant(other, freight=Decimal(100)).fen == 1500


def test_what_a_class_does_not_get_is_refused(house: House) -> None:
    house.parcel(freight=Decimal(12))
    number = house.ticket()
    for kind in (Kind.LOSS, Kind.GIFT_COUPON, Kind.DELAY_COUPON):
        if kind == Kind.LOSS:
            house.liable(number)
        with pytest.raises(Invalid):
            house.grant(number, kind)
    with house.database.write() as session, pytest.raises(NotFound):
        house.compensation.approve(session, 4711, CHEN)


@pytest.mark.parametrize("delivered", [30, None])
def test_a_late_parcel_brings_a_coupon_by_itself_when_closed(
    house: House, at: Move, delivered: float | None
) -> None:
    house.parcel(eta_to=ago(50))
    if delivered:
        house.scanned(Status.DELIVERED, ago(50 - delivered))
    number = house.ticket("report_delay")
    at(clock.now() + hours(1))
    house.close(number)
    (grant,) = house.grants(number)
    yuan = 10 if delivered else 20
    assert (grant.fen, grant.state, grant.staff_id) == (yuan * 100, GrantState.DONE, None)
    (code,) = house.codes()
    assert house.told()[-1].endswith("请不要发给别人。")
    assert "月31日 23:59 前" in house.told()[-1]  # 90 days, to the end of the day
    with house.database.read() as session:
        coupon = session.query(Coupon).one()
        assert coupon.ending == code[-4:]
        assert code not in f"{coupon.__dict__}"
        events = session.query(TicketEvent).filter_by(ticket_id=grant.ticket_id)
        assert not any(code in f"{event.why}{event.details}" for event in events)


def test_a_waybill_has_one_delay_coupon_on_whatever_ticket(house: House) -> None:
    house.parcel(eta_to=ago(5))
    first, second = house.ticket("report_delay"), house.ticket("report_perishable", by="sender")
    house.grant(first, Kind.DELAY_COUPON)
    house.close(first)
    house.close(second)
    assert len(house.codes()) == 1


@pytest.mark.parametrize("promised", [True, False])
def test_in_time_or_with_no_time_promised_there_is_no_coupon(house: House, promised: bool) -> None:
    house.parcel(eta_to=clock.now() + hours(1) if promised else None)
    house.close(house.ticket("report_delay"))
    assert house.codes() == []


def test_a_refused_coupon_does_not_come_back_by_rule(house: House) -> None:
    house.parcel(eta_to=ago(90))
    number = house.ticket("report_delay")
    with house.database.write() as session:  # a sum that is beyond first line already
        session.add(
            Grant(
                key="k", about=f"delay_coupon:{NUMBER}", ticket_id=of(session, number).id,
                customer_id=of(session, number).customer_id, kind=Kind.DELAY_COUPON, fen=1,
                lines=[], policy_id=house.compensation.policies.of(session, clock.now())[0],
                state=GrantState.REFUSED, granted_at=clock.now(), needs_agreement=False,
            )
        )  # fmt: skip
    house.close(number)
    assert house.codes() == []


def test_a_rude_courier_brings_a_gift_once_in_a_while(house: House, at: Move) -> None:
    for day, expected in ((0, 1), (10, 1), (31, 2)):
        at(datetime(2026, 3, 2, 2, tzinfo=clock.now().tzinfo) + timedelta(days=day))
        house.close(house.ticket("report_courier_attitude", waybill_no=None))
        assert len(house.codes()) == expected
    assert "服务没做好，致歉优惠券 10 元" in house.told()[-1]


def test_in_english_too(database: Database, at: object) -> None:
    house = House(database, language="en")
    _, grant = house.claim(300, percent=50)
    assert "insured: declared value ¥300 × damage 50% = ¥150" in house.told()[-1]
    house.approve(grant)
    assert "a supervisor has approved ¥150" in house.told()[-1]
    house.close(house.ticket("report_courier_attitude", waybill_no=None))
    assert "Use it once when you send a parcel" in house.told()[-1]


def test_who_is_known_only_to_a_program_gets_no_code_that_nobody_tells(house: House) -> None:
    house.parcel(eta_to=ago(5))
    number = house.ticket("report_delay")
    with house.database.write() as session:
        talk = session.get_one(Conversation, of(session, number).conversation_id)
        session.get_one(Customer, talk.customer_id).channel = "api"
    with pytest.raises(Invalid):
        house.grant(number, Kind.DELAY_COUPON)
    house.close(number)
    assert house.grants(number) == []


def test_the_courier_has_called_and_the_promise_is_kept(house: House) -> None:
    number = house.ticket("report_courier_attitude", waybill_no=None)
    assert house.promise(number, PromiseKind.COURIER_CALL) == "open"
    with house.database.write() as session:
        ticket = of(session, number)
        with pytest.raises(NotYours):
            house.remedies.courier_called(session, ticket, HAN)
        house.remedies.courier_called(session, ticket, LI, "已道歉")
        with pytest.raises(OutOfOrder):
            house.remedies.courier_called(session, ticket, LI)
    assert house.promise(number, PromiseKind.COURIER_CALL) == "kept"
    assert house.happened(number)[-1] == "courier_called"


def test_a_remedy_is_ordered_once_and_the_customer_hears_it(house: House) -> None:
    house.parcel()
    house.scanned(Status.IN_TRANSIT, ago(1))
    number = house.ticket("report_courier_attitude")
    for _ in range(2):
        with house.database.write() as session:
            ticket = of(session, number)
            house.remedies.order(session, ticket, LI, OrderKind.CALL_FIRST, key="form-1")
    with house.database.read() as session:
        order = session.query(DepotOrder).one()
        assert (str(order.kind), order.waybill_no, int(order.price)) == ("call_first", NUMBER, 0)
        assert house.remedies.possible(session, of(session, number)) == ()
    assert "派送前先打电话给您" in house.told()[-1]
    with house.database.write() as session:
        for kind in (OrderKind.CALL_FIRST, OrderKind.REDELIVER, OrderKind.RESEND):
            with pytest.raises(RemedyImpossible):
                house.remedies.order(session, of(session, number), LI, kind, key=f"f:{kind}")


def test_without_a_depot_no_remedy_is_offered(database: Database, at: object) -> None:
    house = House(database, depot=False)
    house.parcel()
    number = house.ticket("report_courier_attitude")
    with house.database.write() as session, pytest.raises(RemedyImpossible):
        house.remedies.order(session, of(session, number), LI, OrderKind.CALL_FIRST, key="f")


def test_a_change_of_policy_is_for_new_tickets_and_is_logged(
    house: House, at: Move, caplog: pytest.LogCaptureFixture
) -> None:
    with house.database.write() as session:
        policy_versions.put_in_force(session, "compensation.yml", house.compensation.policies.text)
    at(clock.now() + hours(1))
    old = house.ticket("report_courier_attitude", waybill_no=None)
    was = house.compensation.policies
    text = was.text.replace("yuan: 10\n  once", "yuan: 25\n  once")
    assert text != was.text
    present = files.parse(text, "new", CompensationPolicy, classes=was.classes, teams=was.teams)
    now = CompensationPolicies(text, present, was.classes, was.teams, {})
    house.compensation.policies = now
    at(clock.now() + hours(1))
    with house.database.write() as session:
        policy_versions.put_in_force(session, now.NAME, now.text)
    assert "yuan: 25" in caplog.text
    at(clock.now() + hours(1))
    new = house.ticket("report_courier_attitude", by="another", waybill_no=None)
    with house.database.read() as session:
        wish = Wish(Kind.GIFT_COUPON)
        sums = [house.compensation.reckoned(session, of(session, n), wish).fen for n in (old, new)]
    assert sums == [1000, 2500]
