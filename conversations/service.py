"""The record: a customer's message is stored once, an answer is written once.

Everything here works inside the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import timedelta

from sqlalchemy.orm import Session

from conversations import allowance, attachments, language, repository, search
from conversations.models import (
    Audience,
    Author,
    Conversation,
    Customer,
    Holder,
    Inbox,
    Kind,
    Message,
    Outbox,
    SearchToken,
)
from conversations.schemas import MAX_TEXT, Button, Inbound, Line, Outbound
from store import bulk, clock, ids
from store.errors import Invalid, TooLong

EPISODE = timedelta(hours=24)
"""After this silence, and if no person holds it, a customer's next words begin a new episode."""


def receive(
    session: Session, inbound: Inbound, lease: timedelta | None = None
) -> tuple[Inbox, bool]:
    """Store a customer's message with its inbox row; ``False`` if it was here before.

    With ``lease`` the row is claimed by the caller at once, unless an earlier message of the
    conversation is still unfinished: ``leased_until`` tells.

    Raises Invalid for words that are nothing, TooLong above MAX_TEXT characters.
    """
    known = repository.inbox_row(session, inbound.channel, inbound.account, inbound.outside_id)
    if known is not None:
        return known, False
    text = words(inbound.text, needed=not inbound.attachments)
    conversation = open_conversation(session, inbound)
    conversation.language = language.of(text, conversation.language)
    if inbound.hold:
        conversation.held_until = clock.now() + inbound.hold
    message = append(
        session,
        conversation,
        Author.CUSTOMER,
        text,
        kind=attachments.kind_of(inbound.attachments, inbound.kind),
        payload=_payload(inbound),
    )
    attachments.attach(session, message, inbound.attachments)
    at = clock.now()
    row = Inbox(
        channel=inbound.channel,
        account=inbound.account,
        outside_id=inbound.outside_id,
        conversation_id=conversation.id,
        message_id=message.id,
        received_at=at,
        due_at=at,
        attempts=0,
    )
    if lease and not repository.unfinished(session, conversation.id):
        row.leased_until, row.attempts = at + lease, 1
    session.add(row)
    session.flush()
    return row, True


def _payload(inbound: Inbound) -> dict[str, object]:
    """What a customer's message keeps beside its words."""
    found: dict[str, object] = {"label": inbound.label} if inbound.label else {}
    if inbound.point is not None:
        found["point"] = list(inbound.point)
    return found | (allowance.kept(inbound.allows) if inbound.allows else {})


def clean(text: str) -> str:
    """Without control characters (null bytes, bidi overrides) and outer space."""
    kept = (c for c in text if c in "\n\t" or (c.isprintable() or c in "\u200d\ufe0f"))
    return "".join(kept).strip()


def words(text: str, *, needed: bool = True) -> str:
    """What is kept of somebody's words. Invalid if that is nothing, TooLong above MAX_TEXT."""
    kept = clean(text)
    if needed and not kept:
        raise Invalid("empty message")
    if len(kept) > MAX_TEXT:
        raise TooLong("message too long", limit=MAX_TEXT)
    return kept


def find_or_add_customer(session: Session, inbound: Inbound) -> Customer:
    """The customer who wrote, held for this transaction."""
    customer = repository.customer(
        session, inbound.channel, inbound.account, inbound.address, hold=True
    )
    if customer is None:
        customer = Customer(
            channel=inbound.channel,
            account=inbound.account,
            address=inbound.address,
            name=inbound.name,
            language=inbound.language or language.of(inbound.text, "zh"),
            created_at=clock.now(),
        )
        session.add(customer)
        session.flush()
    return customer


def become(session: Session, stranger: Customer, address: str, name: str | None) -> Customer:
    """A stranger turned out to be the customer at ``address`` of his channel: what he said is that
    one's from now on. If both were there they stay two rows: the caller moves what hangs on them
    (``repository.move``), after what cannot stand twice is gone."""
    known = repository.customer(session, stranger.channel, stranger.account, address, hold=True)
    if known is None:
        stranger.address, stranger.name = address, name
        session.flush()
        return stranger
    return known


def open_conversation(session: Session, inbound: Inbound) -> Conversation:
    """The episode this message belongs to; a new one after a long silence."""
    customer = find_or_add_customer(session, inbound)
    latest = repository.latest_conversation(session, customer.id)
    at = clock.now()
    if latest and (latest.holder != Holder.BOT or at - latest.last_message_at < EPISODE):
        return latest
    conversation = Conversation(
        key=ids.new_key(),
        customer_id=customer.id,
        holder=Holder.BOT,
        language=latest.language if latest else customer.language,
        failures=0,
        anger=0,
        bot_knows=0,
        created_at=at,
        last_message_at=at,
    )
    session.add(conversation)
    session.flush()
    return conversation


