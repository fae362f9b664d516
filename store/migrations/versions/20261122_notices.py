"""What customers are told without asking: due rows, and wishes by node."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = '20261122_notices'
down_revision = '20261122_questions'


def upgrade() -> None:
    json = sa.JSON().with_variant(JSONB(), 'postgresql')
    with op.batch_alter_table('notice_wishes', schema=None) as batch_op:
        batch_op.add_column(sa.Column('nodes', json, nullable=True))
        batch_op.create_index(op.f('ix_notice_wishes_waybill_no'), ['waybill_no'])

    op.create_table('notices',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('customer_id', sa.Integer(), nullable=False),
    sa.Column('shipment_id', sa.Integer(), nullable=False),
    sa.Column('scan_id', sa.Integer(), nullable=True),
    sa.Column('incident_id', sa.Integer(), nullable=True),
    sa.Column('facts', json, nullable=True),
    sa.Column('message_id', sa.Integer(), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(), nullable=True),
    sa.ForeignKeyConstraint(['customer_id'], ['customers.id'], name=op.f('fk_notices_customer_id')),
    sa.ForeignKeyConstraint(['shipment_id'], ['shipments.id'], name=op.f('fk_notices_shipment_id')),
    sa.ForeignKeyConstraint(['scan_id'], ['scans.id'], name=op.f('fk_notices_scan_id')),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_notices_message_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_notices')),
    sa.UniqueConstraint('customer_id', 'shipment_id', 'scan_id', name=op.f('uq_notices_customer_id_shipment_id_scan_id')),
    sa.UniqueConstraint('customer_id', 'shipment_id', 'incident_id', name=op.f('uq_notices_customer_id_shipment_id_incident_id'))
    )
    op.create_index('ix_notices_customer_id_message_id', 'notices', ['customer_id', 'message_id'])
    op.create_index('ix_notices_due_at', 'notices', ['due_at'])
    op.create_index('ix_notices_waiting', 'notices', ['customer_id', 'id'], sqlite_where=sa.text('due_at IS NOT NULL'), postgresql_where=sa.text('due_at IS NOT NULL'))
