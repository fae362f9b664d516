"""Codes of parcels' own pages; a try to prove who one is may be made on such a page."""

import sqlalchemy as sa
from alembic import op

revision = '20261122_timeline'
down_revision = '20261122_wecom'


def upgrade() -> None:
    op.create_table('service_codes',
    sa.Column('shipment_id', sa.Integer(), nullable=False),
    sa.Column('code', sa.String(length=24), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['shipment_id'], ['shipments.id'], name=op.f('fk_service_codes_shipment_id')),
    sa.PrimaryKeyConstraint('shipment_id', name=op.f('pk_service_codes')),
    sa.UniqueConstraint('code', name=op.f('uq_service_codes_code'))
    )
    with op.batch_alter_table('identity_tries') as batch_op:
        batch_op.alter_column('message_id', existing_type=sa.Integer(), nullable=True)
