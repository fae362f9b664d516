"""Promises have clocks; every version of the policy they were made under is kept."""

import sqlalchemy as sa
from alembic import op

revision = '20261124_promises'
down_revision = '20261123_tickets'


def upgrade() -> None:
    op.create_table('policy_versions',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=40), nullable=False),
    sa.Column('sha256', sa.String(length=64), nullable=False),
    sa.Column('text', sa.String(), nullable=False),
    sa.Column('read_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_policy_versions')),
    sa.UniqueConstraint('name', 'sha256', name=op.f('uq_policy_versions_name_sha256'))
    )
    with op.batch_alter_table('promises', schema=None) as batch_op:
        batch_op.alter_column('due_at', new_column_name='by', existing_type=sa.DateTime(timezone=True))
        batch_op.alter_column('kept_at', new_column_name='ended_at', existing_type=sa.DateTime(timezone=True))
    with op.batch_alter_table('promises', schema=None) as batch_op:
        batch_op.add_column(sa.Column('policy_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('urgency', sa.String(length=8), nullable=False, server_default='green'))
        batch_op.add_column(sa.Column('state', sa.String(length=10), nullable=False, server_default='open'))
        batch_op.add_column(sa.Column('step', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('message_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('staff_id', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('words', sa.String(), nullable=True))
        batch_op.add_column(sa.Column('waybill_no', sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column('warn_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('warned_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('left', sa.Interval(), nullable=True))
        batch_op.add_column(sa.Column('attention', sa.Boolean(), nullable=False, server_default=sa.false()))
        batch_op.add_column(sa.Column('seen_by', sa.Integer(), nullable=True))
        batch_op.add_column(sa.Column('due_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True))
        batch_op.add_column(sa.Column('attempts', sa.Integer(), nullable=False, server_default='0'))
        batch_op.add_column(sa.Column('last_error', sa.String(), nullable=True))
        batch_op.create_foreign_key(op.f('fk_promises_policy_id'), 'policy_versions', ['policy_id'], ['id'])
        batch_op.create_foreign_key(op.f('fk_promises_message_id'), 'messages', ['message_id'], ['id'])
    waits = sa.text('waiting_until IS NOT NULL')
    op.create_index(
        'ix_tickets_waiting_until', 'tickets', ['waiting_until'],
        sqlite_where=waits, postgresql_where=waits,
    )
    # What ran out before there were clocks is broken, and nobody is told so weeks later.
    op.execute("UPDATE promises SET state = 'kept' WHERE ended_at IS NOT NULL")
    op.execute(
        "UPDATE promises SET state = 'broken', ended_at = \"by\""
        ' WHERE ended_at IS NULL AND "by" < CURRENT_TIMESTAMP'
    )
    op.execute('UPDATE promises SET warn_at = "by"')
    op.execute("UPDATE promises SET due_at = \"by\" WHERE state = 'open'")
    op.execute(
        'UPDATE tickets SET next_due_at = (SELECT MIN("by") FROM promises'
        " WHERE promises.ticket_id = tickets.id AND promises.state = 'open')"
    )
    with op.batch_alter_table('promises', schema=None) as batch_op:
        batch_op.alter_column('warn_at', nullable=False, existing_type=sa.DateTime(timezone=True))
        batch_op.create_index('ix_promises_ticket_id', ['ticket_id'])
        batch_op.create_index('ix_promises_message_id', ['message_id'])
        batch_op.create_index(batch_op.f('ix_promises_due_at'), ['due_at'])
        batch_op.create_index(
            'ix_promises_attention', ['id'], sqlite_where=sa.text('attention = 1'),
            postgresql_where=sa.text('attention')
        )
