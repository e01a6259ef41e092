package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var migrations embed.FS

// appendOnly is the migration that can't be said in the same words to both:
// the timeline takes no UPDATE and no DELETE, whoever asks.
var appendOnly = map[string]struct{ up, down []string }{
	sqliteDialect.name: {
		up: []string{
			`CREATE TRIGGER timeline_keeps_lines BEFORE UPDATE ON timeline BEGIN SELECT RAISE(ABORT, 'the timeline is append-only'); END`,
			`CREATE TRIGGER timeline_loses_none BEFORE DELETE ON timeline BEGIN SELECT RAISE(ABORT, 'the timeline is append-only'); END`,
		},
		down: []string{`DROP TRIGGER timeline_keeps_lines`, `DROP TRIGGER timeline_loses_none`},
	},
	postgresDialect.name: {
		up: []string{
			`CREATE FUNCTION timeline_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'the timeline is append-only'; END $$`,
			`CREATE TRIGGER timeline_keeps_lines BEFORE UPDATE OR DELETE ON timeline FOR EACH ROW EXECUTE FUNCTION timeline_is_append_only()`,
			`CREATE TRIGGER timeline_loses_none BEFORE TRUNCATE ON timeline FOR EACH STATEMENT EXECUTE FUNCTION timeline_is_append_only()`,
		},
		down: []string{
			`DROP TRIGGER timeline_keeps_lines ON timeline`, `DROP TRIGGER timeline_loses_none ON timeline`, `DROP FUNCTION timeline_is_append_only()`,
		},
	},
}

// roomToGrow leaves room in PostgreSQL's pages for the rows that change a few
// times soon after they are written, so that a change touches no index. And
// what is written in one transaction with its notification asks for it no more:
// that took a query and a lock for each row.
var roomToGrow = map[string]struct{ up, down []string }{
	postgresDialect.name: {
		up: []string{
			`ALTER TABLE notification SET (fillfactor = 50)`,
			`ALTER TABLE attempt SET (fillfactor = 50)`,
			`ALTER TABLE attempt DROP CONSTRAINT attempt_notification_fkey`,
			`ALTER TABLE notification_text DROP CONSTRAINT notification_text_notification_fkey`,
		},
		down: []string{
			`ALTER TABLE notification RESET (fillfactor)`,
			`ALTER TABLE attempt RESET (fillfactor)`,
			`ALTER TABLE attempt ADD FOREIGN KEY (notification) REFERENCES notification (id)`,
			`ALTER TABLE notification_text ADD FOREIGN KEY (notification) REFERENCES notification (id)`,
		},
	},
}

// migrateTries: of two processes that migrate SQLite at once the later one
// fails on the first one's work, and finds it done when it looks again.
const migrateTries = 5

// Migrate brings the schema up to date. Any number of processes may try at once.
func (s *Store) Migrate(ctx context.Context) error {
	p, err := s.provider()
	if err != nil {
		return err
	}
	for try := 1; ; try++ {
		_, err = p.Up(ctx)
		if err == nil {
			return nil
		}
		if try == migrateTries || ctx.Err() != nil {
			return fmt.Errorf("store: migrate %s: %w", s.dialect.name, err)
		}
		time.Sleep(time.Duration(try) * 20 * time.Millisecond)
	}
}

// provider applies the migrations through the writer.
func (s *Store) provider() (*goose.Provider, error) {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		return nil, fmt.Errorf("store: open migrations: %w", err)
	}
	trigger, room := appendOnly[s.dialect.name], roomToGrow[s.dialect.name]
	options := []goose.ProviderOption{
		goose.WithDisableGlobalRegistry(true),
		goose.WithGoMigrations(goose.NewGoMigration(3, statements(trigger.up), statements(trigger.down)), goose.NewGoMigration(23, statements(room.up), statements(room.down))),
	}
	if s.dialect.name == postgresDialect.name {
		locker, err := lock.NewPostgresSessionLocker()
		if err != nil {
			return nil, fmt.Errorf("store: make migration lock: %w", err)
		}
		options = append(options, goose.WithSessionLocker(locker))
	}
	p, err := goose.NewProvider(s.dialect.goose, s.writer, files, options...)
	if err != nil {
		return nil, fmt.Errorf("store: read migrations: %w", err)
	}
	return p, nil
}

func statements(all []string) *goose.GoFunc {
	return &goose.GoFunc{RunTx: func(ctx context.Context, tx *sql.Tx) error {
		var errs []error
		for _, statement := range all {
			if _, err := tx.ExecContext(ctx, statement); err != nil {
				errs = append(errs, err)
				break
			}
		}
		return errors.Join(errs...)
	}}
}
