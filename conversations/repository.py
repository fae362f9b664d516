"""Every query on the record. Those of every turn are put together once, at import: SQLAlchemy
spends more on building such a statement than SQLite on answering it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Select, and_, bindparam, case, func, or_, select, update
from sqlalchemy.orm import Session, aliased

from conversations.models import (
    Attachment,
    Audience,
    Author,
    Conversation,
    Customer,
    Delivery,
    Inbox,
    Message,
    Outbox,
    SearchToken,
)
from store import clock
from store.base import Base

_CUSTOMER = select(Customer).where(
    Customer.channel == bindparam("channel"),
    Customer.account == bindparam("account"),
    Customer.address == bindparam("address"),
)
_HELD_CUSTOMER = _CUSTOMER.with_for_update()
_LATEST_CONVERSATION = (
    select(Conversation)
    .where(Conversation.customer_id == bindparam("customer_id"))
    .order_by(Conversation.id.desc())
    .limit(1)
)
_INBOX_ROW = select(Inbox).where(
    Inbox.channel == bindparam("channel"),
    Inbox.account == bindparam("account"),
    Inbox.outside_id == bindparam("outside_id"),
)
_UNFINISHED = (
    select(Inbox.id)
    .where(Inbox.conversation_id == bindparam("conversation_id"), Inbox.due_at.is_not(None))
    .limit(1)
)
_TO_WHOM = (
    select(Message, Customer)
    .join(Conversation, Conversation.id == Message.conversation_id)
    .join(Customer, Customer.id == Conversation.customer_id)
    .where(Message.id.in_(bindparam("message_ids", expanding=True)))
)
_OUTBOX = select(Outbox).where(Outbox.id.in_(bindparam("ids", expanding=True)))
_OUTBOX_KEYS = select(Outbox.key).where(Outbox.key.in_(bindparam("keys", expanding=True)))


def customer(
    session: Session, channel: str, account: str, address: str, *, hold: bool = False
) -> Customer | None:
    """The customer behind an address. ``hold``: until the end of the transaction nobody else opens
    an episode for him."""
    statement = _HELD_CUSTOMER if hold else _CUSTOMER
    return session.scalar(statement, {"channel": channel, "account": account, "address": address})


def move(session: Session, from_customer: int, to_customer: int) -> None:
    """Two customers turned out to be one: whatever any room keeps by customer is the latter's."""
    session.flush()
    customer = Base.metadata.tables["customers"].c.id
    for table in Base.metadata.tables.values():
        for column in table.columns:
            if column.references(customer):
                session.execute(
                    update(table).where(column == from_customer).values({column: to_customer})
                )
    session.expire_all()


def customer_of(session: Session, conversation: Conversation) -> Customer:
    return session.get_one(Customer, conversation.customer_id)


def latest_conversation(session: Session, customer_id: int) -> Conversation | None:
    return session.scalar(_LATEST_CONVERSATION, {"customer_id": customer_id})


def latest_conversations(
    session: Session, customer_ids: Collection[int]
) -> Mapping[int, Conversation]:
    """The latest episode of each of these customers who has one."""
    other = aliased(Conversation)
    newest = (
        select(func.max(other.id))
        .where(other.customer_id == Customer.id)
        .correlate(Customer)
        .scalar_subquery()
    )
    rows = session.scalars(
        select(Conversation)
        .join(Customer, Conversation.id == newest)
        .where(Customer.id.in_(customer_ids))
    )
    return {conversation.customer_id: conversation for conversation in rows}


def by_key(session: Session, key: str) -> Conversation | None:
    return session.scalar(select(Conversation).where(Conversation.key == key))


def customers_by_id(session: Session, ids: Collection[int]) -> dict[int, Customer]:
    found = session.scalars(select(Customer).where(Customer.id.in_(ids)))
    return {customer.id: customer for customer in found}


def earlier_conversations(
    session: Session, conversation: Conversation, limit: int = 10
) -> Sequence[Conversation]:
    """This customer's episodes before this one, newest first."""
    return session.scalars(
        select(Conversation)
        .where(
            Conversation.customer_id == conversation.customer_id,
            Conversation.id < conversation.id,
        )
        .order_by(Conversation.id.desc())
        .limit(limit)
    ).all()


