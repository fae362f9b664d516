"""What an entry of ``kf/sync_msg`` means. Pure.

Source: the platform's pages on receiving messages and events (接收消息和事件).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from bot.channels.tencent import gcj02
from bot.channels.tencent.xml import Push, plain, table, word
from conversations.models import FileKind, Kind
from conversations.schemas import Inbound, Reference, point

NAME = "wecom"
_LONGEST_ID = 128
"""Characters of an address or an outside id that the record keeps."""
_CUSTOMER, _COLLEAGUE = "3", "5"
"""Origins: the customer himself; a colleague in WeCom's own client."""
_KINDS = {
    "image": Kind.IMAGE,
    "voice": Kind.VOICE,
    "video": Kind.FILE,
    "file": Kind.FILE,
    "location": Kind.LOCATION,
}
_FILES = {
    "image": FileKind.PHOTO,
    "voice": FileKind.VOICE,
    "video": FileKind.VIDEO,
    "file": FileKind.DOCUMENT,
}
_CHANGES = {"1": "wecom_taken", "2": "wecom_passed_on", "3": "wecom_ended", "4": "wecom_reopened"}
_FAILURES = {
    "1": "the customer service account is deleted",
    "2": "the application is closed",
    "4": "more than 48 hours since the customer wrote",
    "5": "the session is closed",
    "6": "more than five messages",
    "8": "the corporation is not verified",
    "10": "the customer refuses messages",
    "11": "nobody of the corporation is signed in to WeCom",
    "12": "a kind of message that is forbidden",
    "13": "a limit for safety",
}


@dataclass(frozen=True, slots=True)
class Person:
    """A customer of one customer service account."""

    kfid: str
    address: str


@dataclass(frozen=True, slots=True)
class Said:
    """The customer wrote; ``menu_id`` if he did it by pressing a choice of ours."""

    person: Person
    inbound: Inbound
    menu_id: str = ""


@dataclass(frozen=True, slots=True)
class Answered:
    """A colleague wrote to him in WeCom's own client."""

    person: Person
    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    """What we sent by this id did not arrive after all."""

    person: Person
    msgid: str
    reason: str


@dataclass(frozen=True, slots=True)
class Happened:
    """Something that staff should see: ``what`` names the sentence ``desk.event.<what>``."""

    person: Person
    what: str


@dataclass(frozen=True, slots=True)
class Entered:
    """He opened the chat and has said nothing yet; ``code`` lets us greet him for 20 seconds."""

    person: Person
    code: str
    at: datetime | None


Entry = Said | Answered | Failed | Happened | Entered


def read(entry: object, kfid: str, labels: Mapping[str, str]) -> Entry | None:
    """What an entry means; ``None`` for what concerns nobody, or names nobody.

    ``kfid`` is the account that was asked, ``labels`` are the texts of the room ``wecom``.
    """
    found = plain(entry)
    if not isinstance(found, dict):
        return None
    kind, event = word(found, "msgtype"), table(found, "event")
    address = word(event, "external_userid") or word(found, "external_userid")
    if not _usable(address):
        return None
    person = Person(kfid, address)
    if kind == "event":
        return _event(person, event, _instant(found))
    text = _text(found, kind, labels)
    if word(found, "origin") == _COLLEAGUE:
        return Answered(person, text)
    outside_id = word(found, "msgid")
    if word(found, "origin") != _CUSTOMER or not _usable(outside_id):
        return None
    files, at = tuple(_files(found, kind)), table(found, "location")
    shown = point(word(at, "latitude"), word(at, "longitude"))
    inbound = Inbound(
        channel=NAME,
        account=kfid,
        address=address,
        outside_id=outside_id,
        text=text,
        kind=_KINDS.get(kind, Kind.TEXT),
        sent_at=_instant(found),
        attachments=files,
        label=text if files else "",
        point=gcj02.to_wgs84(shown) if shown else None,
    )
    return Said(person, inbound, word(table(found, "text"), "menu_id"))


def _usable(name: str) -> bool:
    """Whether the record can keep it as an address or id."""
    return 0 < len(name) <= _LONGEST_ID and name.isascii() and name.isprintable()


def _event(person: Person, event: Push, at: datetime | None) -> Entry | None:
    match word(event, "event_type"):
        case "enter_session" if word(event, "welcome_code"):
            return Entered(person, word(event, "welcome_code"), at)
        case "msg_send_fail":
            reason = _FAILURES.get(word(event, "fail_type"), "for a reason unknown")
            return Failed(person, word(event, "fail_msgid"), reason)
        case "session_status_change" if word(event, "change_type") in _CHANGES:
            return Happened(person, _CHANGES[word(event, "change_type")])
        case "user_recall_msg":
            return Happened(person, "recalled")
        case _:
            return None


def _text(found: Push, kind: str, labels: Mapping[str, str]) -> str:
    said = table(found, kind)
    match kind:
        case "text":
            return word(said, "content")
        case "location":
            place = f"{word(said, 'name')} {word(said, 'address')}".strip()
            return labels["kinds.location"].format(
                place=place, latitude=word(said, "latitude"), longitude=word(said, "longitude")
            )
        case "link":
            return labels["kinds.link"].format(title=word(said, "title"), url=word(said, "url"))
        case "channels_shop_order":
            return labels["kinds.order"].format(
                title=word(said, "product_titles"), number=word(said, "order_id")
            )
        case _ if f"kinds.{kind}" in labels:
            return labels[f"kinds.{kind}"].format(title=word(said, "title"))
        case _:
            return labels["kinds.other"]


def _files(found: Push, kind: str) -> Iterator[Reference]:
    media_id = word(table(found, kind), "media_id")
    if kind in _FILES and media_id:
        yield Reference(_FILES[kind], media_id)


def _instant(found: Push) -> datetime | None:
    seconds = word(found, "send_time")
    if not seconds.isdecimal() or len(seconds) > 10:
        return None
    return datetime.fromtimestamp(int(seconds), UTC)
