-- +goose Up
-- Somebody stands in for who would be on call. One that is taken back stays, for the record.
CREATE TABLE on_call_override (
    id TEXT PRIMARY KEY,
    team TEXT NOT NULL,
    rotation TEXT NOT NULL,
    person TEXT NOT NULL,
    starts_at BIGINT NOT NULL,
    ends_at BIGINT NOT NULL,
    author TEXT NOT NULL,
    reason TEXT NOT NULL DEFAULT '',
    made_at BIGINT NOT NULL,
    number BIGINT NOT NULL,
    removed_at BIGINT NOT NULL DEFAULT 0,
    removed_by TEXT NOT NULL DEFAULT ''
);
CREATE INDEX on_call_override_ends ON on_call_override (ends_at);

-- Whose turn it is in a level that pages by round-robin: one number for each incident.
CREATE TABLE on_call_turn (
    level TEXT NOT NULL,
    incident TEXT NOT NULL,
    number BIGINT NOT NULL,
    PRIMARY KEY (level, incident)
);

-- +goose Down
DROP TABLE on_call_turn;
DROP TABLE on_call_override;
