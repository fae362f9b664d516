"""A push as a customer's message. Pure; the words for what is not text come from the texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta

from bot.channels.tencent import gcj02
from bot.channels.tencent.xml import Push, table, word
from conversations.models import FileKind, Kind
from conversations.schemas import Allowance, Inbound, Reference, point

NAME = "wechat"
_LONGEST_ID = 128
"""Characters of an address or an outside id that the record keeps."""
BRIEF = Allowance(3, timedelta(minutes=1))
"""What custom/send may say after a click on the menu, a scan, or somebody's following."""
_KINDS = {
    "image": Kind.IMAGE,
    "voice": Kind.VOICE,
    "video": Kind.FILE,
    "shortvideo": Kind.FILE,
    "file": Kind.FILE,
    "location": Kind.LOCATION,
}
_FILES = {
    "image": FileKind.PHOTO,
    "voice": FileKind.VOICE,
    "video": FileKind.VIDEO,
    "shortvideo": FileKind.VIDEO,
}


def to_inbound(push: Push, account: str, labels: Mapping[str, str]) -> Inbound | None:
    """What the customer said by it; ``None`` if it is no customer's doing, or names nobody.

    ``labels`` are the texts of the room ``wechat``.
    """
    customer, outside_id = word(push, "FromUserName"), outside_id_of(push)
    if not customer or not outside_id or max(len(customer), len(outside_id)) > _LONGEST_ID:
        return None
    kind = word(push, "MsgType").lower()
    text = _event(push, labels) if kind == "event" else _message(push, kind, labels)
    if text is None:
        return None
    files = tuple(_files(push, kind))
    return Inbound(
        channel=NAME,
        account=account,
        address=customer,
        outside_id=outside_id,
        text=text,
        kind=_KINDS.get(kind, Kind.TEXT),
        sent_at=_sent_at(push),
        attachments=files,
        label=text if files and not word(push, "Recognition") else "",
        point=_point(push),
        allows=BRIEF if kind == "event" else None,
    )


def _point(push: Push) -> tuple[float, float] | None:
    shown = point(word(push, "Location_X"), word(push, "Location_Y"))
    return gcj02.to_wgs84(shown) if shown else None


def outside_id_of(push: Push) -> str:
    """What is the same in every push of one happening: MsgId, or for events who, when and what."""
    if word(push, "MsgType").lower() != "event":
        return word(push, "MsgId")
    who, when, what = (word(push, name) for name in ("FromUserName", "CreateTime", "Event"))
    return f"{who}:{when}:{what}" if who and when and what else ""


def _message(push: Push, kind: str, labels: Mapping[str, str]) -> str:
    match kind:
        case "text":
            return word(push, "Content")
        case "voice":
            # Where the account has speech recognition switched on, the words come with it.
            return word(push, "Recognition") or labels["kinds.voice"]
        case "location":
            return labels["kinds.location"].format(
                label=word(push, "Label"),
                latitude=word(push, "Location_X"),
                longitude=word(push, "Location_Y"),
            )
        case "link":
            return labels["kinds.link"].format(title=word(push, "Title"), url=word(push, "Url"))
        case "file":
            return labels["kinds.file"].format(name=word(push, "Title"))
        case _:
            return labels.get(f"kinds.{kind}", labels["kinds.other"])


def _files(push: Push, kind: str) -> Iterator[Reference]:
    """The file of a push, by its MediaId. WeChat gives none for a document: it stays there."""
    media_id = word(push, "MediaId")
    if kind in _FILES and media_id:
        yield Reference(_FILES[kind], media_id)


def _event(push: Push, labels: Mapping[str, str]) -> str | None:
    match word(push, "Event").lower():
        case "subscribe" | "scan":
            return labels["events.hello"]
        case "click":
            # The menu's keys are the words that pressing them says.
            return word(push, "EventKey")
        case "scancode_push" | "scancode_waitmsg":
            # A bar code comes with its kind in front: "CODE_128,SF1234567890123".
            return word(table(push, "ScanCodeInfo"), "ScanResult").rpartition(",")[2]
        case _:
            return None


def _sent_at(push: Push) -> datetime | None:
    seconds = word(push, "CreateTime")
    if not seconds.isdecimal() or len(seconds) > 10:
        return None
    return datetime.fromtimestamp(int(seconds), UTC)
