-- +goose Up
-- Addresses to which nothing is sent any more. The address is sealed: it tells
-- whether the inventory still means the same one.
CREATE TABLE barred (
    contact      TEXT   NOT NULL,
    channel      TEXT   NOT NULL,
    address      TEXT   NOT NULL,
    bar          TEXT   NOT NULL,
    provider     TEXT   NOT NULL,
    code         TEXT   NOT NULL,
    notification TEXT   NOT NULL,
    since        BIGINT NOT NULL,
    PRIMARY KEY (contact, channel)
);

-- +goose Down
DROP TABLE barred;
