"""Compensation: what was granted, how it was paid, coupons and tries at them."""

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from alembic import op

revision = '20261125_compensation'
down_revision = '20261125_after'


def upgrade() -> None:
    not_refused = sa.text("state <> 'refused'")
    op.create_table('grants',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=80), nullable=False),
    sa.Column('about', sa.String(length=60), nullable=False),
    sa.Column('ticket_id', sa.Integer(), nullable=False),
    sa.Column('customer_id', sa.Integer(), nullable=False),
    sa.Column('kind', sa.String(length=16), nullable=False),
    sa.Column('fen', sa.Integer(), nullable=False),
    sa.Column('lines', sa.JSON().with_variant(postgresql.JSONB(), 'postgresql'), nullable=False),
    sa.Column('policy_id', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('version', sa.Integer(), nullable=False),
    sa.Column('staff_id', sa.Integer(), nullable=True),
    sa.Column('granted_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_by', sa.Integer(), nullable=True),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('needs_agreement', sa.Boolean(), nullable=False),
    sa.Column('agreed_at', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['ticket_id'], ['tickets.id'], name=op.f('fk_grants_ticket_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_grants_customer_id')),
    sa.ForeignKeyConstraint(['policy_id'], ['policy_versions.id'], name=op.f('fk_grants_policy_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_grants')),
    sa.UniqueConstraint('key', name=op.f('uq_grants_key'))
    )
    op.create_index(
        'uq_grants_about', 'grants', ['about'], unique=True,
        sqlite_where=not_refused, postgresql_where=not_refused,
    )
    op.create_index('ix_grants_ticket_id_id', 'grants', ['ticket_id', 'id'])
    op.create_index('ix_grants_customer_id_kind_id', 'grants', ['customer_id', 'kind', 'id'])
    op.create_index('ix_grants_state_id', 'grants', ['state', 'id'])
    op.create_table('payouts',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('grant_id', sa.Integer(), nullable=False),
    sa.Column('public_id', sa.String(length=32), nullable=False),
    sa.Column('state', sa.String(length=12), nullable=False),
    sa.Column('reason', sa.String(length=40), nullable=True),
    sa.Column('receipt', sa.String(length=64), nullable=True),
    sa.Column('way', sa.String(length=60), nullable=True),
    sa.Column('attention', sa.Boolean(), nullable=False),
    sa.Column('paid_by', sa.Integer(), nullable=True),
    sa.Column('placed_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('answered_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(), nullable=True),
    sa.ForeignKeyConstraint(['grant_id'], ['grants.id'], name=op.f('fk_payouts_grant_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_payouts')),
    sa.UniqueConstraint('public_id', name=op.f('uq_payouts_public_id'))
    )
    op.create_index(
        'uq_payouts_grant_id', 'payouts', ['grant_id'], unique=True,
        sqlite_where=not_refused, postgresql_where=not_refused,
    )
    op.create_index('ix_payouts_grant_id_id', 'payouts', ['grant_id', 'id'])
    op.create_index('ix_payouts_due_at', 'payouts', ['due_at'])
    op.create_index(
        'ix_payouts_attention', 'payouts', ['id'],
        sqlite_where=sa.text('attention = 1'), postgresql_where=sa.text('attention'),
    )
    op.create_table('coupons',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('grant_id', sa.Integer(), nullable=False),
    sa.Column('customer_id', sa.Integer(), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.Column('ending', sa.String(length=4), nullable=False),
    sa.Column('fen', sa.Integer(), nullable=False),
    sa.Column('valid_until', sa.DateTime(timezone=True), nullable=False),
    sa.Column('redeemed_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('redeemed_key', sa.String(length=80), nullable=True),
    sa.Column('redeemed_for', sa.String(length=64), nullable=True),
    sa.ForeignKeyConstraint(['grant_id'], ['grants.id'], name=op.f('fk_coupons_grant_id')),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_coupons_customer_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_coupons')),
    sa.UniqueConstraint('grant_id', name=op.f('uq_coupons_grant_id')),
    sa.UniqueConstraint('fingerprint', name=op.f('uq_coupons_fingerprint')),
    sa.UniqueConstraint('redeemed_key', name=op.f('uq_coupons_redeemed_key'))
    )
    op.create_index('ix_coupons_customer_id', 'coupons', ['customer_id'])
    op.create_table('coupon_tries',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('api_key_id', sa.Integer(), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['api_key_id'], ['api_keys.id'], name=op.f('fk_coupon_tries_api_key_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_coupon_tries'))
    )
    op.create_index('ix_coupon_tries_api_key_id_at', 'coupon_tries', ['api_key_id', 'at'])
