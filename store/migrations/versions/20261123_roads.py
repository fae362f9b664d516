"""Histograms of legs, incidents, the courier of a scan."""

import sqlalchemy as sa
from alembic import op

revision = '20261123_roads'
down_revision = '20261122_wecom'


def upgrade() -> None:
    with op.batch_alter_table('scans', schema=None) as batch_op:
        batch_op.add_column(sa.Column('courier_name', sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column('courier_phone', sa.String(length=24), nullable=True))

    op.create_table('leg_hours',
    sa.Column('carrier', sa.String(length=40), nullable=False),
    sa.Column('place', sa.String(length=120), nullable=False),
    sa.Column('status', sa.String(length=24), nullable=False),
    sa.Column('ends', sa.String(length=9), nullable=False),
    sa.Column('toward', sa.String(length=120), nullable=False),
    sa.Column('hour', sa.Integer(), nullable=False),
    sa.Column('parcels', sa.Integer(), nullable=False),
    sa.PrimaryKeyConstraint('carrier', 'place', 'status', 'ends', 'toward', 'hour', name=op.f('pk_leg_hours'))
    )
    op.create_table('incidents',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=64), nullable=False),
    sa.Column('kind', sa.String(length=8), nullable=False),
    sa.Column('scope', sa.String(length=8), nullable=False),
    sa.Column('place', sa.String(length=120), nullable=False),
    sa.Column('to_place', sa.String(length=120), nullable=True),
    sa.Column('began_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('expected_until', sa.DateTime(timezone=True), nullable=False),
    sa.Column('words_zh', sa.String(length=300), nullable=False),
    sa.Column('words_en', sa.String(length=300), nullable=False),
    sa.Column('created_by', sa.Integer(), nullable=False),
    sa.Column('ended_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('ended_by', sa.Integer(), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_incidents')),
    sa.UniqueConstraint('key', name=op.f('uq_incidents_key'))
    )
    op.create_index('ix_incidents_open', 'incidents', ['began_at'],
                    sqlite_where=sa.text('ended_at IS NULL'), postgresql_where=sa.text('ended_at IS NULL'))
