-- +goose Up
-- The thread that an incident has in a team's room: the notification whose id at
-- the provider it is, and up to where the timeline was mirrored into it.
CREATE TABLE room_thread (
    incident TEXT   NOT NULL,
    room     TEXT   NOT NULL,
    opening  TEXT   NOT NULL,
    mirrored BIGINT NOT NULL DEFAULT 0,
    closed   BIGINT NOT NULL DEFAULT 0,
    PRIMARY KEY (incident, room)
);

-- A command from a messenger and the incident that it was about: one that is
-- delivered again is about no other, and is answered once.
CREATE TABLE room_command (
    id       TEXT   PRIMARY KEY,
    incident TEXT   NOT NULL,
    at       BIGINT NOT NULL,
    answered BIGINT NOT NULL DEFAULT 0
);

-- Whose account in a messenger is whose, as he said by a code of ours.
CREATE TABLE account (
    channel   TEXT   NOT NULL,
    name      TEXT   NOT NULL,
    contact   TEXT   NOT NULL,
    linked_at BIGINT NOT NULL,
    PRIMARY KEY (channel, name)
);
CREATE TABLE account_code (
    code       TEXT   PRIMARY KEY, -- hashed
    contact    TEXT   NOT NULL,
    expires_at BIGINT NOT NULL,
    used_at    BIGINT NOT NULL DEFAULT 0
);

-- +goose Down
DROP TABLE account_code;
DROP TABLE account;
DROP TABLE room_command;
DROP TABLE room_thread;
