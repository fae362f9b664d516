"""Tickets and cases know by which rule they are with their team, and whose a case is to take."""

import sqlalchemy as sa
from alembic import op

revision = '20261125_routing'
down_revision = '20261124_promises'


def upgrade() -> None:
    op.add_column('tickets', sa.Column('team_rule', sa.String(length=40), nullable=False, server_default=''))
    op.add_column('cases', sa.Column('team_rule', sa.String(length=40), nullable=False, server_default=''))
    op.add_column('cases', sa.Column('owner_id', sa.Integer(), nullable=True))
