package devtemporal

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
)

// Time limits of a server's life. They are generous: a laptop that compiles at the same time is slow.
const (
	readyWithin = 90 * time.Second // measured: 0.7 s on an idle machine
	stopWithin  = 20 * time.Second // measured: 1.1 s
)

// errNotReady is the error of a server that ended before its ready line.
var errNotReady = errors.New("embedded Temporal server ended before it was ready")

// Options say how to start a server. The zero value is right for tests: in memory, on free ports.
type Options struct {
	// DB is the SQLite file; empty keeps everything in memory.
	DB string
	// Port and UIPort are the ports; 0 chooses a free one, and -1 as UIPort turns the web UI off.
	Port, UIPort int
	// Namespace is created if it doesn't exist; empty is "default".
	Namespace string
	// Codec is the URL of a codec server for the web UI.
	Codec string
	// Detached servers outlive this process. Others end with it, even when it is killed.
	Detached bool
	// Stderr gets the server's own log (errors only); nil drops it. It ends up in the error of a failed start anyway.
	Stderr io.Writer
	// Progress is told about a build; nil drops it.
	Progress io.Writer
}

// Server is a running embedded Temporal server.
type Server struct {
	// Address is the host and port of the gRPC frontend.
	Address string
	// UI is the URL of the web UI, empty if there is none.
	UI string
	// Namespace is the one that the server was started with.
	Namespace string
	// PID is the process id. It changes with a restart.
	PID int
	// ReadyIn is the time from start to the first answered request.
	ReadyIn time.Duration

	binary  string
	options Options
	mu      sync.Mutex
	process *process
}

// Start builds the server if need be, starts it and returns once it answers. ctx bounds the start only: the server
// lives until Stop, Kill or, unless detached, the end of this process.
func Start(ctx context.Context, o Options) (*Server, error) {
	binary, err := Build(ctx, o.Progress)
	if err != nil {
		return nil, err
	}
	s := &Server{binary: binary, options: o}
	if err := s.start(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// ClientOptions are what a Temporal client needs to reach the server.
func (s *Server) ClientOptions() client.Options {
	return client.Options{HostPort: s.Address, Namespace: s.Namespace}
}

// Stop ends the server cleanly and waits for it. When ctx ends first, or after 20 s, the server is killed and
// Stop returns an error. Stopping a server that is gone already is no error.
func (s *Server) Stop(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.stop(ctx)
}

// Kill ends the server with SIGKILL, as a crash would, and waits until it is gone.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.kill()
}

// Exited is closed when the server's process has ended, wanted or not.
func (s *Server) Exited() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.process.done
}

// Restart stops the server if it still runs, and starts it with the same file on the same ports: clients reconnect by
// themselves. A server in memory comes back empty.
func (s *Server) Restart(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.process.stop(ctx); err != nil {
		return fmt.Errorf("stop for restart: %w", err)
	}
	return s.startOnce(ctx)
}

// start starts the server. Free ports are chosen by the server before it listens, so another process can come in
// between: where we didn't ask for a port, a second choice is worth a try.
func (s *Server) start(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	err := s.startOnce(ctx)
	if errors.Is(err, errNotReady) && s.process.exitCode() != refused && s.options.Port == 0 {
		return s.startOnce(ctx)
	}
	return err
}

// refused is the exit code of a server that names a remedy: another try would be refused too.
const refused = 2

func (s *Server) startOnce(ctx context.Context) error {
	p, err := launch(s.binary, s.arguments(), s.options.Stderr)
	if err != nil {
		return err
	}
	s.process = p
	ready, err := p.awaitReady(ctx)
	if err != nil {
		return err
	}
	s.Address, s.UI, s.Namespace, s.PID = ready.Address, ready.UI, ready.Namespace, ready.PID
	s.ReadyIn = time.Duration(ready.ReadyMs) * time.Millisecond
	s.options.Port = portOf(ready.Address) // a restart keeps its ports
	if ready.UI != "" {
		s.options.UIPort = portOf(strings.TrimPrefix(ready.UI, "http://"))
	}
	return nil
}

