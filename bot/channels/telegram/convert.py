"""An update of Telegram as what it means to us. Pure: no network, no database.

Fields: https://core.telegram.org/bots/api#update
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from telegram import CallbackQuery, Message, TelegramObject, Update, User

from bot.channels.buttons import read_id
from conversations.models import FileKind, Kind
from conversations.schemas import Inbound, Reference, point
from conversations.service import clean
from conversations.texts import Texts

NAME = "telegram"
UNREADABLE = (
    ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError,
)  # fmt: skip
"""What the library and this module raise for an update that is none."""

_START = re.compile(r"/start(?:@\w+)?(?:\s.*)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Received:
    """A message. ``polite`` names the text that answers it where it has no words for the bot;
    ``once`` is the same for the parts of an album; ``edit_of`` is the outside id it corrects."""

    inbound: Inbound
    polite: str | None = None
    once: str | None = None
    edit_of: str | None = None
    said: str = ""
    """The words alone, without what we put around them."""


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button under a message of ours: which message of the record, which of its buttons."""

    callback_id: str
    address: str
    name: str | None
    language: str
    message_id: int
    number: int


@dataclass(frozen=True, slots=True)
class Renamed:
    """A group became a supergroup."""

    old: str
    new: str


def read(update: Update, account: str, texts: Texts) -> Received | Pressed | Renamed | None:
    """What an update means; None for what concerns nobody. Raises one of UNREADABLE."""
    if update.callback_query is not None:
        return _pressed(update.callback_query)
    if update.edited_message is not None:
        return _edited(update.edited_message, account, texts)
    if update.message is None:
        return None
    message = update.message
    if message.migrate_to_chat_id:
        return Renamed(str(message.chat.id), str(message.migrate_to_chat_id))
    if message.migrate_from_chat_id:
        return Renamed(str(message.migrate_from_chat_id), str(message.chat.id))
    return to_inbound(message, account, texts)


def to_inbound(message: Message, account: str, texts: Texts) -> Received | None:
    """A message as it is stored; None for Telegram's own notices (somebody joined, ...)."""
    language = _language(message.from_user)
    words = message.text if message.text is not None else message.caption or ""
    if not isinstance(words, str):
        raise TypeError("text")
    kind, label, polite, facts = _content(message)
    if message.text is None and label is None:
        return None
    if _START.fullmatch(words):
        words = texts.say(language, "telegram.start")
    said, shown = words, ""
    if label is not None and label != "words":
        shown = texts.say(language, f"telegram.kinds.{label}", **facts)
        words = f"{shown}\n{words}" if words else shown
    elif label == "words":
        words = texts.say(language, f"telegram.kinds.{facts.pop('as')}", **facts).strip()
    album = message.media_group_id
    return Received(
        Inbound(
            channel=NAME,
            account=account,
            address=str(int(message.chat.id)),
            outside_id=outside_id(message),
            text=words,
            kind=kind,
            name=_name(message.from_user) or clean(str(message.chat.title or ""))[:128] or None,
            language=language,
            sent_at=message.date,
            attachments=tuple(_files(message)),
            label=shown,
            point=_point(message),
        ),
        polite=None if clean(said) else polite,
        once=f"{NAME}:{account}:album:{album}" if album else None,
        said=said,
    )


def outside_id(message: Message) -> str:
    """Telegram numbers messages per chat."""
    return f"{int(message.chat.id)}:{int(message.message_id)}"


def _edited(message: Message, account: str, texts: Texts) -> Received | None:
    """The new words as a message of their own: the record keeps what was said before."""
    found = to_inbound(message, account, texts)
    if found is None or not found.said or message.edit_date is None:
        return None  # such as a live location that moves
    before = found.inbound
    inbound = Inbound(
        channel=NAME,
        account=account,
        address=before.address,
        outside_id=f"{before.outside_id}:{int(message.edit_date.timestamp())}",
        text=texts.say(before.language or "zh", "telegram.edited", text=found.said),
        name=before.name,
        language=before.language,
        sent_at=message.edit_date,
    )
    return Received(inbound, edit_of=before.outside_id, said=before.text)


