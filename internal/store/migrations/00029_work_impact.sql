-- +goose Up
-- Machines that keep their service and work worse meanwhile.
ALTER TABLE maintenance_client ADD COLUMN degraded TEXT NOT NULL DEFAULT '[]';

-- Whom a person has told of a revision himself, whether a message was sent or not.
CREATE TABLE maintenance_told (
    maintenance TEXT   NOT NULL REFERENCES maintenance (id),
    revision    BIGINT NOT NULL,
    client      TEXT   NOT NULL,
    told_by     TEXT   NOT NULL,
    at          BIGINT NOT NULL,
    PRIMARY KEY (maintenance, revision, client)
);

-- +goose Down
DROP TABLE maintenance_told;
ALTER TABLE maintenance_client DROP COLUMN degraded;
