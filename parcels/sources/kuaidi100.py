"""Kuaidi100 (快递100): its pushes, and the two things we ask of it.

Source: its enterprise documents of 实时查询 and 订阅推送, and its own samples in
kuaidi100-api/java-demo. A push is a form with ``param`` (JSON) and ``sign``, which is
MD5(param + salt) over ``param`` as it was sent; a request of ours carries MD5(param + key +
customer). Times are Beijing's.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from urllib.parse import parse_qs
from zoneinfo import ZoneInfo

import httpx

from parcels.schemas import ScanEvent
from parcels.sources.base import Push, Shape, read, scan
from parcels.sources.statuses import Statuses, state
from store.errors import Forbidden, SourceUnavailable

NAME = "kuaidi100"
API = "https://poll.kuaidi100.com"
BEIJING = ZoneInfo("Asia/Shanghai")
_DETAILED = "4"  # resultv2: states of each node and the finer ones
_NOTHING_FOUND = "500"
_SUBSCRIBED_BEFORE = "501"
_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Account:
    """``salt`` is ours to choose; it signs what is pushed to us."""

    key: str = field(repr=False)
    customer: str
    salt: str = field(repr=False)
    api: str = API


class Node(Shape):
    context: str = ""
    time: datetime
    ftime: datetime | None = None
    statusCode: str | None = None
    areaName: str | None = None
    location: str | None = None


class Result(Shape):
    """A road, newest first. ``state`` is the whole parcel's."""

    nu: str = ""
    state: str | None = None
    data: tuple[Node, ...] = ()


class PushParam(Shape):
    """``lastResult`` is the road at home, ``destResult`` the one abroad."""

    lastResult: Result = Result()
    destResult: Result | None = None


class Answer(Result):
    """``result`` is only there when something went wrong, or for a subscription."""

    result: bool | None = None
    returnCode: str = ""
    message: str = ""


class Kuaidi100:
    """The receiver of pushes."""

    name = NAME
    done: Mapping[str, object] = {"result": True, "returnCode": "200", "message": "成功"}

    def __init__(self, account: Account, statuses: Statuses) -> None:
        self._salt = account.salt
        self._statuses = statuses

    def scans(self, push: Push) -> Sequence[ScanEvent | None]:
        form = parse_qs(push.body.decode("utf-8", "replace"))
        param, sign = (form.get(name, [""])[0] for name in ("param", "sign"))
        if not signed(sign, param, self._salt):
            raise Forbidden("a push that Kuaidi100 did not sign")
        pushed = read(PushParam, param)
        results = filter(None, (pushed.lastResult, pushed.destResult))
        return [event for result in results for event in road(result, self._statuses)]


class Client:
    """What we ask. SourceUnavailable says what Kuaidi100 answered, or that it did not."""

    def __init__(self, account: Account, statuses: Statuses) -> None:
        self._account = account
        self._statuses = statuses

    async def query(self, number: str, company: str, phone: str = "") -> list[ScanEvent | None]:
        """The road of a parcel now. ``phone`` (or its last four digits) is what SF and ZTO want.

        Not oftener than each 30 minutes for one number: Kuaidi100 locks it otherwise."""
        param = _json({"com": company, "num": number, "phone": phone, "resultv2": _DETAILED})
        account = self._account
        sign = signature(param, account.key, account.customer)
        form = {"customer": account.customer, "sign": sign, "param": param}
        answer = await self._ask("/poll/query.do", form)
        if answer.result is False and answer.returnCode != _NOTHING_FOUND:
            raise SourceUnavailable(f"Kuaidi100: {answer.returnCode} {answer.message}"[:200])
        return road(answer, self._statuses)

    async def subscribe(self, number: str, company: str, callback: str, phone: str = "") -> None:
        """Have the parcel's road pushed to ``callback`` until it has arrived. A second time is
        harmless."""
        parameters = {
            "callbackurl": callback,
            "salt": self._account.salt,
            "resultv2": _DETAILED,
            "phone": phone,
        }
        param = {
            "company": company,
            "number": number,
            "key": self._account.key,
            "parameters": parameters,
        }
        answer = await self._ask("/poll", {"schema": "json", "param": _json(param)})
        if not answer.result and answer.returnCode != _SUBSCRIBED_BEFORE:
            raise SourceUnavailable(f"Kuaidi100: {answer.returnCode} {answer.message}"[:200])

    async def _ask(self, path: str, form: Mapping[str, str]) -> Answer:
        try:
            async with httpx.AsyncClient(timeout=_SECONDS) as client:
                answer = await client.post(self._account.api.rstrip("/") + path, data=dict(form))
                answer.raise_for_status()
        except httpx.HTTPError as error:
            raise SourceUnavailable(f"Kuaidi100: {type(error).__name__}") from error
        return read(Answer, answer.content)


def road(result: Result, statuses: Statuses) -> list[ScanEvent | None]:
    """A result's nodes as scans. Where nodes have no state (the basic service), the newest has the
    parcel's."""
    nodes = sorted(result.data, key=_at, reverse=True)
    told = []
    for place, node in enumerate(nodes):
        code = node.statusCode or (result.state if place == 0 else None)
        told.append(
            scan(
                result.nu,
                _at(node),
                state(statuses.kuaidi100, code),
                words=node.context,
                code=code,
                place=(node.areaName or "").replace(",", "") or node.location,
            )
        )
    return told


def signature(*parts: str) -> str:
    """MD5 of the parts as they follow each other, in capitals: their scheme."""
    return hashlib.md5("".join(parts).encode()).hexdigest().upper()  # noqa: S324


def signed(sign: str, *parts: str) -> bool:
    """Whether ``sign`` is the parts' signature, found out in constant time."""
    expected = signature(*(part.encode("utf-8", "replace").decode() for part in parts))
    return hmac.compare_digest(sign.upper().encode("utf-8", "replace"), expected.encode())


def _at(node: Node) -> datetime:
    at = node.ftime or node.time
    return at if at.tzinfo else at.replace(tzinfo=BEIJING)


def _json(param: Mapping[str, Any]) -> str:
    return json.dumps(param, ensure_ascii=False, separators=(",", ":"))
