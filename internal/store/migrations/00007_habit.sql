-- +goose Up
-- How each host usually answers each question from each vantage, learned sweep by sweep.
CREATE TABLE habit (
    component TEXT   NOT NULL,
    probe     TEXT   NOT NULL,
    peer      TEXT   NOT NULL,
    vantage   TEXT   NOT NULL,
    asked     BIGINT NOT NULL,
    answered  BIGINT NOT NULL,
    rtt       DOUBLE PRECISION NOT NULL,
    deviation DOUBLE PRECISION NOT NULL,
    first_at  BIGINT NOT NULL,
    last_at   BIGINT NOT NULL,
    last_up   BIGINT NOT NULL,
    silent    BIGINT NOT NULL,
    PRIMARY KEY (component, probe, peer, vantage)
);

-- A sweep teaches once.
CREATE TABLE habit_sweep (
    sweep TEXT   PRIMARY KEY,
    at    BIGINT NOT NULL
);

-- +goose Down
DROP TABLE habit_sweep;
DROP TABLE habit;
