"""Demo data of a first start, clearly marked as such."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from bot import seed
from handoff import staff
from handoff.models import Role, Staff
from parcels import point_repository
from parcels import service as parcels
from parcels.models import GoodsClass, Shipment, Status
from parcels.schemas import ScanIn, ShipmentIn
from store import clock


@dataclass(frozen=True, slots=True)
class DemoPerson:
    login: str
    name: str
    role: Role
    team: str
    password: str


PEOPLE = (
    ("lin", "林晓", Role.AGENT, "second_line"),
    ("zhou", "周宁", Role.AGENT, "first_line"),
    ("chen", "陈主管", Role.SUPERVISOR, "second_line"),
)


def people(session: Session) -> list[DemoPerson]:
    """Two agents and a supervisor with passwords made now; empty if anybody is there already."""
    if session.scalar(select(Staff.id).limit(1)) is not None:
        return []
    made = [DemoPerson(*person, secrets.token_urlsafe(9)) for person in PEOPLE]
    for person in made:
        staff.add(
            session,
            login=person.login,
            name=person.name,
            role=person.role,
            team=person.team,
            password=person.password,
            demo=True,
        )
    return made


def shipments(session: Session) -> None:
    """A handful of parcels in every state, with times around now; marked as demo."""
    if session.scalar(select(Shipment.id).limit(1)) is not None:
        return
    for given in _demo_shipments():
        parcels.store_shipment(session, given, demo=True)


def branches(session: Session) -> None:
    """Some branches, stations and lockers; marked as demo."""
    if not point_repository.any_point(session):
        seed.branches(session, Path(__file__).with_name("demo_branches.yml"), demo=True)


def _demo_shipments() -> list[ShipmentIn]:
    now = clock.now()
    # Two in the afternoon in China: nobody is brought a parcel at night.
    tomorrow = (now + timedelta(days=1)).replace(hour=6, minute=0, second=0, microsecond=0)

    def scan(hours: float, status: Status, place: str, **more: Any) -> ScanIn:
        return ScanIn(at=now + timedelta(hours=hours), status=status, place=place, **more)

    return [
        ShipmentIn(
            waybill_no="SF1234567890123",
            origin="深圳",
            destination="杭州",
            goods="笔记本电脑",
            goods_class=GoodsClass.FRAGILE,
            recipient_name="王敏",
            recipient_phone="13800006789",
            eta_from=tomorrow,
            eta_to=tomorrow + timedelta(hours=4),
            scans=[
                scan(-30, Status.IN_TRANSIT, "深圳宝安集散中心"),
                scan(
                    -3,
                    Status.IN_TRANSIT,
                    "嘉兴转运中心",
                    next_place="杭州萧山转运中心",
                    next_at=now + timedelta(hours=4),
                ),
            ],
        ),
        ShipmentIn(
            waybill_no="YT7788990011223",
            origin="苏州阳澄湖",
            destination="北京",
            goods="大闸蟹",
            goods_class=GoodsClass.PERISHABLE,
            recipient_name="李强",
            recipient_phone="13900001234",
            eta_to=now - timedelta(hours=6),
            scans=[
                scan(
                    -20,
                    Status.IN_TRANSIT,
                    "济南转运中心",
                    next_place="北京顺义转运中心",
                    reason="高速公路大雾封闭",
                )
            ],
        ),
        ShipmentIn(
            waybill_no="JD0099887766554",
            origin="广州",
            destination="上海",
            goods="连衣裙",
            recipient_name="赵雪",
            recipient_phone="13700005566",
            courier_name="刘师傅",
            courier_phone="13600007788",
            eta_from=now + timedelta(hours=1),
            eta_to=now + timedelta(hours=2),
            scans=[scan(-1, Status.OUT_FOR_DELIVERY, "上海徐汇漕河泾网点")],
        ),
        ShipmentIn(
            waybill_no="ZT5566778899001",
            origin="义乌",
            destination="成都",
            goods="花瓶",
            goods_class=GoodsClass.FRAGILE,
            recipient_name="孙丽",
            recipient_phone="13500003344",
            scans=[scan(-5, Status.DELIVERED, "成都高新区天府三街")],
        ),
        ShipmentIn(
            waybill_no="SF1234567890140",
            origin="上海",
            destination="西安",
            goods="护照",
            goods_class=GoodsClass.DOCUMENT,
            recipient_name="周倩",
            recipient_phone="13300002211",
            eta_to=now - timedelta(hours=30),
            scans=[scan(-72, Status.IN_TRANSIT, "郑州转运中心", next_place="西安转运中心")],
        ),
    ]
