-- +goose Up
CREATE TABLE counter (
    name  TEXT   PRIMARY KEY,
    value BIGINT NOT NULL
);
INSERT INTO counter (name, value) VALUES ('timeline', 0);

CREATE TABLE report (
    id          TEXT   PRIMARY KEY,
    channel     TEXT   NOT NULL,
    sender      TEXT   NOT NULL,
    client      TEXT   NOT NULL,
    contact     TEXT   NOT NULL,
    body        TEXT   NOT NULL,
    received_at BIGINT NOT NULL,
    incident    TEXT   NOT NULL,
    answer      TEXT   NOT NULL
);
CREATE INDEX report_received ON report (received_at);

CREATE TABLE incident (
    id           TEXT    PRIMARY KEY,
    component    TEXT    NOT NULL,
    number       BIGINT  NOT NULL,
    title        TEXT    NOT NULL,
    site         TEXT    NOT NULL,
    severity     TEXT    NOT NULL,
    status       TEXT    NOT NULL,
    runbook      TEXT    NOT NULL,
    runbook_rev  TEXT    NOT NULL,
    finding      TEXT    NOT NULL,
    servers      TEXT    NOT NULL,
    clients      TEXT    NOT NULL,
    restored     TEXT    NOT NULL,
    eta          BIGINT  NOT NULL,
    drill        BOOLEAN NOT NULL,
    opened_at    BIGINT  NOT NULL,
    resolved_at  BIGINT  NOT NULL
);
-- A component has one open incident at most; a drill doesn't stand in the way of a real one.
CREATE UNIQUE INDEX incident_open ON incident (component, drill) WHERE status <> 'resolved';
CREATE INDEX incident_component ON incident (component);
CREATE INDEX incident_opened ON incident (opened_at, id);

CREATE TABLE incident_client (
    incident TEXT NOT NULL REFERENCES incident (id),
    client   TEXT NOT NULL,
    PRIMARY KEY (incident, client)
);
CREATE INDEX incident_client_client ON incident_client (client);

CREATE TABLE incident_request (
    key      TEXT    PRIMARY KEY,
    incident TEXT    NOT NULL REFERENCES incident (id),
    created  BOOLEAN NOT NULL
);

CREATE TABLE timeline (
    seq      BIGINT  PRIMARY KEY,
    key      TEXT    NOT NULL UNIQUE,
    subject  TEXT    NOT NULL,
    at       BIGINT  NOT NULL,
    kind     TEXT    NOT NULL,
    actor    TEXT    NOT NULL,
    via      TEXT    NOT NULL,
    body     TEXT    NOT NULL,
    internal BOOLEAN NOT NULL
);
CREATE INDEX timeline_subject ON timeline (subject, seq);

CREATE TABLE alert (
    id          TEXT    PRIMARY KEY,
    source      TEXT    NOT NULL,
    key         TEXT    NOT NULL,
    component   TEXT    NOT NULL,
    summary     TEXT    NOT NULL,
    firing      BOOLEAN NOT NULL,
    labels      TEXT    NOT NULL,
    starts_at   BIGINT  NOT NULL,
    ends_at     BIGINT  NOT NULL,
    received_at BIGINT  NOT NULL,
    updated_at  BIGINT  NOT NULL,
    incident    TEXT    NOT NULL,
    UNIQUE (source, key)
);
CREATE INDEX alert_received ON alert (received_at, id);
CREATE INDEX alert_incident ON alert (incident);

CREATE TABLE observation (
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
CREATE INDEX observation_at ON observation (at);

CREATE TABLE maintenance (
    id         TEXT   PRIMARY KEY,
    title      TEXT   NOT NULL,
    components TEXT   NOT NULL,
    starts_at  BIGINT NOT NULL,
    ends_at    BIGINT NOT NULL,
    announced  BIGINT NOT NULL,
    revision   BIGINT NOT NULL
);
CREATE INDEX maintenance_ends ON maintenance (ends_at, starts_at);

CREATE TABLE maintenance_client (
    maintenance TEXT NOT NULL REFERENCES maintenance (id),
    client      TEXT NOT NULL,
    servers     TEXT NOT NULL,
    PRIMARY KEY (maintenance, client)
);
CREATE INDEX maintenance_client_client ON maintenance_client (client);

CREATE TABLE postmortem (
    incident   TEXT   PRIMARY KEY,
    revision   BIGINT NOT NULL,
    status     TEXT   NOT NULL,
    document   TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX postmortem_created ON postmortem (created_at, incident);

-- +goose Down
DROP TABLE postmortem;
DROP TABLE maintenance_client;
DROP TABLE maintenance;
DROP TABLE observation;
DROP TABLE alert;
DROP TABLE timeline;
DROP TABLE incident_request;
DROP TABLE incident_client;
DROP TABLE incident;
DROP TABLE report;
DROP TABLE counter;
