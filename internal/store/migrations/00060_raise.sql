-- +goose Up
-- What critical alerts may have in common, while their point of failure is
-- being looked for: an alert from one of these places joins the incident.
CREATE TABLE raised_place (
    component TEXT   NOT NULL PRIMARY KEY,
    incident  TEXT   NOT NULL,
    until     BIGINT NOT NULL
);
CREATE INDEX raised_place_incident ON raised_place (incident);

-- The incident that an alert was raised to before anybody knew the cause.
ALTER TABLE alert ADD COLUMN raised TEXT NOT NULL DEFAULT '';
-- Nothing is known yet but the alert; the request that brought the finding.
ALTER TABLE incident ADD COLUMN provisional BOOLEAN NOT NULL DEFAULT FALSE;
ALTER TABLE incident ADD COLUMN found_by TEXT NOT NULL DEFAULT '';
CREATE INDEX alert_raised ON alert (raised);
CREATE INDEX incident_found_by ON incident (found_by);
CREATE INDEX incident_provisional ON incident (component) WHERE provisional;

-- +goose Down
DROP INDEX incident_provisional;
DROP INDEX incident_found_by;
DROP INDEX alert_raised;
ALTER TABLE incident DROP COLUMN found_by;
ALTER TABLE incident DROP COLUMN provisional;
ALTER TABLE alert DROP COLUMN raised;
DROP TABLE raised_place;
