package stand

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"vakhta/internal/lab/estate"
	"vakhta/internal/profile"
)

// Process is a program of the stand that is started again when it dies.
type Process struct {
	name  string
	start func() *exec.Cmd
	died  func(process, how string)

	mu       sync.Mutex
	cmd      *exec.Cmd
	stopping bool
	held     bool // killed, and not to be started before Start
	starts   int
	wake     chan struct{}
	done     chan struct{}
}

// pauseBeforeRestart keeps a program that dies at once from spinning.
const pauseBeforeRestart = 100 * time.Millisecond

func newProcess(name string, died func(string, string), start func() *exec.Cmd) (*Process, error) {
	if died == nil {
		died = func(string, string) {}
	}
	p := &Process{name: name, start: start, died: died, wake: make(chan struct{}, 1), done: make(chan struct{})}
	if err := p.launch(); err != nil {
		return nil, err
	}
	go p.watch()
	return p, nil
}

func (p *Process) launch() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.stopping {
		return nil
	}
	p.cmd = p.start()
	if err := p.cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", p.name, err)
	}
	p.starts++
	return nil
}

func (p *Process) watch() {
	defer close(p.done)
	for {
		p.mu.Lock()
		cmd := p.cmd
		p.mu.Unlock()
		err := cmd.Wait()
		p.mu.Lock()
		stopping := p.stopping
		p.mu.Unlock()
		if stopping {
			return
		}
		how := "exited"
		if err != nil {
			how = err.Error()
		}
		p.died(p.name, how)
		if !p.pause() {
			return
		}
		if err := p.launch(); err != nil {
			p.died(p.name, err.Error())
			return
		}
	}
}

// pause waits before the restart, and for as long as the process is held; it
// answers false if the stand closes meanwhile.
func (p *Process) pause() bool {
	time.Sleep(pauseBeforeRestart)
	for {
		p.mu.Lock()
		held, stopping := p.held, p.stopping
		p.mu.Unlock()
		if stopping {
			return false
		}
		if !held {
			return true
		}
		<-p.wake
	}
}

// Kill ends the process as a power cut would: SIGKILL. With hold it stays dead
// until Release.
func (p *Process) Kill(hold bool) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.held = hold
	if err := p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("kill %s: %w", p.name, err)
	}
	return nil
}

// Release lets a held process start again.
func (p *Process) Release() {
	p.mu.Lock()
	p.held = false
	p.mu.Unlock()
	select {
	case p.wake <- struct{}{}:
	default:
	}
}

// PID is the process id of the running program.
func (p *Process) PID() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cmd.Process.Pid
}

// Starts is how often it was started.
func (p *Process) Starts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.starts
}

// stop asks the process to end, and makes it when it takes too long.
func (p *Process) stop() {
	p.mu.Lock()
	p.stopping = true
	_ = p.cmd.Process.Signal(syscall.SIGTERM)
	p.mu.Unlock()
	p.Release()
	select {
	case <-p.done:
	case <-time.After(10 * time.Second):
		p.mu.Lock()
		_ = p.cmd.Process.Kill()
		p.mu.Unlock()
		<-p.done
	}
}

func (h *Stand) startProcesses(ctx context.Context) error {
	gateway, err := h.binary(h.opts.Gateway, "vakhta")
	if err != nil {
		return err
	}
	worker, err := h.binary(h.opts.Worker, "vakhta-worker")
	if err != nil {
		return err
	}
	h.opts.Say("starting gateway and worker")
	if h.Gateway, err = h.process("gateway", gateway, "serve", "--config", h.Config); err != nil {
		return err
	}
	health := fmt.Sprintf("127.0.0.1:%d", freeFrom(0))
	h.WorkerURL = "http://" + health
	vantages := h.opts.Vantages
	if vantages == nil {
		vantages = estate.Vantages[:]
	}
	if h.Worker, err = h.process("worker", worker, "--config", h.Config, "--vantage", strings.Join(vantages, ","), "--listen", health, "--drain", "3s"); err != nil {
		return err
	}
	if err := answers(ctx, h.GatewayURL+"/readyz", h.log("gateway")); err != nil {
		return err
	}
	return answers(ctx, h.WorkerURL+"/readyz", h.log("worker"))
}

func (h *Stand) log(name string) string { return filepath.Join(h.opts.Dir, name+".log") }

func (h *Stand) process(name, binary string, args ...string) (*Process, error) {
	log, err := os.OpenFile(h.log(name), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log of %s: %w", name, err)
	}
	p, err := newProcess(name, h.opts.Died, func() *exec.Cmd {
		cmd := exec.Command(binary, args...)
		cmd.Stdout, cmd.Stderr = log, log
		cmd.Env = append(os.Environ(), "VAKHTA_LAB_BMC="+estate.DefaultBMCUser+":"+estate.DefaultBMCPassword,
			"VAKHTA_LAB_SNMP="+estate.DefaultSNMPCommunity)
		if h.opts.Profile != "" {
			cmd.Env = append(cmd.Env, profile.Variable+"="+filepath.Join(h.opts.Profile, name+".pprof"))
		}
		// The program must not outlive us, nor get our Ctrl-C: we stop it in order.
		cmd.SysProcAttr = ownGroup()
		return cmd
	})
	if err != nil {
		_ = log.Close()
		return nil, err
	}
	h.onClose(func() {
		p.stop()
		_ = log.Close()
	})
	return p, nil
}

// Program is the path of the command line, which is the gateway's binary.
func (h *Stand) Program() (string, error) { return h.binary(h.opts.Gateway, "vakhta") }

// binary finds one of our programs.
func (h *Stand) binary(given, name string) (string, error) {
	if given != "" {
		return given, nil
	}
	self, err := os.Executable()
	if err == nil {
		if at := filepath.Join(filepath.Dir(self), name); isProgram(at) {
			return at, nil
		}
	}
	for dir, _ := os.Getwd(); dir != "/" && dir != "."; dir = filepath.Dir(dir) {
		if at := filepath.Join(dir, ".bin", name); isProgram(at) {
			return at, nil
		}
	}
	return "", fmt.Errorf("the program %s is not beside this one: build it with `make build`", name)
}

func isProgram(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// answers waits until a readiness page says yes; its error shows the end of
// the program's log.
func answers(ctx context.Context, url, log string) error {
	ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return fmt.Errorf("ask %s: %w", url, err)
		}
		if resp, err := http.DefaultClient.Do(req); err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return nil
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s does not answer: %w; its log %s ends with:\n%s", url, ctx.Err(), log, tail(log))
		case <-tick.C:
		}
	}
}

func tail(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-10):], "\n")
}
