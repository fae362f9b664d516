"""Files found by their content: the sweep asks which of them a message names."""

from alembic import op

revision = '20261122_files_by_content'
down_revision = '20261122_attachments'


def upgrade() -> None:
    op.create_index(op.f('ix_attachments_sha256'), 'attachments', ['sha256'])
