-- +goose Up
-- What a notification says, apart from where it stands: each of its transitions writes the row of the
-- latter anew, which must not move ten kilobytes of mail.
CREATE TABLE notification_text (
    notification TEXT NOT NULL PRIMARY KEY REFERENCES notification (id),
    title        TEXT NOT NULL,
    body         TEXT NOT NULL,
    html         TEXT NOT NULL
);
INSERT INTO notification_text (notification, title, body, html) SELECT id, title, body, html FROM notification;
ALTER TABLE notification DROP COLUMN title;
ALTER TABLE notification DROP COLUMN body;
ALTER TABLE notification DROP COLUMN html;

-- Only callbacks that came before anybody knew whose they were are looked for, and those are few.
DROP INDEX provider_event_notification;
DROP INDEX provider_event_provider_id;
CREATE INDEX provider_event_early ON provider_event (provider_id, provider) WHERE notification = '';

-- +goose Down
DROP INDEX provider_event_early;
CREATE INDEX provider_event_notification ON provider_event (notification);
CREATE INDEX provider_event_provider_id ON provider_event (provider, provider_id);
ALTER TABLE notification ADD COLUMN title TEXT NOT NULL DEFAULT '';
ALTER TABLE notification ADD COLUMN body TEXT NOT NULL DEFAULT '';
ALTER TABLE notification ADD COLUMN html TEXT NOT NULL DEFAULT '';
UPDATE notification SET title = t.title, body = t.body, html = t.html FROM notification_text AS t WHERE t.notification = notification.id;
DROP TABLE notification_text;
