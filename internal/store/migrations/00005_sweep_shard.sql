-- +goose Up
-- What a round of a sweep is to ask: the plan stays here, workflows pass its numbers.
CREATE TABLE sweep_shard (
    sweep      TEXT   NOT NULL,
    round      BIGINT NOT NULL,
    number     BIGINT NOT NULL,
    planned_at BIGINT NOT NULL,
    shard      TEXT   NOT NULL,
    PRIMARY KEY (sweep, round, number)
);
CREATE INDEX sweep_shard_planned ON sweep_shard (planned_at);

-- +goose Down
DROP TABLE sweep_shard;
