"""${message}."""
<%
    steps = "\n".join(line for line in (upgrades or "pass").splitlines() if not line.strip().startswith("# ###"))
%>
import sqlalchemy as sa
from alembic import op

revision = ${repr(up_revision)}
down_revision = ${repr(down_revision)}
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; the way back is a backup."""
    ${steps.strip()}
