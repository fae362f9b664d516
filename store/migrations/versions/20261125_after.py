"""What customers are asked after a solution, and their answers."""

import sqlalchemy as sa
from alembic import op

revision = '20261125_after'
down_revision = '20261124_promises'


def upgrade() -> None:
    op.create_table('asks',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=10), nullable=False),
    sa.Column('customer_id', sa.Integer(), nullable=False),
    sa.Column('conversation_id', sa.Integer(), nullable=False),
    sa.Column('ticket_id', sa.Integer(), nullable=True),
    sa.Column('staff_id', sa.Integer(), nullable=True),
    sa.Column('team', sa.String(length=40), nullable=False),
    sa.Column('message_id', sa.Integer(), nullable=True),
    sa.Column('told_id', sa.Integer(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('asked_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('yes', sa.Boolean(), nullable=True),
    sa.Column('score', sa.Integer(), nullable=True),
    sa.Column('remark', sa.String(), nullable=True),
    sa.Column('attention', sa.Boolean(), nullable=False),
    sa.Column('seen_by', sa.Integer(), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(), nullable=True),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversations.id'], name=op.f('fk_asks_conversation_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_asks_customer_id')),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_asks_message_id')),
    sa.ForeignKeyConstraint(['ticket_id'], ['tickets.id'], name=op.f('fk_asks_ticket_id')),
    sa.ForeignKeyConstraint(['told_id'], ['messages.id'], name=op.f('fk_asks_told_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_asks')),
    sa.UniqueConstraint('key', name=op.f('uq_asks_key'))
    )
    op.create_index(
        'ix_asks_attention', 'asks', ['id'], sqlite_where=sa.text('attention = 1'),
        postgresql_where=sa.text('attention')
    )
    op.create_index('ix_asks_conversation_id', 'asks', ['conversation_id'])
    op.create_index('ix_asks_customer_id_asked_at', 'asks', ['customer_id', 'asked_at'])
    op.create_index('ix_asks_ticket_id', 'asks', ['ticket_id'])
    op.create_index(op.f('ix_asks_due_at'), 'asks', ['due_at'])
