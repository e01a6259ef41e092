-- +goose Up
-- The sweep that found it: its observations are kept with the incident.
ALTER TABLE incident ADD COLUMN sweep TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE incident DROP COLUMN sweep;
