package probe

import (
	"bytes"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// program finds what a test needs beside Go; .ci/setup installs it.
func program(t testing.TB, name, debian string) string {
	t.Helper()
	for _, at := range []string{name, filepath.Join("/usr/sbin", name)} {
		if path, err := exec.LookPath(at); err == nil {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is not installed (Debian: apt-get install %s)", name, debian)
	}
	t.Skipf("%s is not installed (Debian: apt-get install %s)", name, debian)
	return ""
}

// daemon runs the program until the test ends, and shows what it said if the test failed.
func daemon(t testing.TB, path string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(path, args...)
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	stdin, err := cmd.StdinPipe() // some end with their input
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s said:\n%.4000s", path, said.String())
		}
	})
	return cmd
}

// freeUDP is a port of 127.0.0.1 that nobody listens on.
func freeUDP(t testing.TB) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().String()
}

// silentUDP is an address that takes everything and answers with what say makes
// of it; nil: with nothing.
func silentUDP(t testing.TB, say func([]byte) []byte) string {
	t.Helper()
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		buf := make([]byte, 4096)
		for {
			n, from, err := c.ReadFrom(buf)
			if err != nil {
				return
			}
			if say == nil {
				continue
			}
			if answer := say(buf[:n]); answer != nil { // an empty datagram is an answer, too
				_, _ = c.WriteTo(answer, from)
			}
		}
	}()
	t.Cleanup(func() { _ = c.Close(); <-done })
	return c.LocalAddr().String()
}

// soon fails if do never takes less than that. On a busy machine it may take longer for once, so that it
// gets some tries: what exceeds its budget by itself does so each time.
func soon(t *testing.T, most time.Duration, do func()) {
	t.Helper()
	soonAfter(t, most, func(*testing.T) time.Duration {
		began := time.Now()
		do()
		return time.Since(began)
	})
}

// soonAfter is the same of what do itself measures.
func soonAfter(t *testing.T, most time.Duration, do func(*testing.T) time.Duration) {
	t.Helper()
	var took time.Duration
	for range 5 {
		if took = do(t); took < most || t.Failed() {
			return
		}
	}
	t.Errorf("took %v, want less than %v", took, most)
}

// until repeats try for as long as a slow machine may take.
func until(t testing.TB, what string, try func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !try(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain until %s", what)
		}
	}
}
