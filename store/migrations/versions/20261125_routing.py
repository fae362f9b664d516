"""Why tickets and cases are with their team; tickets have incidents; topics hold words back."""

import sqlalchemy as sa
from alembic import op

revision = '20261125_routing'
down_revision = '20261125_compensation'


def upgrade() -> None:
    op.add_column('tickets', sa.Column('team_rule', sa.String(length=40), nullable=False, server_default=''))
    op.add_column('cases', sa.Column('team_rule', sa.String(length=40), nullable=False, server_default=''))
    op.add_column('cases', sa.Column('owner_id', sa.Integer(), nullable=True))
    op.add_column('topic_lines', sa.Column('staff_id', sa.Integer(), nullable=True))
    op.add_column('topic_lines', sa.Column('held', sa.String(), nullable=True))
    op.add_column('incidents', sa.Column('concerns', sa.String(length=20), nullable=False, server_default='delay'))
    op.add_column('incidents', sa.Column('alarm_at', sa.DateTime(timezone=True), nullable=True))
    op.add_column('incidents', sa.Column('alarm_seen_by', sa.Integer(), nullable=True))
    op.create_table('incident_proposals',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('concerns', sa.String(length=20), nullable=False),
    sa.Column('scope', sa.String(length=8), nullable=False),
    sa.Column('place', sa.String(length=120), nullable=False),
    sa.Column('to_place', sa.String(length=120), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('usual', sa.Float(), nullable=False),
    sa.Column('began_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('seen_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('decided_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('decided_by', sa.Integer(), nullable=True),
    sa.Column('incident_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['incident_id'], ['incidents.id'], name=op.f('fk_incident_proposals_incident_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_incident_proposals'))
    )
    op.create_index('ix_incident_proposals_state', 'incident_proposals', ['state'])
    op.create_index('ix_incident_proposals_seen_at', 'incident_proposals', ['seen_at'])
    undecided = sa.text("state = 'open'")
    op.create_index(
        'uq_incident_proposals_open', 'incident_proposals', ['concerns', 'scope', 'place', 'to_place'],
        unique=True, sqlite_where=undecided, postgresql_where=undecided,
    )
    op.create_table('ticket_places',
    sa.Column('ticket_id', sa.Integer(), nullable=False),
    sa.Column('scope', sa.String(length=8), nullable=False),
    sa.Column('concerns', sa.String(length=20), nullable=False),
    sa.Column('place', sa.String(length=120), nullable=False),
    sa.Column('to_place', sa.String(length=120), nullable=False),
    sa.Column('at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('proposal_id', sa.Integer(), nullable=True),
    sa.ForeignKeyConstraint(['ticket_id'], ['tickets.id'], name=op.f('fk_ticket_places_ticket_id')),
    sa.ForeignKeyConstraint(['proposal_id'], ['incident_proposals.id'], name=op.f('fk_ticket_places_proposal_id')),
    sa.PrimaryKeyConstraint('ticket_id', 'scope', name=op.f('pk_ticket_places'))
    )
    loose = sa.text('proposal_id IS NULL')
    op.create_index('ix_ticket_places_loose', 'ticket_places', ['at'], sqlite_where=loose, postgresql_where=loose)
    op.create_index('ix_ticket_places_place', 'ticket_places', ['concerns', 'scope', 'place', 'to_place', 'at'])
    proposed = sa.text('proposal_id IS NOT NULL')
    op.create_index(
        'ix_ticket_places_proposal_id', 'ticket_places', ['proposal_id'], sqlite_where=proposed, postgresql_where=proposed
    )
    op.create_table('incident_tickets',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('incident_id', sa.Integer(), nullable=False),
    sa.Column('ticket_id', sa.Integer(), nullable=False),
    sa.Column('told_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('over_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(), nullable=True),
    sa.ForeignKeyConstraint(['incident_id'], ['incidents.id'], name=op.f('fk_incident_tickets_incident_id')),
    sa.ForeignKeyConstraint(['ticket_id'], ['tickets.id'], name=op.f('fk_incident_tickets_ticket_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_incident_tickets')),
    sa.UniqueConstraint('incident_id', 'ticket_id', name=op.f('uq_incident_tickets_incident_id_ticket_id'))
    )
    op.create_index('ix_incident_tickets_ticket_id', 'incident_tickets', ['ticket_id'])
    op.create_index('ix_incident_tickets_due_at', 'incident_tickets', ['due_at'])
