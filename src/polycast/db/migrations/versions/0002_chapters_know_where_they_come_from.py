"""Chapters know where they come from"""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # those that are there are taken for somebody's own work: they stay whatever file comes
    op.add_column(
        "chapters", sa.Column("origin", sa.String(), server_default=sa.text("'written'"), nullable=False)
    )