def append(
    session: Session,
    conversation: Conversation,
    author: Author,
    text: str,
    *,
    kind: Kind = Kind.TEXT,
    audience: Audience = Audience.EVERYONE,
    staff_id: int | None = None,
    payload: dict[str, object] | None = None,
) -> Message:
    """Add one entry to the transcript and make it findable."""
    message = _entry(conversation, author, text, kind, audience, staff_id, payload)
    _add(session, [message])
    return message


def _entry(
    conversation: Conversation,
    author: Author,
    text: str,
    kind: Kind,
    audience: Audience = Audience.EVERYONE,
    staff_id: int | None = None,
    payload: dict[str, object] | None = None,
) -> Message:
    at = clock.now()
    conversation.last_message_at = at
    return Message(
        conversation_id=conversation.id,
        author=author,
        staff_id=staff_id,
        kind=kind,
        audience=audience,
        text=text,
        payload=payload or {},
        created_at=at,
    )


def _add(session: Session, messages: Sequence[Message]) -> None:
    """Store entries, in order, and make them findable."""
    session.add_all(messages)
    session.flush()
    findable = [
        {"message_id": message.id, "token": token}
        for message in messages
        if message.kind != Kind.EVENT
        for token in search.tokens(message.text)
    ]
    bulk.insert_rows(session, SearchToken, findable)


def post(
    session: Session,
    conversation: Conversation,
    outbound: Outbound,
    author: Author,
    staff_id: int | None = None,
) -> Message | None:
    """Record words to the customer and queue them for his channel; ``None`` if done before."""
    return post_all(session, [(conversation, outbound)], author, staff_id)[0]


def post_all(
    session: Session,
    given: Sequence[tuple[Conversation, Outbound]],
    author: Author,
    staff_id: int | None = None,
) -> list[Message | None]:
    """The same for many, in their order, with a few statements."""
    done = repository.outbox_keys(session, [outbound.key for _, outbound in given])
    fresh = {out.key: (talk, out) for talk, out in given if out.key not in done}
    written = {
        key: _entry(
            conversation,
            author,
            outbound.text,
            attachments.kind_of(attachments.references(outbound.files)),
            staff_id=staff_id,
            payload={"buttons": [asdict(button) for button in outbound.buttons]}
            if outbound.buttons
            else {},
        )
        for key, (conversation, outbound) in fresh.items()
    }
    _add(session, list(written.values()))
    for key, (conversation, outbound) in fresh.items():
        message, at = written[key], clock.now()
        attachments.attach(session, message, attachments.references(outbound.files))
        session.add(
            Outbox(
                key=key,
                conversation_id=conversation.id,
                message_id=message.id,
                created_at=at,
                due_at=max(at, conversation.held_until or at),
            )
        )
    return [written.pop(outbound.key, None) for _, outbound in given]


def buttons_of(message: Message) -> tuple[Button, ...]:
    return tuple(Button(**button) for button in message.payload.get("buttons", ()))


def lines(session: Session, messages: Sequence[Message], names: dict[int, str]) -> list[Line]:
    """Messages as people read them; ``names`` are the display names of staff by id."""
    deliveries = repository.outbox_of(session, (m.id for m in messages if m.author != "customer"))
    attached = attachments.beside(session, messages)
    return [
        Line(
            id=m.id,
            author=m.author,
            author_name=names.get(m.staff_id) if m.staff_id else None,
            kind=m.kind,
            audience=m.audience,
            text=m.text,
            at=m.created_at,
            delivery=row.state if (row := deliveries.get(m.id)) else None,
            reason=row.reason if row else None,
            nudged_at=row.nudged_at if row else None,
            buttons=buttons_of(m),
            attachments=attached.get(m.id, ()),
            label=m.payload.get("label", ""),
        )
        for m in messages
    ]


def find(
    session: Session, query: str, *, before: int | None = None, limit: int = 50
) -> list[Message]:
    """Messages that contain the query as a phrase, newest first."""
    wanted = search.tokens(query, query=True)
    if not wanted:
        return []
    phrase = search.fold(query)
    candidates: Iterable[Message] = repository.having_tokens(
        session, wanted, before=before, limit=limit * 4
    )
    return [m for m in candidates if phrase in search.fold(m.text)][:limit]
