// Package storetest gives tests a store of their own, migrated, in the time
// that it takes to copy a file. Only tests import it.
package storetest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"vakhta/internal/store"
)

// template is a migrated SQLite database: the migrations take a second under
// the race detector, and every test wants a fresh one.
var template = sync.OnceValues(func() (db []byte, err error) {
	dir, err := os.MkdirTemp("", "vakhta-storetest-")
	if err != nil {
		return nil, fmt.Errorf("make a place for the template: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	file := filepath.Join(dir, "template.db")
	st, err := store.Open(context.Background(), "sqlite:"+file)
	if err != nil {
		return nil, err
	}
	err = st.Migrate(context.Background())
	if closed := st.Close(); err == nil {
		err = closed // which writes the log back into the file
	}
	if err != nil {
		return nil, err
	}
	return os.ReadFile(file)
})

// Open returns an empty store on SQLite, which ends with the test.
func Open(t testing.TB) *store.Store {
	t.Helper()
	db, err := template()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "vakhta.db")
	if err := os.WriteFile(file, db, 0o600); err != nil {
		t.Fatal(err)
	}
	st, err := store.Open(t.Context(), "sqlite:"+file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Errorf("close the store: %v", err)
		}
	})
	return st
}
