"""Service points and the names they are found by; requests for an invoice."""

import sqlalchemy as sa
from alembic import op

revision = '20261122_questions'
down_revision = '20261123_timeline'


def upgrade() -> None:
    op.create_table('service_points',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(length=40), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('name', sa.String(length=120), nullable=False),
    sa.Column('city', sa.String(length=40), nullable=False),
    sa.Column('district', sa.String(length=40), nullable=False),
    sa.Column('address', sa.String(length=200), nullable=False),
    sa.Column('latitude', sa.Float(), nullable=False),
    sa.Column('longitude', sa.Float(), nullable=False),
    sa.Column('cell', sa.String(length=16), nullable=False),
    sa.Column('phone', sa.String(length=24), nullable=True),
    sa.Column('hours', sa.String(length=200), nullable=False),
    sa.Column('demo', sa.Boolean(), nullable=False),
    sa.Column('updated_at', sa.DateTime(timezone=True), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_service_points')),
    sa.UniqueConstraint('code', name=op.f('uq_service_points_code'))
    )
    op.create_index('ix_service_points_cell', 'service_points', ['cell'])
    op.create_index('ix_service_points_city_district', 'service_points', ['city', 'district'])
    op.create_table('point_names',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('name', sa.String(length=80), nullable=False),
    sa.Column('city', sa.String(length=40), nullable=False),
    sa.Column('scope', sa.String(length=8), nullable=False),
    sa.Column('point_id', sa.Integer(), nullable=True),
    sa.Column('latitude', sa.Float(), nullable=False),
    sa.Column('longitude', sa.Float(), nullable=False),
    sa.ForeignKeyConstraint(['point_id'], ['service_points.id'], name=op.f('fk_point_names_point_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_point_names')),
    sa.UniqueConstraint('name', 'city', name=op.f('uq_point_names_name_city'))
    )
    op.create_index('ix_point_names_point_id', 'point_names', ['point_id'])
    op.create_index('ix_point_names_scope', 'point_names', ['scope'])
    op.create_table('invoice_requests',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('customer_id', sa.Integer(), nullable=False),
    sa.Column('conversation_id', sa.Integer(), nullable=False),
    sa.Column('waybill_no', sa.String(length=40), nullable=False),
    sa.Column('title', sa.String(length=120), nullable=False),
    sa.Column('tax_number', sa.String(length=20), nullable=True),
    sa.Column('email', sa.String(length=254), nullable=False),
    sa.Column('requested_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('promised_by', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_invoice_requests_customer_id')),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversations.id'], name=op.f('fk_invoice_requests_conversation_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_invoice_requests')),
    sa.UniqueConstraint('key', name=op.f('uq_invoice_requests_key'))
    )
    op.create_index('ix_invoice_requests_customer_id_id', 'invoice_requests', ['customer_id', 'id'])

