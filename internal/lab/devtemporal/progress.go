package devtemporal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// How often progress is told: a terminal's line is rewritten, a log gets a new line.
const (
	terminalInterval = time.Second
	logInterval      = 10 * time.Second
)

// buildState is what is known of a running build.
type buildState struct {
	mu       sync.Mutex
	started  time.Time
	packages int      // compiled so far
	latest   string   // what go said last
	other    []string // lines that are neither download nor package: errors
}

// note takes in one line that go build -v printed.
func (s *buildState) note(line string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case strings.HasPrefix(line, "go: downloading "):
		s.latest = strings.TrimPrefix(line, "go: ")
	case line != "" && !strings.ContainsAny(line, " :#\t"):
		s.packages++
		s.latest = "compiling " + line
	default:
		s.other = append(s.other, line)
	}
}

func (s *buildState) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	elapsed := time.Since(s.started).Round(time.Second)
	if s.latest == "" {
		return fmt.Sprintf("embedded Temporal server: building, %v", elapsed)
	}
	return fmt.Sprintf("embedded Temporal server: building, %v, %d packages compiled, %s", elapsed, s.packages, s.latest)
}

// errors returns what the compiler complained about.
func (s *buildState) errors() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	const most = 20
	lines := s.other
	if len(lines) > most {
		lines = append(lines[:most:most], fmt.Sprintf("… and %d lines more", len(s.other)-most))
	}
	return strings.Join(lines, "\n")
}

// runWithProgress runs a `go build -v` and tells progress what it is at until it ends.
func runWithProgress(cmd *exec.Cmd, progress io.Writer) error {
	state := &buildState{started: time.Now()}
	out, w := io.Pipe()
	cmd.Stdout, cmd.Stderr = w, w
	read := make(chan struct{})
	go func() {
		defer close(read)
		lines := bufio.NewScanner(out)
		for lines.Scan() {
			state.note(lines.Text())
		}
		_, _ = io.Copy(io.Discard, out) // a line beyond the scanner's limit must not block the build
	}()
	if err := cmd.Start(); err != nil {
		_ = w.Close()
		<-read
		return err
	}
	fmt.Fprintln(progress, "embedded Temporal server: building; the first time this takes about five minutes, later seconds")
	stop := tellEvery(progress, state)
	err := cmd.Wait()
	_ = w.Close()
	<-read
	stop()
	if err != nil {
		return errors.Join(err, errors.New(state.errors()))
	}
	fmt.Fprintf(progress, "embedded Temporal server: built in %v\n", time.Since(state.started).Round(time.Second))
	return nil
}

// tellEvery prints the state at intervals until stop is called.
func tellEvery(progress io.Writer, state fmt.Stringer) (stop func()) {
	interval, format := logInterval, "%s\n"
	terminal := isTerminal(progress)
	if terminal {
		interval, format = terminalInterval, "\r\x1b[K%.110s"
	}
	quit, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		tick := time.NewTicker(interval)
		defer tick.Stop()
		for {
			select {
			case <-quit:
				if terminal {
					fmt.Fprint(progress, "\r\x1b[K")
				}
				return
			case <-tick.C:
				fmt.Fprintf(progress, format, state)
			}
		}
	}()
	return func() { close(quit); <-done }
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
}

// lockFile takes an exclusive lock that dies with the process, and says so when it has to wait.
func lockFile(ctx context.Context, path string, progress io.Writer) (unlock func(), err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock file: %w", err)
	}
	told := false
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
		if err == nil {
			return func() { _ = f.Close() }, nil
		}
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			_ = f.Close()
			return nil, fmt.Errorf("lock %s: %w", path, err)
		}
		if !told {
			fmt.Fprintln(progress, "embedded Temporal server: another process is building it, waiting")
			told = true
		}
		select {
		case <-ctx.Done():
			_ = f.Close()
			return nil, fmt.Errorf("wait for another build of the embedded Temporal server: %w", ctx.Err())
		case <-tick.C:
		}
	}
}
