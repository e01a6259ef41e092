-- +goose Up
-- The calendar that a mail about planned work carries; each client's is his own.
ALTER TABLE notification_text ADD COLUMN calendar TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE notification_text DROP COLUMN calendar;