def inbox_row(session: Session, channel: str, account: str, outside_id: str) -> Inbox | None:
    return session.scalar(
        _INBOX_ROW, {"channel": channel, "account": account, "outside_id": outside_id}
    )


def unfinished(session: Session, conversation_id: int) -> bool:
    """Whether a message of this conversation still waits for its answer."""
    return session.scalar(_UNFINISHED, {"conversation_id": conversation_id}) is not None


def messages(
    session: Session,
    conversation_id: int,
    *,
    after: int = 0,
    audience: Audience | None = None,
    limit: int = 1000,
) -> Sequence[Message]:
    """The transcript in order, from after the message ``after``."""
    query = select(Message).where(Message.conversation_id == conversation_id, Message.id > after)
    if audience is not None:
        query = query.where(Message.audience == audience)
    return session.scalars(query.order_by(Message.id).limit(limit)).all()


def customer_messages(
    session: Session, customer_id: int, *, after: int = 0, limit: int = 200
) -> Sequence[Message]:
    """What this customer may read over all his episodes: the last ``limit`` after ``after``."""
    newest = session.scalars(
        select(Message)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .where(
            Conversation.customer_id == customer_id,
            Message.audience == Audience.EVERYONE,
            Message.id > after,
        )
        .order_by(Message.id.desc())
        .limit(limit)
    ).all()
    return newest[::-1]


def last_customer_message(session: Session, conversation_id: int) -> Message | None:
    return session.scalar(
        select(Message)
        .where(Message.conversation_id == conversation_id, Message.author == Author.CUSTOMER)
        .order_by(Message.id.desc())
        .limit(1)
    )


def last_of_ours(session: Session, conversation_id: int) -> Message | None:
    """The newest message that anybody but the customer wrote to him."""
    return session.scalar(
        select(Message)
        .where(
            Message.conversation_id == conversation_id,
            Message.author != Author.CUSTOMER,
            Message.audience == Audience.EVERYONE,
        )
        .order_by(Message.id.desc())
        .limit(1)
    )


def outbox_of(session: Session, message_ids: Iterable[int]) -> dict[int, Outbox]:
    """Delivery rows by message id."""
    ids = list(message_ids)
    if not ids:
        return {}
    rows = session.scalars(select(Outbox).where(Outbox.message_id.in_(ids)))
    return {row.message_id: row for row in rows}


def to_whom(session: Session, rows: Collection[Outbox]) -> dict[int, tuple[Message, Customer]]:
    """The messages of outbox rows by their ids, and the customers they are for."""
    found = session.execute(_TO_WHOM, {"message_ids": [row.message_id for row in rows]})
    return {message.id: (message, customer) for message, customer in found}


def outbox(session: Session, ids: Collection[int]) -> dict[int, Outbox]:
    """Rows of the outbox by id."""
    return {row.id: row for row in session.scalars(_OUTBOX, {"ids": list(ids)})}


def outbox_keys(session: Session, keys: Sequence[str]) -> frozenset[str]:
    """Which of these keys messages have already."""
    return frozenset(session.scalars(_OUTBOX_KEYS, {"keys": keys}))


def due_with_key(session: Session, prefix: str, most: int) -> int:
    """How many messages whose key begins so wait to be sent now; ``most`` are counted. Not those
    that a worker has in its hands, be it a dead one."""
    at = clock.now()
    due = (
        select(Outbox.id)
        .where(
            Outbox.due_at <= at,
            or_(Outbox.leased_until.is_(None), Outbox.leased_until <= at),
            Outbox.key.startswith(prefix, autoescape=True),
        )
        .limit(most)
    )
    return session.scalar(select(func.count()).select_from(due.subquery())) or 0


def attachments(session: Session, message_ids: Sequence[int]) -> Sequence[Attachment]:
    """The files beside these messages, in order."""
    if not message_ids:
        return []
    return session.scalars(
        select(Attachment)
        .where(Attachment.message_id.in_(message_ids))
        .order_by(Attachment.message_id, Attachment.position)
    ).all()


def attachments_by_id(session: Session, ids: Collection[int]) -> Sequence[Attachment]:
    """Files, oldest first."""
    return session.scalars(
        select(Attachment).where(Attachment.id.in_(ids)).order_by(Attachment.id)
    ).all()


