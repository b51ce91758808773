CREATE TABLE IF NOT EXISTS schema_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    checksum BYTEA NOT NULL, -- of the migration's file
    applied_at TIMESTAMPTZ NOT NULL DEFAULT now()
)
