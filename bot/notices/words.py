"""What a notice says, in the customer's language."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from conversations.schemas import Button
from conversations.texts import Texts
from parcels import notices
from parcels.models import Scan, Shipment
from parcels.notice_models import Node
from parcels.notices import News
from parcels.service import masked
from store import clock

RESCHEDULED = frozenset({Node.OUT_FOR_DELIVERY, Node.ATTEMPTED})
"""Nodes at which another time is offered."""

ENDS = frozenset({Node.DELIVERED, Node.RETURNED})
"""Nodes after which a parcel's own page shows nothing new."""


def text(
    texts: Texts,
    language: str,
    told: Sequence[News],
    proven: Collection[str],
    links: Mapping[int, str],
    *,
    first: bool,
) -> str:
    """All of ``told`` as one message. Codes and couriers' phones only of those in
    ``proven``. ``links``: the parcels' own pages. ``first``: how to stop it is said too."""
    parcels = [
        _of_one(texts, language, news, news.shipment.waybill_no in proven, links) for news in told
    ]
    return "\n\n".join([*parcels, *([texts.say(language, "notices.how_to_stop")] if first else [])])


def buttons(
    texts: Texts, language: str, told: Sequence[News], proven: Collection[str]
) -> tuple[Button, ...]:
    """What an answer to a notice of one parcel may be; of several it would not say which."""
    if len(told) != 1:
        return ()
    (news,) = told
    if news.node in RESCHEDULED:
        title = texts.say(language, "notices.button.reschedule")
        return (Button(title, texts.say(language, "notices.button.reschedule_say")),)
    if news.node is Node.AVAILABLE and not _code(news.shipment, proven):
        code = texts.say(language, "notices.button.code")
        return (Button(code, code),)
    return ()


def holds_a_secret(news: News) -> bool:
    """Whether there is something to tell that is for the proven owner alone."""
    match news.node:
        case Node.AVAILABLE:
            return news.shipment.pickup_code is not None
        case Node.OUT_FOR_DELIVERY:
            return news.shipment.courier_phone is not None
    return False


def _code(shipment: Shipment, proven: Collection[str]) -> str | None:
    return shipment.pickup_code if shipment.waybill_no in proven else None


def _of_one(texts: Texts, language: str, news: News, proven: bool, links: Mapping[int, str]) -> str:
    said = ("" if language == "zh" else " ").join(_sentences(texts, language, news, proven))
    if news.node in ENDS:
        return said
    return f"{said}\n{texts.say(language, 'notices.page', link=links[news.shipment.id])}"


def _sentences(texts: Texts, language: str, news: News, proven: bool) -> Iterator[str]:
    scan, shipment = news.scan, news.shipment
    if scan is None:
        yield from _incident(texts, language, news)
        return
    place = scan.place or texts.say(language, "track.somewhere")
    key: str = news.node
    if news.node is Node.AVAILABLE:
        place = shipment.pickup_place or place
        key = "available" if proven and shipment.pickup_code else "available_closed"
    yield texts.say(
        language,
        f"notices.{key}",
        number=shipment.waybill_no,
        place=place,
        at=scan.at,
        code=shipment.pickup_code if proven else None,
    )
    if news.node is Node.EXCEPTION and scan.reason:
        yield texts.say(language, "track.because", reason=scan.reason)
    if news.node is Node.OUT_FOR_DELIVERY:
        yield from _on_the_way(texts, language, scan, shipment, proven)
    elif scan.next_place and scan.next_at and scan.next_at > clock.now():
        yield texts.say(language, "track.next_at", place=scan.next_place, at=scan.next_at)
    elif scan.next_place:
        yield texts.say(language, "track.next", place=scan.next_place)


def _on_the_way(
    texts: Texts, language: str, scan: Scan, shipment: Shipment, proven: bool
) -> Iterator[str]:
    courier = scan if scan.courier_name else shipment
    phone = masked(courier.courier_phone) if proven else None
    if courier.courier_name and phone:
        yield texts.say(language, "notices.courier", name=courier.courier_name, phone=phone)
    elif courier.courier_name:
        yield texts.say(language, "notices.courier_named", name=courier.courier_name)
    if window := promised(texts, language, shipment):
        yield window
    yield texts.say(language, "notices.change")


def promised(texts: Texts, language: str, shipment: Shipment) -> str | None:
    """The window in which a courier who is on his way delivers, if there is one to come."""
    if not (shipment.eta_from and shipment.eta_to and shipment.eta_to > clock.now()):
        return None
    window = texts.window(shipment.eta_from, shipment.eta_to, language)
    return texts.say(language, "notices.window", window=window)


def _incident(texts: Texts, language: str, news: News) -> Iterator[str]:
    told = notices.incident_of(news.notice)
    key = f"notices.reason.{told.reason}"
    why = told.words.get(language) or texts.say(
        language, key if texts.has(key) else "notices.reason.other"
    )
    number = news.shipment.waybill_no
    yield texts.say(language, "notices.incident", number=number, place=told.place, reason=why)
    if told.until and told.until > clock.now():
        yield texts.say(language, "notices.until", until=told.until)
    else:
        yield texts.say(language, "notices.no_until")
