-- +goose Up
-- What people at a site are asked to look at, and what they said.
CREATE TABLE question (
    id          TEXT   PRIMARY KEY,
    incident    TEXT   NOT NULL,
    number      BIGINT NOT NULL,
    component   TEXT   NOT NULL,
    probe       TEXT   NOT NULL,
    peer        TEXT   NOT NULL,
    site        TEXT   NOT NULL,
    team        TEXT   NOT NULL,
    state       TEXT   NOT NULL,
    asked_by    TEXT   NOT NULL,
    asked_at    BIGINT NOT NULL,
    deadline    BIGINT NOT NULL,
    answer      TEXT   NOT NULL,
    answered_by TEXT   NOT NULL,
    via         TEXT   NOT NULL,
    note        TEXT   NOT NULL,
    answered_at BIGINT NOT NULL
);
CREATE INDEX question_incident ON question (incident, number);
CREATE INDEX question_asked ON question (asked_at, id);

-- +goose Down
DROP TABLE question;
