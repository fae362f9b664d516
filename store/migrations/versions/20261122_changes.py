"""Tries to prove who one is, orders to the depot, wishes about notices."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = '20261122_changes'
down_revision = '20261122_topics'


def upgrade() -> None:
    op.create_table('identity_tries',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('customer_id', sa.Integer(), nullable=False),
    sa.Column('waybill_no', sa.String(length=40), nullable=False),
    sa.Column('message_id', sa.Integer(), nullable=False),
    sa.Column('wrong_in_row', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_identity_tries_customer_id')),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_identity_tries_message_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_identity_tries')),
    sa.UniqueConstraint('message_id', name=op.f('uq_identity_tries_message_id'))
    )
    op.create_index('ix_identity_tries_customer_id_waybill_no_id', 'identity_tries', ['customer_id', 'waybill_no', 'id'])
    op.create_index('ix_identity_tries_customer_id_at', 'identity_tries', ['customer_id', 'at'])
    op.create_index('ix_identity_tries_waybill_no_at', 'identity_tries', ['waybill_no', 'at'])
    op.create_table('depot_orders',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('public_id', sa.String(length=32), nullable=False),
    sa.Column('customer_id', sa.Integer(), nullable=False),
    sa.Column('about', sa.String(length=40), nullable=False),
    sa.Column('waybill_no', sa.String(length=40), nullable=True),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('wish', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('price', sa.Numeric(precision=8, scale=2), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('reason', sa.String(length=40), nullable=True),
    sa.Column('receipt', sa.String(length=64), nullable=True),
    sa.Column('placed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(), nullable=True),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_depot_orders_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_depot_orders')),
    sa.UniqueConstraint('key', name=op.f('uq_depot_orders_key')),
    sa.UniqueConstraint('public_id', name=op.f('uq_depot_orders_public_id'))
    )
    op.create_index('ix_depot_orders_about_id', 'depot_orders', ['about', 'id'])
    op.create_index('ix_depot_orders_customer_id_id', 'depot_orders', ['customer_id', 'id'])
    op.create_index('ix_depot_orders_due_at', 'depot_orders', ['due_at'])
    op.create_table('notice_wishes',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('customer_id', sa.Integer(), nullable=False),
    sa.Column('waybill_no', sa.String(length=40), nullable=False),
    sa.Column('wanted', sa.Boolean(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_notice_wishes_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notice_wishes')),
    sa.UniqueConstraint('customer_id', 'waybill_no', name=op.f('uq_notice_wishes_customer_id_waybill_no'))
    )
