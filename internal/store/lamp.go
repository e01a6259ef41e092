package store

import (
	"context"
	"database/sql"
	"sync"
	"time"
)

// beacon tells all processes of one database that somewhere a page is under way,
// so that the gateway's callbacks and another worker's mails hold still for it.
// It is a lock that whoever has a page holds together with others, and that
// whoever writes much only looks at. It goes out with the process that lit it.
type beacon interface {
	// light returns at once; out puts it out again.
	light() (out func())
	lit(ctx context.Context) bool
}

// Light says to the other processes that something urgent is under way, until
// out is called. It is a courtesy: where it fails, nobody holds still.
func (s *Store) Light() (out func()) {
	if s.lamp == nil {
		return func() {}
	}
	return s.lamp.light()
}

const (
	// lampPatience is how long a write of many rows holds still at once: pages
	// that never end must not stop it.
	lampPatience = 100 * time.Millisecond
	lampLook     = 4 * time.Millisecond // between two looks
	lampWithin   = 5 * time.Second      // to light it, or to put it out
)

// giveWay returns when the lamp is out, or after lampPatience.
func (s *Store) giveWay(ctx context.Context) {
	if s.lamp == nil {
		return
	}
	for end := time.Now().Add(lampPatience); s.lamp.lit(ctx) && time.Now().Before(end); {
		select {
		case <-ctx.Done():
			return
		case <-time.After(lampLook):
		}
	}
}

// postgresLamp is an advisory lock of the database, one for each schema.
type postgresLamp struct{ db *sql.DB }

// lampKeys are the lock's two numbers; the first is ours among all programs'.
const lampKeys = `(7660, hashtext(current_schema()))`

func (l postgresLamp) light() (out func()) {
	ctx, cancel := context.WithTimeout(context.Background(), lampWithin)
	lit := make(chan *sql.Conn, 1)
	go func() { // a page doesn't wait for its lamp
		conn, err := l.db.Conn(ctx)
		if err == nil {
			if _, err = conn.ExecContext(ctx, `SELECT pg_advisory_lock_shared`+lampKeys); err != nil {
				_ = conn.Close()
			}
		}
		if err != nil {
			conn = nil
		}
		lit <- conn
	}()
	return func() {
		cancel() // a page that is over doesn't wait for its lamp either
		conn := <-lit
		if conn == nil {
			return
		}
		ctx, cancel := context.WithTimeout(context.Background(), lampWithin)
		defer cancel()
		if _, err := conn.ExecContext(ctx, `SELECT pg_advisory_unlock_shared`+lampKeys); err != nil {
			_ = conn.Raw(func(any) error { return err }) // a connection that may still hold the lock is no longer used
		}
		_ = conn.Close()
	}
}

func (l postgresLamp) lit(ctx context.Context) bool {
	var dark bool
	err := l.db.QueryRowContext(ctx, `SELECT CASE WHEN pg_try_advisory_lock`+lampKeys+` THEN pg_advisory_unlock`+lampKeys+` ELSE false END`).Scan(&dark)
	return err == nil && !dark
}

// fileLamp is a lock of a file beside the database: one handle to light it, one to look.
type fileLamp struct {
	own, others *fileLock

	mu      sync.Mutex
	holders int
	unlock  func()
}

func openFileLamp(path string) (*fileLamp, error) {
	own, err := openFileLock(path)
	if err != nil {
		return nil, err
	}
	others, err := openFileLock(path)
	return &fileLamp{own: own, others: others}, err
}

func (l *fileLamp) light() (out func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.holders++; l.holders == 1 {
		l.unlock = l.own.share()
	}
	return func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.holders--; l.holders == 0 {
			l.unlock()
		}
	}
}

func (l *fileLamp) lit(context.Context) bool { return l.others.taken() }
