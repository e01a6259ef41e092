-- +goose Up
-- Whom no channel was left for in a sending: workflows keep a few names and the count.
CREATE TABLE unreached (
    subject  TEXT   NOT NULL,
    step     TEXT   NOT NULL,
    revision BIGINT NOT NULL,
    contact  TEXT   NOT NULL,
    client   TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    PRIMARY KEY (subject, step, revision, contact)
);

-- +goose Down
DROP TABLE unreached;
