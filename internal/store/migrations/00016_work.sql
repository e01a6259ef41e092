-- +goose Up
-- All of a work that is asked for only as a whole: text, notices, who planned it.
ALTER TABLE maintenance ADD COLUMN status TEXT NOT NULL DEFAULT '';
ALTER TABLE maintenance ADD COLUMN document TEXT NOT NULL DEFAULT '{}';
ALTER TABLE maintenance_client ADD COLUMN reduced TEXT NOT NULL DEFAULT '[]';

-- +goose Down
ALTER TABLE maintenance_client DROP COLUMN reduced;
ALTER TABLE maintenance DROP COLUMN document;
ALTER TABLE maintenance DROP COLUMN status;
