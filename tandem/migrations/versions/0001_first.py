"""First."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Go forward; the way back is a backup."""
    op.create_table(
        "admin_keys",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=False),
        sa.Column("hash", sa.LargeBinary(length=32), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("revoked", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("admin_keys_pkey")),
        sa.UniqueConstraint("hash", name=op.f("admin_keys_hash_key")),
    )
    op.create_table(
        "alarms",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("origin", sa.String(length=96), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=256), nullable=False),
        sa.Column("severity", sa.String(length=16), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("raised", sa.BigInteger(), nullable=False),
        sa.Column("cleared", sa.BigInteger(), nullable=True),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "id", name=op.f("alarms_pkey")),
    )
    op.create_index(op.f("alarms_expires"), "alarms", ["expires"], unique=False)
    op.create_index(
        "alarms_open",
        "alarms",
        ["origin"],
        unique=False,
        sqlite_where=sa.text("cleared IS NULL"),
        postgresql_where=sa.text("cleared IS NULL"),
    )
    op.create_table(
        "audit",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("actor", sa.LargeBinary(), nullable=False),
        sa.Column("role", sa.String(length=16), nullable=True),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.Column("request", sa.String(length=36), nullable=False),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("target", sa.String(length=512), nullable=False),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("before", sa.Text(), nullable=True),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "id", name=op.f("audit_pkey")),
    )
    op.create_index(op.f("audit_expires"), "audit", ["expires"], unique=False)
    op.create_index("audit_id", "audit", ["id"], unique=False)
    op.create_table(
        "audit_outcomes",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("after", sa.Text(), nullable=True),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "id", name=op.f("audit_outcomes_pkey")),
    )
    op.create_index(op.f("audit_outcomes_expires"), "audit_outcomes", ["expires"], unique=False)
    op.create_table(
        "automatic_replies",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("own", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=32), nullable=False),
        sa.Column("hour", sa.BigInteger(), nullable=False),
        sa.Column("in_hour", sa.Integer(), nullable=False),
        sa.Column("day", sa.BigInteger(), nullable=False),
        sa.Column("in_day", sa.Integer(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "own", "peer", name=op.f("automatic_replies_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("automatic_replies_expires"), "automatic_replies", ["expires"], unique=False)
    op.create_table(
        "bodies",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("interaction", sa.LargeBinary(length=16), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "interaction", name=op.f("bodies_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("bodies_expires"), "bodies", ["expires"], unique=False)
    op.create_table(
        "carriers",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("file", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("carriers_pkey")),
    )
    op.create_table(
        "deliveries",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("subscription", sa.LargeBinary(length=16), nullable=False),
        sa.Column("interaction", sa.LargeBinary(length=16), nullable=True),
        sa.Column("event_id", sa.String(length=128), nullable=False),
        sa.Column("event_type", sa.String(length=96), nullable=False),
        sa.Column("data_version", sa.String(length=8), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.Column("node", sa.LargeBinary(length=16), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("tried", sa.BigInteger(), nullable=True),
        sa.Column("last_status", sa.Integer(), nullable=True),
        sa.Column("last_error", sa.String(length=200), nullable=True),
        sa.Column("reason", sa.String(length=48), nullable=True),
        sa.PrimaryKeyConstraint("resource", "id", name=op.f("deliveries_pkey")),
    )
    op.create_index(
        "deliveries_dead",
        "deliveries",
        ["resource", "subscription", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'dead'"),
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.create_index(
        "deliveries_due",
        "deliveries",
        ["node", "subscription", "due"],
        unique=False,
        sqlite_where=sa.text("node IS NOT NULL"),
        postgresql_where=sa.text("node IS NOT NULL"),
    )
    op.create_index(
        "deliveries_finished",
        "deliveries",
        ["state", "created"],
        unique=False,
        sqlite_where=sa.text("node IS NULL"),
        postgresql_where=sa.text("node IS NULL"),
    )
    op.create_table(
        "early_receipts",
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("remote_id", sa.String(length=65), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("carrier", "remote_id", "id", name=op.f("early_receipts_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("early_receipts_expires"), "early_receipts", ["expires"], unique=False)
    op.create_table(
        "forwards",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("message", sa.LargeBinary(length=16), nullable=False),
        sa.Column("node", sa.LargeBinary(length=16), nullable=True),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("own", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=32), nullable=False),
        sa.Column("target", sa.String(length=32), nullable=False),
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("hops", sa.Integer(), nullable=False),
        sa.Column("stops", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "id", name=op.f("forwards_pkey")),
    )
    op.create_index("forwards_circles", "forwards", ["resource", "digest"], unique=False)
    op.create_index(op.f("forwards_expires"), "forwards", ["expires"], unique=False)
    op.create_index("forwards_message", "forwards", ["resource", "message"], unique=False)
    op.create_index(
        "forwards_work",
        "forwards",
        ["node", "due"],
        unique=False,
        sqlite_where=sa.text("node IS NOT NULL"),
        postgresql_where=sa.text("node IS NOT NULL"),
    )
    op.create_table(
        "inbound_parts",
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("own", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("reference", sa.Integer(), nullable=False),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("link", sa.String(length=64), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("alphabet", sa.String(length=16), nullable=False),
        sa.Column("locking", sa.Integer(), nullable=False),
        sa.Column("single", sa.Integer(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("delivered", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("extras", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint(
            "carrier", "own", "peer", "kind", "reference", "total", "number", name=op.f("inbound_parts_pkey")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("inbound_parts_due"), "inbound_parts", ["due"], unique=False)
    op.create_table(
        "inbound_seen",
        sa.Column("digest", sa.LargeBinary(length=16), nullable=False),
        sa.Column("message", sa.LargeBinary(length=16), nullable=False),
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("link", sa.String(length=64), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("answer", sa.Integer(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("digest", "message", "node", name=op.f("inbound_seen_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("inbound_seen_expires"), "inbound_seen", ["expires"], unique=False)
    op.create_index("inbound_seen_node", "inbound_seen", ["node", "at"], unique=False)
    op.create_table(
        "interactions",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("own", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=32), nullable=False),
        sa.Column("carrier", sa.String(length=64), nullable=True),
        sa.Column("node", sa.LargeBinary(length=16), nullable=True),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("ended", sa.BigInteger(), nullable=True),
        sa.Column("price", sa.BigInteger(), nullable=True),
        sa.Column("currency", sa.String(length=3), nullable=True),
        sa.Column("detail", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "id", name=op.f("interactions_pkey")),
    )
    op.create_index(
        "interactions_due",
        "interactions",
        ["due"],
        unique=False,
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    )
    op.create_index(
        "interactions_node",
        "interactions",
        ["node", "carrier", "rank", "id"],
        unique=False,
        sqlite_where=sa.text("node IS NOT NULL"),
        postgresql_where=sa.text("node IS NOT NULL"),
    )
    op.create_index("interactions_peer", "interactions", ["resource", "peer", "id"], unique=False)
    op.create_table(
        "limit_counters",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("used", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "day", "name", name=op.f("limit_counters_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "message_parts",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("message", sa.LargeBinary(length=16), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("remote_id", sa.String(length=65), nullable=False),
        sa.Column("link", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("submitted", sa.BigInteger(), nullable=False),
        sa.Column("reported", sa.BigInteger(), nullable=True),
        sa.Column("report", sa.String(length=24), nullable=True),
        sa.PrimaryKeyConstraint("resource", "message", "part", name=op.f("message_parts_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index("message_parts_receipt", "message_parts", ["carrier", "remote_id"], unique=False)
    op.create_table(
        "nodes",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("lease_until", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("nodes_pkey")),
    )
    op.create_table(
        "number_hold_time",
        sa.Column("id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("offset", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("number_hold_time_pkey")),
    )
    op.create_table(
        "number_holds",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("detail", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "kind", "id", name=op.f("number_holds_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "number_holds_active",
        "number_holds",
        ["resource", "until"],
        unique=False,
        sqlite_where=sa.text("state = 'active'"),
        postgresql_where=sa.text("state = 'active'"),
    )
    op.create_index(op.f("number_holds_expires"), "number_holds", ["expires"], unique=False)
    op.create_table(
        "number_inventory",
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("lot", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("resource", sa.LargeBinary(length=16), nullable=True),
        sa.Column("hold", sa.LargeBinary(length=16), nullable=True),
        sa.Column("until", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("number", name=op.f("number_inventory_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "number_inventory_free",
        "number_inventory",
        ["lot", "number"],
        unique=False,
        sqlite_where=sa.text("state = 'free'"),
        postgresql_where=sa.text("state = 'free'"),
    )
    op.create_index(
        "number_inventory_until",
        "number_inventory",
        ["until"],
        unique=False,
        sqlite_where=sa.text("until IS NOT NULL"),
        postgresql_where=sa.text("until IS NOT NULL"),
    )
    op.create_table(
        "number_lots",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("assignment", sa.String(length=16), nullable=False),
        sa.Column("area_code", sa.String(length=8), nullable=False),
        sa.Column("capabilities", sa.Integer(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("agreement", sa.Integer(), nullable=False),
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("locality", sa.String(length=64), nullable=False),
        sa.Column("division", sa.String(length=16), nullable=False),
        sa.Column("division_name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("number_lots_pkey")),
        sa.UniqueConstraint(
            "country",
            "type",
            "assignment",
            "area_code",
            "capabilities",
            "cost",
            "currency",
            "agreement",
            "carrier",
            "locality",
            "division",
            "division_name",
            name="number_lots_same",
        ),
    )
    op.create_table(
        "number_operations",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("status", sa.String(length=12), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("location", sa.String(length=128), nullable=True),
        sa.Column("error", sa.LargeBinary(), nullable=True),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "kind", "id", name=op.f("number_operations_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("number_operations_expires"), "number_operations", ["expires"], unique=False)
    op.create_table(
        "numbers",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("number", sa.String(length=16), nullable=False),
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("acquired", sa.BigInteger(), nullable=False),
        sa.Column("country", sa.String(length=2), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("assignment", sa.String(length=16), nullable=False),
        sa.Column("capabilities", sa.Integer(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.PrimaryKeyConstraint("resource", "number", name=op.f("numbers_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index("numbers_number", "numbers", ["number"], unique=True)
    op.create_table(
        "opt_outs",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("own", sa.String(length=32), nullable=False),
        sa.Column("peer", sa.String(length=32), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("source", sa.String(length=48), nullable=False),
        sa.PrimaryKeyConstraint("resource", "own", "peer", name=op.f("opt_outs_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "parked_receipts",
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("link", sa.String(length=64), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("receipt", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("carrier", "link", "id", name=op.f("parked_receipts_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("parked_receipts_expires"), "parked_receipts", ["expires"], unique=False)
    op.create_table(
        "rate_chunks",
        sa.Column("sheet", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("chunk", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("rates", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sheet", "version", "chunk", name=op.f("rate_chunks_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "rate_sheets",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("active", sa.Integer(), nullable=True),
        sa.Column("newest", sa.Integer(), nullable=False),
        sa.Column("lines", sa.Integer(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("rate_sheets_pkey")),
    )
    op.create_table(
        "rate_uses",
        sa.Column("side", sa.String(length=4), nullable=False),
        sa.Column("whom", sa.String(length=64), nullable=False),
        sa.Column("sheet", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("side", "whom", name=op.f("rate_uses_pkey")),
    )
    op.create_table(
        "receipt_forms",
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("link", sa.String(length=64), nullable=False),
        sa.Column("setting", sa.String(length=16), nullable=False),
        sa.Column("form", sa.String(length=16), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.Column("pairs", sa.LargeBinary(), nullable=False),
        sa.Column("addresses", sa.Integer(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("carrier", "link", name=op.f("receipt_forms_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "repeatability",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("request_id", sa.String(length=64), nullable=False),
        sa.Column("operation", sa.String(length=64), nullable=False),
        sa.Column("first_sent", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(length=32), nullable=False),
        sa.Column("response", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "request_id", name=op.f("repeatability_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("repeatability_expires"), "repeatability", ["expires"], unique=False)
    op.create_table(
        "resource_limits",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("changed", sa.LargeBinary(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", name=op.f("resource_limits_pkey")),
    )
    op.create_table(
        "resources",
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("demonstration", sa.Boolean(), nullable=False),
        sa.Column("disabled", sa.BigInteger(), nullable=True),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("resources_pkey")),
    )
    op.create_table(
        "route_sets",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("document", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "version", name=op.f("route_sets_pkey")),
    )
    op.create_table(
        "running_calls",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("interaction", sa.LargeBinary(length=16), nullable=False),
        sa.Column("node", sa.LargeBinary(length=16), nullable=True),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "interaction", name=op.f("running_calls_pkey")),
    )
    op.create_index("running_calls_node", "running_calls", ["node"], unique=False)
    op.create_table(
        "sip_configurations",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("configuration", sa.LargeBinary(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", name=op.f("sip_configurations_pkey")),
    )
    op.create_table(
        "sip_trunks_enabled",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("fqdn", sa.String(length=249), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("addresses", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "fqdn", name=op.f("sip_trunks_enabled_pkey")),
        sa.UniqueConstraint("fqdn", name=op.f("sip_trunks_enabled_fqdn_key")),
    )
    op.create_table(
        "smpp_accounts",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("system_id", sa.String(length=15), nullable=False),
        sa.Column("password", sa.LargeBinary(), nullable=False),
        sa.Column("settings", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "system_id", name=op.f("smpp_accounts_pkey")),
    )
    op.create_index("smpp_accounts_system_id", "smpp_accounts", ["system_id"], unique=True)
    op.create_table(
        "smpp_outbox",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("system_id", sa.String(length=15), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("node", sa.LargeBinary(length=16), nullable=True),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("content", sa.LargeBinary(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "system_id", "id", name=op.f("smpp_outbox_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("smpp_outbox_expires"), "smpp_outbox", ["expires"], unique=False)
    op.create_index(
        "smpp_outbox_node",
        "smpp_outbox",
        ["node"],
        unique=False,
        sqlite_where=sa.text("node IS NOT NULL"),
        postgresql_where=sa.text("node IS NOT NULL"),
    )
    op.create_table(
        "smpp_presence",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("system_id", sa.String(length=15), nullable=False),
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("binds", sa.Integer(), nullable=False),
        sa.Column("wanted", sa.Integer(), nullable=False),
        sa.Column("granted", sa.Integer(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "system_id", "node", name=op.f("smpp_presence_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("smpp_presence_expires"), "smpp_presence", ["expires"], unique=False)
    op.create_table(
        "smpp_quotas",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("system_id", sa.String(length=15), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("used", sa.Integer(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "system_id", "day", name=op.f("smpp_quotas_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("smpp_quotas_expires"), "smpp_quotas", ["expires"], unique=False)
    op.create_table(
        "subscriptions",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("url", sa.String(length=2048), nullable=False),
        sa.Column("schema", sa.String(length=16), nullable=False),
        sa.Column("event_types", sa.Text(), nullable=False),
        sa.Column("secret", sa.LargeBinary(), nullable=False),
        sa.Column("old_secret", sa.LargeBinary(), nullable=True),
        sa.Column("old_secret_until", sa.BigInteger(), nullable=True),
        sa.Column("state", sa.String(length=24), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("ttl_minutes", sa.Integer(), nullable=False),
        sa.Column("validation", sa.LargeBinary(length=32), nullable=True),
        sa.Column("validation_until", sa.BigInteger(), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "id", name=op.f("subscriptions_pkey")),
        sa.UniqueConstraint("resource", "name", name=op.f("subscriptions_resource_name_key")),
    )
    op.create_table(
        "timeline",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("interaction", sa.LargeBinary(length=16), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("source", sa.String(length=32), nullable=False),
        sa.Column("kind", sa.String(length=48), nullable=False),
        sa.Column("data", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("resource", "interaction", "at", "seq", name=op.f("timeline_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "token_keys",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("public", sa.LargeBinary(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("resource", "id", name=op.f("token_keys_pkey")),
    )
    op.create_index(op.f("token_keys_expires"), "token_keys", ["expires"], unique=False)
    op.create_index(
        "token_keys_signing",
        "token_keys",
        ["resource"],
        unique=True,
        sqlite_where=sa.text("state = 'signing'"),
        postgresql_where=sa.text("state = 'signing'"),
    )
    op.create_table(
        "token_revocations",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("user", sa.LargeBinary(length=16), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "user", "generation", name=op.f("token_revocations_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("token_revocations_at"), "token_revocations", ["at"], unique=False)
    op.create_index(op.f("token_revocations_expires"), "token_revocations", ["expires"], unique=False)
    op.create_table(
        "usage_daily",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("day", sa.Integer(), nullable=False),
        sa.Column("carrier", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=8), nullable=False),
        sa.Column("direction", sa.String(length=8), nullable=False),
        sa.Column("country", sa.String(length=3), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("cost_currency", sa.String(length=3), nullable=False),
        sa.Column("node", sa.LargeBinary(length=16), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("units", sa.BigInteger(), nullable=False),
        sa.Column("price", sa.BigInteger(), nullable=False),
        sa.Column("cost", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint(
            "resource",
            "day",
            "carrier",
            "kind",
            "direction",
            "country",
            "currency",
            "cost_currency",
            "node",
            name=op.f("usage_daily_pkey"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage_revisions",
        sa.Column("topic", sa.String(length=16), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", name=op.f("usage_revisions_pkey")),
    )
    op.create_table(
        "user_counts",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("users", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("resource", name=op.f("user_counts_pkey")),
    )
    op.create_table(
        "users",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("id", sa.LargeBinary(length=16), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("custom_id", sa.String(length=256), nullable=True),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("token_issued", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("resource", "id", name=op.f("users_pkey")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "users_custom_id",
        "users",
        ["resource", "custom_id"],
        unique=True,
        sqlite_where=sa.text("custom_id IS NOT NULL"),
        postgresql_where=sa.text("custom_id IS NOT NULL"),
    )
    op.create_table(
        "resource_authorities",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("authority", sa.String(length=261), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource"],
            ["resources.id"],
        ),
        sa.PrimaryKeyConstraint("resource", "authority", name=op.f("resource_authorities_pkey")),
        sa.UniqueConstraint("authority", name=op.f("resource_authorities_authority_key")),
    )
    op.create_table(
        "resource_keys",
        sa.Column("resource", sa.LargeBinary(length=16), nullable=False),
        sa.Column("slot", sa.String(length=16), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("master", sa.String(length=16), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["resource"],
            ["resources.id"],
        ),
        sa.PrimaryKeyConstraint("resource", "slot", name=op.f("resource_keys_pkey")),
    )
