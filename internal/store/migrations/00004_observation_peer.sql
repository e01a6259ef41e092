-- +goose Up
-- The other end of a cable, for what a switch says of a port or a server of a power supply, is part of what was asked.
DROP INDEX observation_at;
CREATE TABLE observed (
    sweep      TEXT   NOT NULL,
    round      BIGINT NOT NULL,
    component  TEXT   NOT NULL,
    probe      TEXT   NOT NULL,
    peer       TEXT   NOT NULL,
    vantage    TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    result     TEXT   NOT NULL,
    detail     TEXT   NOT NULL,
    rtt_micros BIGINT NOT NULL,
    PRIMARY KEY (sweep, round, component, probe, peer, vantage)
);
INSERT INTO observed (sweep, round, component, probe, peer, vantage, at, result, detail, rtt_micros)
    SELECT sweep, round, component, probe, '', vantage, at, result, detail, rtt_micros FROM observation;
DROP TABLE observation;
ALTER TABLE observed RENAME TO observation;
CREATE INDEX observation_at ON observation (at);

-- +goose Down
DROP INDEX observation_at;
CREATE TABLE observed (
    sweep      TEXT   NOT NULL,
    round      BIGINT NOT NULL,
    component  TEXT   NOT NULL,
    probe      TEXT   NOT NULL,
    vantage    TEXT   NOT NULL,
    at         BIGINT NOT NULL,
    result     TEXT   NOT NULL,
    detail     TEXT   NOT NULL,
    rtt_micros BIGINT NOT NULL,
    PRIMARY KEY (sweep, round, component, probe, vantage)
);
INSERT INTO observed (sweep, round, component, probe, vantage, at, result, detail, rtt_micros)
    SELECT sweep, round, component, probe, vantage, at, result, detail, rtt_micros FROM observation WHERE peer = '';
DROP TABLE observation;
ALTER TABLE observed RENAME TO observation;
CREATE INDEX observation_at ON observation (at);