def _pressed(query: CallbackQuery) -> Pressed | None:
    found = read_id(query.data or "")
    if query.message is None or found is None:
        return None
    return Pressed(
        callback_id=str(query.id),
        address=str(int(query.message.chat.id)),
        name=_name(query.from_user),
        language=_language(query.from_user),
        message_id=found[0],
        number=found[1],
    )


def _content(message: Message) -> tuple[Kind, str | None, str | None, dict[str, Any]]:
    """The kind, the label's name, the polite answer's name, and facts for the label.

    A label ``words`` is told to the bot as the customer's own words (a contact's number, the
    address of a place); ``None`` is no content at all.
    """
    if message.text is not None:
        return Kind.TEXT, None, None, {}
    if message.photo:
        return Kind.IMAGE, "photo", "talk.got_file", {}
    if message.voice:
        return Kind.VOICE, "voice", "telegram.cannot_hear", {}
    if message.audio:
        return Kind.VOICE, "audio", "telegram.cannot_hear", {}
    if message.video or message.video_note:
        return Kind.FILE, "video", "talk.got_file", {}
    if message.animation:
        return Kind.FILE, "animation", "telegram.say_in_words", {}
    if message.document:
        name = clean(str(message.document.file_name or ""))[:128]
        return Kind.FILE, "document", "talk.got_file", {"name": name}
    if message.venue:
        place = f"{message.venue.title} {message.venue.address}"
        return Kind.LOCATION, "words", None, {"as": "venue", "place": place}
    if message.location:
        at = f"{message.location.latitude:.6f}, {message.location.longitude:.6f}"
        return Kind.LOCATION, "location", None, {"at": at}
    if message.contact:
        who = " ".join(filter(None, (message.contact.first_name, message.contact.last_name)))
        number = message.contact.phone_number
        return Kind.TEXT, "words", None, {"as": "contact", "name": who, "phone": number}
    if message.sticker:
        emoji = message.sticker.emoji or ""
        return Kind.TEXT, "sticker", "telegram.say_in_words", {"emoji": emoji}
    if message.effective_attachment is not None:
        return Kind.TEXT, "other", "telegram.say_in_words", {}
    return Kind.TEXT, None, None, {}


def _point(message: Message) -> tuple[float, float] | None:
    where = message.venue.location if message.venue else message.location
    return point(where.latitude, where.longitude) if where else None


def _files(message: Message) -> Iterator[Reference]:
    """The file beside a message, by Telegram's file id; of a photo its largest size."""
    if message.photo:
        yield _reference(FileKind.PHOTO, message.photo[-1])
    elif voice := message.voice or message.audio:
        yield _reference(FileKind.VOICE, voice)
    elif video := message.video or message.video_note or message.animation:
        yield _reference(FileKind.VIDEO, video)
    elif message.document:
        yield _reference(FileKind.DOCUMENT, message.document)


def _reference(kind: FileKind, file: TelegramObject) -> Reference:
    """What all of Telegram's kinds of files tell, if they do."""
    told = file.to_dict()
    return Reference(
        kind,
        str(told["file_id"]),
        name=str(told.get("file_name") or ""),
        size=int(told["file_size"]) if told.get("file_size") else None,
        seconds=int(told["duration"]) if told.get("duration") else None,
    )


def _name(user: User | None) -> str | None:
    """As he calls himself, cut to what the record keeps."""
    return clean(user.full_name)[:128] or None if user is not None else None


def _language(user: User | None) -> str:
    """The language of his app: ``zh`` unless it is certainly another."""
    code = (user.language_code if user is not None else None) or "zh"
    return "zh" if code.lower().startswith("zh") else "en"
