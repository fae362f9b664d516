"""Scans of several sources with sub-states and the source's own code; keys of the API."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = '20261122_sources'
down_revision = '20261122_files_by_content'


def upgrade() -> None:
    with op.batch_alter_table('scans', schema=None) as batch_op:
        batch_op.add_column(sa.Column('source', sa.String(length=16), server_default='own', nullable=False))
        batch_op.add_column(sa.Column('sub_status', sa.String(length=40), nullable=True))
        batch_op.add_column(sa.Column('code', sa.String(length=40), nullable=True))
        batch_op.alter_column('status', existing_type=sa.String(length=24), nullable=True)
        batch_op.drop_constraint(op.f('uq_scans_event_id'), type_='unique')
        batch_op.create_unique_constraint(op.f('uq_scans_source_event_id'), ['source', 'event_id'])

    op.create_table('api_keys',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('key', sa.String(length=24), nullable=False),
    sa.Column('name', sa.String(length=60), nullable=False),
    sa.Column('fingerprint', sa.String(length=64), nullable=False),
    sa.Column('scopes', sa.JSON().with_variant(JSONB(), 'postgresql'), nullable=False),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('revoked_at', sa.DateTime(timezone=True), nullable=True),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_api_keys')),
    sa.UniqueConstraint('key', name=op.f('uq_api_keys_key')),
    sa.UniqueConstraint('name', name=op.f('uq_api_keys_name'))
    )
