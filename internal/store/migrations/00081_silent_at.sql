-- +goose Up
-- When an unanswered question first went unanswered, since it was last answered; 0: it is answered, or
-- fell silent before this was kept.
ALTER TABLE habit ADD COLUMN silent_at BIGINT NOT NULL DEFAULT 0;

-- +goose Down
ALTER TABLE habit DROP COLUMN silent_at;
