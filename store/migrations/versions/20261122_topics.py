"""Conversations shown in a Telegram group too, and who is who there."""

import sqlalchemy as sa
from alembic import op

revision = '20261122_topics'
down_revision = '20261122_sources'


def upgrade() -> None:
    op.create_table('staff_links',
    sa.Column('staff_id', sa.Integer(), nullable=False),
    sa.Column('user_id', sa.BigInteger(), nullable=True),
    sa.Column('code', sa.String(length=64), nullable=True),
    sa.Column('code_until', sa.DateTime(timezone=True), nullable=True),
    sa.ForeignKeyConstraint(['staff_id'], ['staff.id'], name=op.f('fk_staff_links_staff_id')),
    sa.PrimaryKeyConstraint('staff_id', name=op.f('pk_staff_links')),
    sa.UniqueConstraint('user_id', name=op.f('uq_staff_links_user_id')),
    sa.UniqueConstraint('code', name=op.f('uq_staff_links_code'))
    )
    op.create_table('topics',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('conversation_id', sa.Integer(), nullable=False),
    sa.Column('chat', sa.BigInteger(), nullable=False),
    sa.Column('thread', sa.Integer(), nullable=True),
    sa.Column('open', sa.Boolean(), nullable=False),
    sa.Column('case_id', sa.Integer(), nullable=True),
    sa.Column('card', sa.Integer(), nullable=True),
    sa.Column('pinned', sa.Boolean(), nullable=False),
    sa.Column('shown', sa.Integer(), nullable=False),
    sa.Column('problem', sa.String(length=12), nullable=True),
    sa.Column('created_at', sa.DateTime(timezone=True), nullable=False),
    sa.Column('due_at', sa.DateTime(timezone=True), nullable=True),
    sa.Column('leased_until', sa.DateTime(timezone=True), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('last_error', sa.String(), nullable=True),
    sa.ForeignKeyConstraint(['case_id'], ['cases.id'], name=op.f('fk_topics_case_id')),
    sa.ForeignKeyConstraint(['conversation_id'], ['conversations.id'], name=op.f('fk_topics_conversation_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_topics')),
    sa.UniqueConstraint('conversation_id', 'chat', name=op.f('uq_topics_conversation_id_chat')),
    sa.UniqueConstraint('chat', 'thread', name=op.f('uq_topics_chat_thread'))
    )
    with op.batch_alter_table('topics', schema=None) as batch_op:
        batch_op.create_index(batch_op.f('ix_topics_due_at'), ['due_at'], unique=False)
        batch_op.create_index('ix_topics_open', ['open'], unique=False)
    op.create_table('topic_lines',
    sa.Column('id', sa.Integer(), nullable=False),
    sa.Column('topic_id', sa.Integer(), nullable=False),
    sa.Column('outside_id', sa.String(length=40), nullable=False),
    sa.Column('message_id', sa.Integer(), nullable=True),
    sa.Column('answer', sa.String(), nullable=True),
    sa.Column('failure_told', sa.Boolean(), nullable=False),
    sa.ForeignKeyConstraint(['message_id'], ['messages.id'], name=op.f('fk_topic_lines_message_id')),
    sa.ForeignKeyConstraint(['topic_id'], ['topics.id'], name=op.f('fk_topic_lines_topic_id')),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_topic_lines')),
    sa.UniqueConstraint('topic_id', 'outside_id', name=op.f('uq_topic_lines_topic_id_outside_id'))
    )
