-- +goose Up
-- Instants are BIGINT microseconds since 1970 UTC, 0 is none; JSON is TEXT.
CREATE TABLE notification (
    id               TEXT    PRIMARY KEY,
    key              TEXT    NOT NULL UNIQUE,
    subject          TEXT    NOT NULL,
    event            TEXT    NOT NULL,
    step             TEXT    NOT NULL,
    revision         BIGINT  NOT NULL,
    client           TEXT    NOT NULL,
    team             TEXT    NOT NULL,
    contact          TEXT    NOT NULL,
    channel          TEXT    NOT NULL,
    language         TEXT    NOT NULL,
    rung             BIGINT  NOT NULL,
    critical         BOOLEAN NOT NULL,
    title            TEXT    NOT NULL,
    body             TEXT    NOT NULL,
    html             TEXT    NOT NULL,
    ack_code         TEXT    NOT NULL UNIQUE,
    state            TEXT    NOT NULL,
    class            TEXT    NOT NULL,
    attempts         BIGINT  NOT NULL,
    is_repeat        BOOLEAN NOT NULL,
    provider         TEXT    NOT NULL,
    provider_id      TEXT    NOT NULL,
    deadline         BIGINT  NOT NULL,
    retry_at         BIGINT  NOT NULL,
    created_at       BIGINT  NOT NULL,
    updated_at       BIGINT  NOT NULL,
    acknowledged_at  BIGINT  NOT NULL,
    acknowledged_via TEXT    NOT NULL,
    lease_token      BIGINT  NOT NULL,
    lease_until      BIGINT  NOT NULL
);
CREATE INDEX notification_subject ON notification (subject, step, revision);
CREATE INDEX notification_client ON notification (client, created_at);
CREATE INDEX notification_contact ON notification (contact, created_at);
CREATE INDEX notification_created ON notification (created_at, id);

CREATE TABLE attempt (
    notification TEXT    NOT NULL REFERENCES notification (id),
    n            BIGINT  NOT NULL,
    lease_token  BIGINT  NOT NULL,
    is_repeat    BOOLEAN NOT NULL,
    state        TEXT    NOT NULL,
    class        TEXT    NOT NULL,
    provider     TEXT    NOT NULL,
    provider_id  TEXT    NOT NULL,
    http_status  BIGINT  NOT NULL,
    code         TEXT    NOT NULL,
    message      TEXT    NOT NULL,
    wrote        BOOLEAN NOT NULL,
    intent_at    BIGINT  NOT NULL,
    settled_at   BIGINT  NOT NULL,
    PRIMARY KEY (notification, lease_token)
);

-- Whose a provider's id is. A callback may know the id before we do: it leaves
-- the row with an empty notification, and whoever comes second sees the first.
CREATE TABLE provider_ref (
    provider     TEXT NOT NULL,
    provider_id  TEXT NOT NULL,
    notification TEXT NOT NULL,
    PRIMARY KEY (provider, provider_id)
);

CREATE TABLE provider_event (
    provider     TEXT    NOT NULL,
    key          TEXT    NOT NULL,
    notification TEXT    NOT NULL,
    provider_id  TEXT    NOT NULL,
    state        TEXT    NOT NULL,
    class        TEXT    NOT NULL,
    code         TEXT    NOT NULL,
    ack_code     TEXT    NOT NULL,
    acknowledged BOOLEAN NOT NULL,
    declined     BOOLEAN NOT NULL,
    at           BIGINT  NOT NULL,
    received_at  BIGINT  NOT NULL,
    PRIMARY KEY (provider, key)
);
CREATE INDEX provider_event_notification ON provider_event (notification);
CREATE INDEX provider_event_provider_id ON provider_event (provider, provider_id);

-- +goose Down
DROP TABLE provider_event;
DROP TABLE provider_ref;
DROP TABLE attempt;
DROP TABLE notification;
