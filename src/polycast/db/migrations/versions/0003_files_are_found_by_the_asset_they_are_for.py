"""Files are found by the asset they are for"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index(
        "ix_files_intent_asset",
        "files",
        [sa.text("(intent ->> 'asset')")],
        unique=False,
        postgresql_where=sa.text("(intent ->> 'asset') IS NOT NULL"),
    )