func (s *Server) arguments() []string {
	args := []string{"--port", strconv.Itoa(s.options.Port), "--ui-port", strconv.Itoa(s.options.UIPort)}
	if s.options.DB != "" {
		args = append(args, "--db", s.options.DB)
	}
	if s.options.Namespace != "" {
		args = append(args, "--namespace", s.options.Namespace)
	}
	if s.options.Codec != "" {
		args = append(args, "--codec", s.options.Codec)
	}
	if !s.options.Detached {
		args = append(args, "--exit-with-parent")
	}
	return args
}

func portOf(hostPort string) int {
	_, port, err := net.SplitHostPort(hostPort)
	if err != nil {
		return 0
	}
	n, _ := strconv.Atoi(port)
	return n
}

// process is one run of the binary.
type process struct {
	cmd    *exec.Cmd
	stdout *os.File
	stderr *tail
	done   chan struct{}
}

// readyLine is what the server prints when it answers.
type readyLine struct {
	Ready     bool   `json:"ready"`
	Address   string `json:"address"`
	UI        string `json:"ui"`
	Namespace string `json:"namespace"`
	PID       int    `json:"pid"`
	ReadyMs   int64  `json:"readyMs"`
}

func launch(binary string, args []string, stderr io.Writer) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("start embedded Temporal server: %w", err)
	}
	cmd := exec.Command(binary, args...) // without a context: the server outlives the call that starts it
	p := &process{cmd: cmd, stdout: r, stderr: &tail{to: stderr}, done: make(chan struct{})}
	p.cmd.Stdout, p.cmd.Stderr = w, p.stderr
	// A group of its own: Ctrl-C in the terminal reaches us, and we decide when the server stops.
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	err = p.cmd.Start()
	_ = w.Close()
	if err != nil {
		_ = r.Close()
		return nil, fmt.Errorf("start embedded Temporal server: %w", err)
	}
	go func() {
		defer close(p.done)
		_ = p.cmd.Wait() // the exit code is read from ProcessState
	}()
	return p, nil
}

// awaitReady waits for the ready line; without one it ends the process.
func (p *process) awaitReady(ctx context.Context) (readyLine, error) {
	ctx, cancel := context.WithTimeout(ctx, readyWithin)
	defer cancel()
	stop := context.AfterFunc(ctx, func() { _ = p.stdout.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	defer func() { _ = p.stdout.Close() }()

	var ready readyLine
	line, err := bufio.NewReader(p.stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err == nil && ready.Ready {
		return ready, nil
	}
	if ctx.Err() != nil {
		_ = p.kill()
		return ready, fmt.Errorf("wait for embedded Temporal server: %w%s", ctx.Err(), p.stderr.quoted())
	}
	_ = p.kill()
	return ready, fmt.Errorf("%w (exit code %d)%s", errNotReady, p.exitCode(), p.stderr.quoted())
}

func (p *process) stop(ctx context.Context) error {
	if p.gone() {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, stopWithin)
	defer cancel()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("stop embedded Temporal server (pid %d): %w", p.cmd.Process.Pid, err)
	}
	select {
	case <-p.done:
		return nil
	case <-ctx.Done():
		_ = p.kill()
		return fmt.Errorf("embedded Temporal server (pid %d) didn't stop and was killed: %w", p.cmd.Process.Pid, ctx.Err())
	}
}

func (p *process) kill() error {
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill embedded Temporal server (pid %d): %w", p.cmd.Process.Pid, err)
	}
	<-p.done
	return nil
}

func (p *process) gone() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// exitCode is -1 while the process runs, and when a signal ended it.
func (p *process) exitCode() int {
	if !p.gone() {
		return -1
	}
	return p.cmd.ProcessState.ExitCode()
}

// tail passes on what is written to it and keeps the end for error messages.
type tail struct {
	to io.Writer

	mu   sync.Mutex
	kept []byte
}

const tailSize = 4 << 10

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, b...)
	if excess := len(t.kept) - tailSize; excess > 0 {
		t.kept = append(t.kept[:0], t.kept[excess:]...)
	}
	if t.to == nil {
		return len(b), nil
	}
	return t.to.Write(b)
}

// quoted is the kept text as the end of an error message.
func (t *tail) quoted() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	text := bytes.TrimSpace(t.kept)
	if len(text) == 0 {
		return ""
	}
	return "; it said:\n" + string(text)
}
