-- +goose Up
-- When a question last began to go unanswered, be it answered again or not; 0: it never did, or before this was kept.
ALTER TABLE habit ADD COLUMN silent_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE habit DROP COLUMN silent_at;
