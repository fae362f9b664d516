"""How far each customer service account of WeCom has been read."""

import sqlalchemy as sa
from alembic import op

revision = '20261122_wecom'
down_revision = '20261122_delivery'


def upgrade() -> None:
    op.create_table('wecom_accounts',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('open_kfid', sa.String(length=64), nullable=False),
    sa.Column('cursor', sa.String(length=128), nullable=False),
    sa.Column('notes', sa.Integer(), nullable=False),
    sa.Column('ticket', sa.String(length=256), nullable=False),
    sa.Column('ticket_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('prefix', sa.String(length=12), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_wecom_accounts')),
    sa.UniqueConstraint('open_kfid', name=op.f('uq_wecom_accounts_open_kfid'))
    )
    with op.batch_alter_table('wecom_accounts', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_wecom_accounts_due_at'), ['due_at'], unique=False)
