"""Why a message is not with the customer, what waits for his own request, and what was given up."""

import sqlalchemy as sa
from alembic import op

revision = '20261122_delivery'
down_revision = '20261122_changes'


def upgrade() -> None:
    with op.batch_alter_table('outbox', schema=None) as batch_op:
        batch_op.add_column(sa.Column('reason', sa.String(length=8), nullable=True))
        batch_op.add_column(sa.Column('nudged_at', sa.DateTime(timezone=True), nullable=True))
        batch_op.create_index(
            'ix_outbox_failed', ['id'], unique=False,
            sqlite_where=sa.text("state = 'failed'"),
            postgresql_where=sa.text("state = 'failed'"),
        )
    with op.batch_alter_table('inbox', schema=None) as batch_op:
        batch_op.create_index(
            'ix_inbox_given_up', ['due_at', 'id'], unique=False,
            sqlite_where=sa.text('due_at IS NULL AND handled_at IS NULL'),
            postgresql_where=sa.text('due_at IS NULL AND handled_at IS NULL'),
        )
    with op.batch_alter_table('conversations', schema=None) as batch_op:
        batch_op.add_column(sa.Column('held_until', sa.DateTime(timezone=True), nullable=True))
