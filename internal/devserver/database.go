package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"go.temporal.io/server/common/config"
	sqliteplugin "go.temporal.io/server/common/persistence/sql/sqlplugin/sqlite"
	"go.temporal.io/server/schema/sqlite"
	"google.golang.org/protobuf/types/known/durationpb"
)

// lockDatabase keeps a second server away from the same file: SQLite would let it in, and both would hand out the
// same tasks. The kernel drops the lock when the process dies, however it dies.
func lockDatabase(db string) (unlock func(), err error) {
	if db == "" {
		return func() {}, nil
	}
	path := db + ".lock"
	if err := os.MkdirAll(filepath.Dir(db), 0o750); err != nil {
		return nil, refusal("--db %s: %w", db, err)
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, refusal("--db %s: open lock file: %w; choose a folder that can be written", db, err)
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		holder, _ := os.ReadFile(path)
		_ = f.Close()
		if errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, refusal("database %s is in use by process %s: stop that one, or give another file with --db",
				db, strings.TrimSpace(string(holder)))
		}
		return nil, fmt.Errorf("lock %s: %w", path, err)
	}
	if err := errors.Join(f.Truncate(0), writeAt(f, strconv.Itoa(os.Getpid())+"\n")); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("write %s: %w", path, err)
	}
	return func() { _ = f.Close() }, nil
}

func writeAt(f *os.File, s string) error {
	_, err := f.WriteAt([]byte(s), 0)
	return err
}

// openStore makes sure that schema and namespace exist, and returns the connection settings.
func openStore(o options) (*config.SQL, error) {
	store := storeConfig(o.db)
	if o.db != "" {
		if err := ensureSchema(o.db); err != nil {
			return nil, err
		}
	}
	ns, err := sqlite.NewNamespaceConfig(clusterName, o.namespace, false, searchAttributes)
	if err != nil {
		return nil, fmt.Errorf("describe namespace %s: %w", o.namespace, err)
	}
	ns.Detail.Config.Retention = durationpb.New(o.retention) // the constructor sets 24 h
	if err := sqlite.CreateNamespaces(store, ns); err != nil {
		return nil, fmt.Errorf("create namespace %s in database %s: %w", o.namespace, store.DatabaseName, err)
	}
	return store, nil
}

// storeConfig describes the connection. The number of connections stays at one: more of them block each other in
// SQLite (measured: four halve the throughput).
func storeConfig(db string) *config.SQL {
	store := &config.SQL{PluginName: sqliteplugin.PluginName}
	if db == "" {
		store.DatabaseName = "vakhta" + strconv.FormatUint(rand.Uint64(), 36)
		store.ConnectAttributes = map[string]string{"mode": "memory", "cache": "shared"}
		return store
	}
	store.DatabaseName = db
	store.ConnectAttributes = map[string]string{
		"mode":         "rwc",
		"journal_mode": "wal",
		"synchronous":  "2", // FULL: a commit that was answered survives power loss too
		"busy_timeout": "10000",
	}
	return store
}

// ensureSchema creates the tables of a new database. It builds them under another name and renames the file last:
// a process killed half-way leaves no database with half a schema behind.
func ensureSchema(db string) error {
	info, err := os.Stat(db)
	if err == nil && info.Size() > 0 {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("look for database %s: %w", db, err)
	}
	fresh := db + ".new"
	for _, leftover := range []string{fresh, fresh + "-journal"} {
		if err := os.Remove(leftover); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove leftover %s: %w", leftover, err)
		}
	}
	setup := storeConfig(fresh)
	setup.ConnectAttributes = map[string]string{"mode": "rwc", "synchronous": "0"} // rollback journal: one file to rename
	if err := sqlite.SetupSchema(setup); err != nil {
		return fmt.Errorf("create schema in %s: %w", db, err)
	}
	if err := syncFile(fresh); err != nil {
		return fmt.Errorf("write schema to disk: %w", err)
	}
	if err := os.Rename(fresh, db); err != nil {
		return fmt.Errorf("put new database in place: %w", err)
	}
	return nil
}

func syncFile(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
