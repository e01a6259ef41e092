-- +goose Up
-- What earlier sweeps saw of what a sweep looks at: they may be forgotten before it is.
CREATE TABLE recalled (
    sweep     TEXT   NOT NULL,
    component TEXT   NOT NULL,
    probe     TEXT   NOT NULL,
    vantage   TEXT   NOT NULL,
    at        BIGINT NOT NULL,
    result    TEXT   NOT NULL,
    detail    TEXT   NOT NULL,
    PRIMARY KEY (sweep, component, probe, vantage, at)
);

-- A sweep that found nothing is kept for as long as those that come after it look back.
ALTER TABLE habit_sweep ADD COLUMN quiet BIGINT NOT NULL DEFAULT 0;
CREATE INDEX habit_sweep_at ON habit_sweep (at);

-- +goose Down
DROP INDEX habit_sweep_at;
ALTER TABLE habit_sweep DROP COLUMN quiet;
DROP TABLE recalled;
