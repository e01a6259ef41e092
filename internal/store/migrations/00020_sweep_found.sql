-- +goose Up
-- What a sweep has found, where it is too long for the histories of workflows.
CREATE TABLE sweep_found (
    sweep    TEXT   NOT NULL PRIMARY KEY,
    found_at BIGINT NOT NULL,
    found    TEXT   NOT NULL
);
CREATE INDEX sweep_found_at ON sweep_found (found_at);

-- +goose Down
DROP TABLE sweep_found;
