package devtemporal

import (
	"bytes"
	"context"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"
)

// patience bounds every wait of a test.
const patience = 2 * time.Minute

func startServer(t *testing.T, o Options) *Server {
	t.Helper()
	// The first build takes minutes: the test's log shows them, but they don't count against its patience.
	o.Progress = t.Output()
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Kill() })
	return s
}

func dial(t *testing.T, s *Server) client.Client {
	t.Helper()
	options := s.ClientOptions()
	options.Logger = quiet{}
	c, err := client.Dial(options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// quiet drops the SDK's log: the server is killed on purpose here, and the SDK complains.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

// timers waits n times for a timer, and once for a signal.
func timers(ctx workflow.Context, n int, each time.Duration) error {
	for range n {
		if err := workflow.Sleep(ctx, each); err != nil {
			return err
		}
	}
	workflow.GetSignalChannel(ctx, "go").Receive(ctx, nil)
	return nil
}

func TestRunningWorkflowOutlivesKillOfTheServer(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	s := startServer(t, Options{DB: filepath.Join(t.TempDir(), "temporal.db"), UIPort: -1})
	address, pid := s.Address, s.PID
	c := dial(t, s)
	w := worker.New(c, "timers", worker.Options{})
	w.RegisterWorkflow(timers)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	run, err := c.ExecuteWorkflow(ctx, client.StartWorkflowOptions{ID: "timers", TaskQueue: "timers"}, timers, 3, 50*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := s.Restart(ctx); err != nil {
		t.Fatal(err)
	}
	if s.Address != address || s.PID == pid {
		t.Errorf("restart moved from %s (pid %d) to %s (pid %d), want the same address and another process", address, pid, s.Address, s.PID)
	}
	if err := c.SignalWorkflow(ctx, "timers", "", "go", nil); err != nil {
		t.Fatal(err)
	}
	if err := run.Get(ctx, nil); err != nil {
		t.Errorf("workflow after the restart: %v", err)
	}
	if err := s.Stop(ctx); err != nil {
		t.Error(err)
	}
}

// With the server's defaults each of these timers would take a second: the tuned configuration is what makes tests
// with real timers bearable.
func TestShortTimersAreShort(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c := dial(t, startServer(t, Options{UIPort: -1}))
	w := worker.New(c, "timers", worker.Options{})
	w.RegisterWorkflow(timers)
	if err := w.Start(); err != nil {
		t.Fatal(err)
	}
	defer w.Stop()
	const n = 10
	began := time.Now()
	run, err := c.SignalWithStartWorkflow(ctx, "timers", "go", nil, client.StartWorkflowOptions{TaskQueue: "timers"}, timers, n, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	if err := run.Get(ctx, nil); err != nil {
		t.Fatal(err)
	}
	if took := time.Since(began); took > n*time.Second/2 {
		t.Errorf("%d timers of 10 ms took %v", n, took)
	}
}

func TestBusyPortIsNamedInTheError(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	port := l.Addr().(*net.TCPAddr).Port
	s, err := Start(t.Context(), Options{Port: port, UIPort: -1, Progress: t.Output()})
	if err == nil {
		_ = s.Kill()
		t.Fatal("started on a port in use")
	}
	if !strings.Contains(err.Error(), strconv.Itoa(port)) || !strings.Contains(err.Error(), "--port") {
		t.Errorf("error names neither port nor remedy: %v", err)
	}
}

func TestStopIsCleanAndRepeatable(t *testing.T) {
	s := startServer(t, Options{})
	if !strings.HasPrefix(s.UI, "http://127.0.0.1:") {
		t.Errorf("UI is %q", s.UI)
	}
	for range 2 {
		if err := s.Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-s.Exited():
	default:
		t.Error("Exited isn't closed after Stop")
	}
	if code := s.process.exitCode(); code != 0 {
		t.Errorf("exit code %d after Stop, want 0", code)
	}
	if err := syscall.Kill(s.PID, 0); err == nil {
		t.Errorf("process %d is still there", s.PID)
	}
}

func TestTailKeepsTheEnd(t *testing.T) {
	var passed bytes.Buffer
	tl := &tail{to: &passed}
	for range 100 {
		_, _ = tl.Write([]byte(strings.Repeat("x", 100)))
	}
	_, _ = tl.Write([]byte("the end\n"))
	if got := tl.quoted(); !strings.HasSuffix(got, "the end") || len(got) > tailSize+100 {
		t.Errorf("kept %d bytes that end with %.20q", len(got), got[len(got)-10:])
	}
	if passed.Len() != 100*100+8 {
		t.Errorf("passed on %d bytes, want all", passed.Len())
	}
}
