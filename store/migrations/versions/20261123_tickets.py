"""The life of a ticket: version, owner, waiting; events that stay; evidence and links."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '20261123_tickets'
down_revision = '20261122_notices'

OPEN = "state NOT IN ('closed', 'followed_up', 'cancelled')"


def upgrade() -> None:
    json = sa.JSON().with_variant(postgresql.JSONB(), 'postgresql')
    with op.batch_alter_table('tickets', schema=None) as batch_op:
        batch_op.add_column(sa.Column('version', sa.Integer(), nullable=False, server_default='1'))
        batch_op.add_column(sa.Column('staff_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('waiting_for', sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column('waiting_until', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('waiting_why', sa.String(), nullable=True))
        batch_op.add_column(sa.Column('next_due_at', sa.DateTime(timezone=True), nullable=True))
    # Earlier versions did not keep two at the same moment from opening one each: the older yields.
    older = (
        f"waybill_no IS NOT NULL AND {OPEN} AND EXISTS (SELECT 1 FROM tickets later WHERE"
        " later.waybill_no = tickets.waybill_no AND later.kind = tickets.kind"
        f" AND later.id > tickets.id AND later.{OPEN})"
    )
    op.execute(
        "INSERT INTO ticket_events (ticket_id, at, actor, what) SELECT id,"
        f" CURRENT_TIMESTAMP, 'system', 'cancelled' FROM tickets WHERE {older}"
    )
    op.execute(f"UPDATE tickets SET state = 'cancelled' WHERE {older}")
    for name, columns in (
        ('ix_tickets_open', ['urgency_rank', 'id']),
        ('ix_tickets_team_open', ['team', 'urgency_rank', 'id']),
        ('ix_tickets_due', ['next_due_at', 'id']),
        ('ix_tickets_team_due', ['team', 'next_due_at', 'id']),
    ):
        op.create_index(
            name, 'tickets', columns, sqlite_where=sa.text(OPEN), postgresql_where=sa.text(OPEN)
        )
    one = sa.text(f'waybill_no IS NOT NULL AND {OPEN}')
    op.create_index(
        'uq_tickets_open', 'tickets', ['waybill_no', 'kind'], unique=True,
        sqlite_where=one, postgresql_where=one,
    )
    op.create_index('ix_tickets_state', 'tickets', ['state', 'urgency_rank', 'id'])
    op.create_index('ix_tickets_state_id', 'tickets', ['state', 'id'])
    op.create_index('ix_tickets_staff', 'tickets', ['staff_id', 'state', 'id'])
    with op.batch_alter_table('ticket_events', schema=None) as batch_op:
        batch_op.add_column(sa.Column('key', sa.String(length=128), nullable=True))
        batch_op.add_column(sa.Column('actor_name', sa.String(length=60), nullable=True))
        batch_op.add_column(sa.Column('api_key_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('details', json, nullable=False, server_default='{}'))
        batch_op.add_column(sa.Column('conversation_id', sa.Integer(), nullable=True))
        batch_op.create_unique_constraint('uq_ticket_events_key', ['key'])
    op.create_index('ix_ticket_events_conversation_id', 'ticket_events', ['conversation_id'])
    _never_changed()
    op.create_table('ticket_files',
    sa.Column('ticket_id', sa.Integer(), nullable=False),
    sa.Column('attachment_id', sa.Integer(), nullable=False),
    sa.ForeignKeyConstraint(['ticket_id'], ['tickets.id'], name=op.f('fk_ticket_files_ticket_id')),
    sa.ForeignKeyConstraint(['attachment_id'], ['attachments.id'], name=op.f('fk_ticket_files_attachment_id')),
    sa.PrimaryKeyConstraint('ticket_id', 'attachment_id', name=op.f('pk_ticket_files'))
    )
    op.create_index('ix_ticket_files_attachment_id', 'ticket_files', ['attachment_id'])
    op.create_table('ticket_links',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('ticket_id', sa.Integer(), nullable=False),
    sa.Column('other_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.ForeignKeyConstraint(['ticket_id'], ['tickets.id'], name=op.f('fk_ticket_links_ticket_id')),
    sa.ForeignKeyConstraint(['other_id'], ['tickets.id'], name=op.f('fk_ticket_links_other_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_ticket_links')),
    sa.UniqueConstraint('ticket_id', 'other_id', name=op.f('uq_ticket_links_ticket_id_other_id'))
    )
    op.create_index('ix_ticket_links_other_id', 'ticket_links', ['other_id'])
    op.create_table('webhook_deliveries',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=24), nullable=False),
    sa.Column('system', sa.String(length=26), nullable=False),
    sa.Column('event_id', sa.Integer(), nullable=False),
    sa.Column('body', sa.String(), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('delivered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(), nullable=True),
    sa.ForeignKeyConstraint(['event_id'], ['ticket_events.id'], name=op.f('fk_webhook_deliveries_event_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_webhook_deliveries')),
    sa.UniqueConstraint('public_id', name=op.f('uq_webhook_deliveries_public_id')),
    sa.UniqueConstraint('system', 'event_id', name=op.f('uq_webhook_deliveries_system_event_id'))
    )
    op.create_index('ix_webhook_deliveries_due_at', 'webhook_deliveries', ['due_at'])
    dead = sa.text('due_at IS NULL AND delivered_at IS NULL')
    op.create_index(
        'ix_webhook_deliveries_dead', 'webhook_deliveries', ['due_at', 'id'],
        sqlite_where=dead, postgresql_where=dead,
    )


def _never_changed() -> None:
    """Events are appended. Whoever tries to rewrite or remove one is refused by the database."""
    if op.get_bind().dialect.name == 'sqlite':
        for what in ('UPDATE', 'DELETE'):
            op.execute(
                f'CREATE TRIGGER ticket_events_no_{what.lower()} BEFORE {what} ON ticket_events '
                "BEGIN SELECT RAISE(ABORT, 'ticket events are never changed'); END"
            )
        return
    op.execute(
        'CREATE FUNCTION ticket_events_stay() RETURNS trigger LANGUAGE plpgsql AS $$ '
        "BEGIN RAISE EXCEPTION 'ticket events are never changed'; END $$"
    )
    op.execute(
        'CREATE TRIGGER ticket_events_stay BEFORE UPDATE OR DELETE OR TRUNCATE ON ticket_events '
        'FOR EACH STATEMENT EXECUTE FUNCTION ticket_events_stay()'
    )
