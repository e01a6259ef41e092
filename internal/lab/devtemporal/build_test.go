package devtemporal

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOverriddenBinaryIsTakenAsItIs(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "server")
	plain := filepath.Join(dir, "plain")
	for path, mode := range map[string]os.FileMode{good: 0o755, plain: 0o644} {
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, tc := range []struct {
		name, path string
		ok         bool
	}{
		{"executable", good, true},
		{"not executable", plain, false},
		{"folder", dir, false},
		{"missing", filepath.Join(dir, "none"), false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv(BinaryVariable, tc.path)
			path, err := Build(t.Context(), nil)
			if (err == nil) != tc.ok {
				t.Fatalf("error %v, want ok %v", err, tc.ok)
			}
			if err != nil && !strings.Contains(err.Error(), BinaryVariable) {
				t.Errorf("error doesn't name the variable: %v", err)
			}
			if tc.ok && path != tc.path {
				t.Errorf("path %s, want %s", path, tc.path)
			}
		})
	}
}

func TestDigestChangesWithWhatIsBuilt(t *testing.T) {
	module := t.TempDir()
	write := func(name, content string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(module, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	digest := func() string {
		t.Helper()
		d, err := sourceDigest(module)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	write("go.mod", "module x\n")
	write("go.sum", "")
	write("main.go", "package main\n")
	before := digest()
	write("main_test.go", "package main\n")
	write("notes.txt", "nothing")
	if digest() != before {
		t.Error("a test or a text changes the digest")
	}
	for _, tc := range []struct{ name, content string }{
		{"main.go", "package main // changed\n"},
		{"go.sum", "x v1.0.0 h1:=\n"},
		{"other.go", "package main\n"},
	} {
		write(tc.name, tc.content)
		after := digest()
		if after == before {
			t.Errorf("%s doesn't change the digest", tc.name)
		}
		before = after
	}
}

func TestBinaryWithoutItsDigestIsStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "server")
	if err := os.WriteFile(path, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	if upToDate(path, "d1") {
		t.Error("up to date without a digest")
	}
	if err := os.WriteFile(path+".digest", []byte("d1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !upToDate(path, "d1") || upToDate(path, "d2") {
		t.Error("the digest decides, and doesn't")
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if upToDate(path, "d1") {
		t.Error("up to date without a binary")
	}
}

func TestFailedBuildShowsWhatTheCompilerSaid(t *testing.T) {
	module := t.TempDir()
	for name, content := range map[string]string{
		"go.mod":  "module broken\n\ngo 1.26\n",
		"main.go": "package main\n\nfunc main() { undefinedThing() }\n",
	} {
		if err := os.WriteFile(filepath.Join(module, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var progress bytes.Buffer
	err := compile(t.Context(), module, filepath.Join(t.TempDir(), "server"), &progress)
	if err == nil || !strings.Contains(err.Error(), "undefinedThing") {
		t.Errorf("error doesn't quote the compiler: %v", err)
	}
	if !strings.Contains(progress.String(), "building") {
		t.Errorf("progress wasn't told: %q", &progress)
	}
}

func TestProgressTellsPackagesDownloadsAndErrorsApart(t *testing.T) {
	s := &buildState{started: time.Now()}
	for _, line := range []string{
		"go: downloading go.temporal.io/server v1.32.1",
		"go.temporal.io/server/common/log",
		"vakhta/internal/devserver",
		"# vakhta/internal/devserver",
		"./main.go:7:2: undefined: x",
	} {
		s.note(line)
	}
	if got := s.String(); !strings.Contains(got, "2 packages compiled, compiling vakhta/internal/devserver") {
		t.Errorf("state is %q", got)
	}
	if got, want := s.errors(), "# vakhta/internal/devserver\n./main.go:7:2: undefined: x"; got != want {
		t.Errorf("errors are %q, want %q", got, want)
	}
}

func TestMissingGoNamesTheRemedy(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := compile(t.Context(), t.TempDir(), filepath.Join(t.TempDir(), "server"), &bytes.Buffer{})
	if !errors.Is(err, exec.ErrNotFound) || !strings.Contains(err.Error(), BinaryVariable) {
		t.Errorf("error names no remedy: %v", err)
	}
}

func TestBuildsWaitForEachOther(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := lockFile(t.Context(), path, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	waiting := make(signalling, 1)
	second := make(chan error, 1)
	go func() {
		release, err := lockFile(ctx, path, waiting)
		if err == nil {
			release()
		}
		second <- err
	}()
	<-waiting // it said that it waits
	cancel()
	if err := <-second; !errors.Is(err, context.Canceled) {
		t.Errorf("second lock: %v, want it to wait until cancelled", err)
	}
	unlock()
	unlock, err = lockFile(t.Context(), path, &bytes.Buffer{})
	if err != nil {
		t.Fatalf("lock after unlock: %v", err)
	}
	unlock()
}

// signalling is a writer that tells when something was written.
type signalling chan string

func (s signalling) Write(b []byte) (int, error) {
	s <- string(b)
	return len(b), nil
}

func TestRootIsFoundFromATest(t *testing.T) {
	root, err := repositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(root, "internal", "devserver", "go.mod")); err != nil {
		t.Error(err)
	}
}
