package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // driver "pgx"
	_ "modernc.org/sqlite"             // driver "sqlite"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/seal"
)

// Errors that callers branch on.
var (
	// ErrNotFound: there is no such record.
	ErrNotFound = errors.New("not found")
	// ErrFenced: the lease was lost; somebody else settles this notification.
	ErrFenced = errors.New("fenced: the lease is no longer held")
	// ErrConflict: the record has changed, or another one stands in its place.
	ErrConflict = errors.New("conflict")
)

// Store is one database. It is safe for concurrent use, by any number of processes.
type Store struct {
	dialect dialect
	writer  *sql.DB // SQLite: one connection, so that writers of one process queue here
	reader  *sql.DB // may be the writer
	turn    turn
	lamp    beacon // nil: nobody else uses the database
	settles *committer[settle, error]
	events  *committer[arrival, ledger.Applied]

	ring      *seal.Ring // nil: addresses are kept in the clear
	addressOf func(contact string, ch inventory.Channel) string
}

// Option tells a store what it can't know by itself.
type Option func(*Store)

// Sealed has the store encrypt the addresses that it keeps. Without it they
// are kept in the clear, and sealed ones can't be read.
func Sealed(ring *seal.Ring) Option { return func(s *Store) { s.ring = ring } }

// Addresses tells the store where a contact is reached at present, empty where
// he isn't. Without it the store remembers no dead address by itself.
func Addresses(of func(contact string, ch inventory.Channel) string) Option {
	return func(s *Store) { s.addressOf = of }
}

// Connections to PostgreSQL, and readers of SQLite, per process.
const (
	postgresConnections = 16
	sqliteReaders       = 4
)

// Open opens the database that dsn names: "sqlite:PATH", "sqlite::memory:" or
// "postgres://user@host/database". It connects, but doesn't migrate.
func Open(ctx context.Context, dsn string, options ...Option) (*Store, error) {
	var s *Store
	var err error
	path, isSQLite := strings.CutPrefix(dsn, "sqlite:")
	switch {
	case isSQLite && path != "":
		s, err = openSQLite(path)
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
		s, err = openPostgres(dsn)
	default:
		// The DSN may hold a password: it is not repeated here.
		return nil, errors.New(`store: the address of the database is neither "sqlite:PATH" nor "postgres://user@host/database"; for one file beside the program write sqlite:vakhta.db`)
	}
	if err != nil {
		return nil, err
	}
	for _, set := range options {
		set(s)
	}
	s.settles = newCommitter(s.settleAll)
	s.events = newCommitter(s.applyAll)
	err = s.Ping(ctx)
	if err == nil && isSQLite && path != inMemory {
		err = s.lineUp(path)
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// sqlitePragmas: WAL lets readers and one writer work side by side, over
// processes too; FULL makes a commit survive a power cut, not just a crash of
// ours, because an intent that is forgotten is a message sent twice.
var sqlitePragmas = []string{
	"busy_timeout(10000)", "journal_mode(WAL)", "synchronous(FULL)", "foreign_keys(ON)", "temp_store(MEMORY)",
}

// The pages that each connection to a SQLite file keeps, in KiB. Those that only
// read find the others in the system's cache. A page takes twice its size: the
// allocator rounds it, with its header, up to a power of two.
const (
	writerCache = "cache_size(-8000)"
	readerCache = "cache_size(-2000)"
)

// inMemory is the path of a database that is nobody else's.
const inMemory = ":memory:"

func openSQLite(path string) (*Store, error) {
	if path == inMemory {
		db, err := sql.Open("sqlite", ":memory:?_txlock=immediate&_pragma=foreign_keys(ON)")
		if err != nil {
			return nil, fmt.Errorf("store: open SQLite in memory: %w", err)
		}
		db.SetMaxOpenConns(1) // each connection would be a database of its own
		return &Store{dialect: sqliteDialect, writer: db, reader: db}, nil
	}
	pragmas := url.Values{"_pragma": sqlitePragmas}.Encode()
	file := (&url.URL{Scheme: "file", Opaque: (&url.URL{Path: path}).EscapedPath()}).String()
	writer, err := sql.Open("sqlite", file+"?_txlock=immediate&"+pragmas+"&_pragma="+writerCache)
	if err != nil {
		return nil, fmt.Errorf("store: open SQLite file %s: %w", path, err)
	}
	writer.SetMaxOpenConns(1)
	reader, err := sql.Open("sqlite", file+"?"+pragmas+"&_pragma=query_only(ON)&_pragma="+readerCache)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("store: open SQLite file %s: %w", path, err), writer.Close())
	}
	reader.SetMaxOpenConns(sqliteReaders)
	reader.SetMaxIdleConns(sqliteReaders)
	return &Store{dialect: sqliteDialect, writer: writer, reader: reader}, nil
}

// lineUp makes the writers of a SQLite file take turns.
func (s *Store) lineUp(path string) error {
	bulk, err := openFileLock(path + "-turn-bulk")
	if err != nil {
		return err
	}
	s.turn.bulk = newGate(1, bulk)
	all, err := openFileLock(path + "-turn")
	if err != nil {
		return err
	}
	s.turn.all = newGate(1, all)
	lamp, err := openFileLamp(path + "-turn-page")
	if err != nil {
		return err
	}
	s.lamp = lamp
	return nil
}

func openPostgres(dsn string) (*Store, error) {
	db, err := sql.Open("pgx", dsn)
	if err != nil {
		return nil, errors.New("store: open PostgreSQL: the address is malformed; it looks like postgres://user:password@host:5432/database?sslmode=verify-full")
	}
	db.SetMaxOpenConns(postgresConnections)
	db.SetMaxIdleConns(postgresConnections)
	db.SetConnMaxIdleTime(5 * time.Minute)
	return &Store{dialect: postgresDialect, writer: db, reader: db, turn: turn{bulk: newGate(bulkAtOnce(), nil)}, lamp: postgresLamp{db}}, nil
}

// Ping says whether the database answers.
func (s *Store) Ping(ctx context.Context) error {
	// The writer first: it creates a SQLite file that isn't there yet.
	for _, db := range []*sql.DB{s.writer, s.reader} {
		if err := db.PingContext(ctx); err != nil {
			return fmt.Errorf("store: %s does not answer (is it running, and may this user write there?): %w", s.dialect.name, err)
		}
	}
	return nil
}

// Close releases the connections. What was committed stays.
func (s *Store) Close() error {
	if s.reader == s.writer {
		return s.writer.Close()
	}
	err := errors.Join(s.reader.Close(), s.writer.Close(), s.turn.close())
	if l, ok := s.lamp.(*fileLamp); ok {
		err = errors.Join(err, l.own.close(), l.others.close())
	}
	return err
}

// micros is how an instant is stored: microseconds since 1970, UTC; 0 is none.
func micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func instant(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

// Notification reads one notification.
func (s *Store) Notification(ctx context.Context, id string) (ledger.Notification, error) {
	return one(scanNotification(s.reader.QueryRowContext(ctx, selectNotification+` WHERE id = $1`, id)))("notification", id)
}
