//go:build unix

package store

import (
	"context"
	"fmt"
	"os"
	"syscall"
)

// fileLock is a lock over processes: a file beside the database, which is
// empty and may be deleted when nobody works. A nil one locks nothing.
type fileLock struct{ file *os.File }

func openFileLock(path string) (*fileLock, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("store: open %s, by which the writers of the database take turns: %w", path, err)
	}
	return &fileLock{f}, nil
}

// lock waits for the lock and returns how to give it back. When ctx ends first
// it goes without: the lock is given back as soon as it is got.
func (l *fileLock) lock(ctx context.Context) (unlock func()) {
	if l == nil {
		return func() {}
	}
	fd := int(l.file.Fd())
	if syscall.Flock(fd, syscall.LOCK_EX|syscall.LOCK_NB) == nil {
		return l.unlock
	}
	got, gone := make(chan struct{}), make(chan struct{})
	go func() {
		for {
			if err := syscall.Flock(fd, syscall.LOCK_EX); err != syscall.EINTR {
				break
			}
		}
		select {
		case got <- struct{}{}:
		case <-gone:
			l.unlock()
		}
	}()
	select {
	case <-got:
		return l.unlock
	case <-ctx.Done():
		close(gone)
		return func() {}
	}
}

// share holds the lock together with others, and returns how to give it back.
// Who looks whether it is taken has it for a moment only.
func (l *fileLock) share() (unlock func()) {
	if l == nil || syscall.Flock(int(l.file.Fd()), syscall.LOCK_SH) != nil {
		return func() {}
	}
	return l.unlock
}

// taken says whether somebody else holds the lock.
func (l *fileLock) taken() bool {
	if l == nil {
		return false
	}
	err := syscall.Flock(int(l.file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		l.unlock()
	}
	return err == syscall.EWOULDBLOCK
}

func (l *fileLock) unlock() { _ = syscall.Flock(int(l.file.Fd()), syscall.LOCK_UN) }

func (l *fileLock) close() error {
	if l == nil {
		return nil
	}
	return l.file.Close()
}
