-- +goose Up
-- What is left of a provider account's rate, shared by all workers: the instant
-- of the first message that nobody has taken yet.
CREATE TABLE allowance (
    name TEXT   PRIMARY KEY,
    free BIGINT NOT NULL
);

-- A delivery reads its part of a sending by the ids between two bounds.
DROP INDEX notification_subject;
CREATE INDEX notification_subject ON notification (subject, step, revision, id);

-- +goose Down
DROP INDEX notification_subject;
CREATE INDEX notification_subject ON notification (subject, step, revision);
DROP TABLE allowance;
