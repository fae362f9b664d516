"""Codes of parcels' own pages, proofs given on them; the desk finds parcels, and who looked;
scans told to WeChat."""

import sqlalchemy as sa
from alembic import op

revision = '20261123_timeline'
down_revision = '20261123_roads'


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
    op.create_table('parcel_looks',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('staff_id', sa.Integer(), nullable=False),
    sa.Column('waybill_no', sa.String(length=40), nullable=False),
    sa.Column('what', sa.String(length=8), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name=op.f('fk_parcel_looks_staff_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_parcel_looks'))
    )
    op.create_index('ix_parcel_looks_waybill_no_id', 'parcel_looks', ['waybill_no', 'id'])
    for who in ('recipient', 'sender'):
        columns = [f'{who}_name', f'{who}_phone']
        op.create_index(f'ix_shipments_{columns[0]}_{columns[1]}', 'shipments', columns)
    with op.batch_alter_table('shipments') as batch_op:
        batch_op.add_column(sa.Column('wechat_token', sa.String(length=128), nullable=True))
    op.create_table('path_updates',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('shipment_id', sa.Integer(), nullable=False),
    sa.Column('scan_id', sa.Integer(), nullable=False),
    sa.Column('state', sa.String(length=8), nullable=False),
    sa.Column('sent_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(), nullable=True),
    sa.ForeignKeyConstraint(['scan_id'], ['scans.id'], name=op.f('fk_path_updates_scan_id')),
    sa.ForeignKeyConstraint(['shipment_id'], ['shipments.id'], name=op.f('fk_path_updates_shipment_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_path_updates')),
    sa.UniqueConstraint('scan_id', name=op.f('uq_path_updates_scan_id'))
    )
    op.create_index('ix_path_updates_due_at', 'path_updates', ['due_at'])
    op.create_index('ix_path_updates_shipment_id_id', 'path_updates', ['shipment_id', 'id'])
