-- +goose Up
-- When a contact last wrote to us by a channel: WhatsApp lets him be written to
-- freely for a day after that.
CREATE TABLE heard (
    contact TEXT   NOT NULL,
    channel TEXT   NOT NULL,
    at      BIGINT NOT NULL,
    PRIMARY KEY (contact, channel)
);

-- Who acted on a message that several people read: in a team's room.
ALTER TABLE notification ADD COLUMN acknowledged_by TEXT NOT NULL DEFAULT '';
ALTER TABLE provider_event ADD COLUMN who TEXT NOT NULL DEFAULT '';

-- +goose Down
ALTER TABLE provider_event DROP COLUMN who;
ALTER TABLE notification DROP COLUMN acknowledged_by;
DROP TABLE heard;
