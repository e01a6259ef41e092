-- +goose Up
-- What somebody said of a notification that nobody knew the fate of.
CREATE TABLE settled_by_hand (
    notification TEXT   NOT NULL,
    at           BIGINT NOT NULL,
    by_whom      TEXT   NOT NULL,
    resolution   TEXT   NOT NULL,
    provider_id  TEXT   NOT NULL,
    PRIMARY KEY (notification, at)
);

-- +goose Down
DROP TABLE settled_by_hand;
