-- +goose Up
-- Who probes from a vantage just now: the limits of the vantage are theirs together.
-- A beat that no longer grows is of a worker that died.
CREATE TABLE prober (
    vantage TEXT   NOT NULL,
    worker  TEXT   NOT NULL,
    beat    BIGINT NOT NULL,
    PRIMARY KEY (vantage, worker)
);

-- +goose Down
DROP TABLE prober;