def attachment(session: Session, attachment_id: int) -> tuple[Attachment, Message, Customer] | None:
    """A file, the message it is beside, and whose conversation that is in."""
    found = session.execute(
        select(Attachment, Message, Customer)
        .join(Message, Message.id == Attachment.message_id)
        .join(Conversation, Conversation.id == Message.conversation_id)
        .join(Customer, Customer.id == Conversation.customer_id)
        .where(Attachment.id == attachment_id)
    ).one_or_none()
    return None if found is None else (found[0], found[1], found[2])


def files_named(session: Session, hashes: Sequence[str]) -> set[str]:
    """Which of these files (by SHA-256) a message has beside it."""
    found = select(Attachment.sha256).where(Attachment.sha256.in_(hashes))
    return {sha256 for sha256 in session.scalars(found) if sha256}


def having_tokens(
    session: Session, wanted: Sequence[str], *, before: int | None, limit: int
) -> Sequence[Message]:
    """Messages that hold all of ``wanted``, newest first."""
    query = select(SearchToken.message_id).where(SearchToken.token.in_(wanted))
    if before is not None:
        query = query.where(SearchToken.message_id < before)
    ids = (
        query.group_by(SearchToken.message_id)
        .having(func.count() == len(wanted))
        .order_by(SearchToken.message_id.desc())
        .limit(limit)
    )
    return session.scalars(
        select(Message).where(Message.id.in_(ids)).order_by(Message.id.desc())
    ).all()


def sent_since(session: Session, heard: Message, *, queued: bool = True) -> int:
    """Sends to the customer since his message ``heard``, in any episode: what a quota counts.

    A message that left together with an earlier one counts nothing, one that left in parts counts
    them all. ``queued`` adds those that are still to be sent.
    """
    mine = of_same_customer(heard.conversation_id)
    # What waited for his message was written before it.
    since = or_(Outbox.message_id > heard.id, Outbox.sent_at > heard.created_at)
    waiting = and_(Outbox.state == Delivery.QUEUED, Outbox.parts_sent == 0)
    sends = case((waiting, int(queued)), else_=Outbox.parts_sent)
    return (
        session.scalar(select(func.sum(sends)).where(Outbox.conversation_id.in_(mine), since)) or 0
    )


def last_heard(session: Session, conversation_id: int, limit: int = 1) -> Sequence[Message]:
    """The customer's last messages in any episode, newest first."""
    return session.scalars(
        select(Message)
        .where(
            Message.conversation_id.in_(of_same_customer(conversation_id)),
            Message.author == Author.CUSTOMER,
        )
        .order_by(Message.id.desc())
        .limit(limit)
    ).all()


def of_same_customer(conversation_id: int) -> Select[int]:
    """The ids of all episodes with the customer of this one."""
    customer_id = select(Conversation.customer_id).where(Conversation.id == conversation_id)
    return select(Conversation.id).where(Conversation.customer_id == customer_id.scalar_subquery())


Unsent = Sequence[tuple[Outbox, Message]]


def unsent(session: Session, conversation_id: int) -> Unsent:
    """Everything that is still to be sent to this customer, in order; held by this transaction."""
    rows = session.execute(
        select(Outbox, Message)
        .join(Message, Message.id == Outbox.message_id)
        .where(
            Outbox.conversation_id.in_(of_same_customer(conversation_id)),
            Outbox.due_at.is_not(None),
        )
        .order_by(Outbox.id)
        .with_for_update(of=Outbox)
    )
    return [(row, message) for row, message in rows]


def waiting_behind(session: Session, row: Outbox) -> Sequence[tuple[Outbox, Message]]:
    """What is to be sent in this conversation after ``row``, in order."""
    return [
        (behind, message)
        for behind, message in session.execute(
            select(Outbox, Message)
            .join(Message, Message.id == Outbox.message_id)
            .where(
                Outbox.conversation_id == row.conversation_id,
                Outbox.id > row.id,
                Outbox.due_at.is_not(None),
            )
            .order_by(Outbox.id)
        )
    ]


def left_with(session: Session, row: Outbox) -> Sequence[Outbox]:
    """What was sent to the customer in one message with ``row``: it has no parts of its own."""
    return session.scalars(
        select(Outbox).where(
            Outbox.conversation_id == row.conversation_id,
            Outbox.id > row.id,
            Outbox.state == Delivery.SENT,
            Outbox.parts_sent == 0,
            Outbox.sent_at == row.sent_at,
        )
    ).all()
