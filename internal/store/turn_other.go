//go:build !unix

package store

import "context"

// fileLock locks nothing here: the writers of other processes wait for the
// database itself.
type fileLock struct{}

func openFileLock(string) (*fileLock, error)  { return nil, nil }
func (*fileLock) lock(context.Context) func() { return func() {} }
func (*fileLock) share() func()               { return func() {} }
func (*fileLock) taken() bool                 { return false }
func (*fileLock) close() error                { return nil }
