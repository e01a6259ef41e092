package probe

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

var localhost = netip.MustParseAddr("127.0.0.1")

func listening(t *testing.T) (port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l.Addr().(*net.TCPAddr).Port
}

// closedPort is one that nobody listens on: it is ours, and not listening.
func closedPort(t *testing.T) int {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return name.(*syscall.SockaddrInet4).Port
}

func TestMachineIsUpIfOneOfItsPortsAccepts(t *testing.T) {
	a := New(&inventory.Inventory{}, &memory{}, Options{})
	open, closed, closedToo := listening(t), closedPort(t), closedPort(t)
	b := budget{timeout: patient * time.Millisecond, attempts: 2}
	tests := []struct {
		ports  []int
		result topology.Result
		detail string
	}{
		{[]int{open}, topology.Up, "accepted"},
		{[]int{closed, open}, topology.Up, "accepted"},
		{[]int{open, closed, closedToo}, topology.Up, "accepted"},
		{[]int{closed}, topology.Down, "connection refused"},
		{[]int{closed, closedToo}, topology.Down, "connection refused"},
	}
	for _, tt := range tests {
		got := a.probeTCP(t.Context(), localhost, tt.ports, b, b)
		if got.result != tt.result || !strings.Contains(got.detail, tt.detail) {
			t.Errorf("%v: %+v, want %s, %s", tt.ports, got, tt.result, tt.detail)
		}
	}
}

func TestTroubleOfOurOwnIsNotTheMachines(t *testing.T) {
	dialError := func(errno syscall.Errno) error {
		return &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", errno)}
	}
	tests := []struct {
		err    error
		result topology.Result
	}{
		{dialError(syscall.ECONNREFUSED), topology.Down},
		{dialError(syscall.ECONNRESET), topology.Down},
		{dialError(syscall.EHOSTUNREACH), topology.Down},
		{dialError(syscall.ETIMEDOUT), topology.Down},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, topology.Down},
		{dialError(syscall.EMFILE), topology.Unknown},
		{dialError(syscall.ENFILE), topology.Unknown},
		{dialError(syscall.ENETUNREACH), topology.Unknown},
		{dialError(syscall.EADDRNOTAVAIL), topology.Unknown},
		{dialError(syscall.ENOBUFS), topology.Unknown},
		{dialError(syscall.EPERM), topology.Unknown},
		{context.Canceled, topology.Unknown},
		{errors.New("something new"), topology.Unknown},
	}
	for _, tt := range tests {
		if got := explain(tt.err); got.result != tt.result || got.detail == "" {
			t.Errorf("%v: %+v, want %s", tt.err, got, tt.result)
		}
	}
}

func TestStarvedProberCannotTell(t *testing.T) {
	b := budget{timeout: time.Second, attempts: 1}
	timeout := answer{result: topology.Down, detail: detailTimeout}
	if got := late(timeout, time.Now().Add(-time.Minute), b); got.result != topology.Unknown {
		t.Errorf("a timeout noticed a minute late: %+v, want unknown", got)
	}
	if got := late(timeout, time.Now(), b); got.result != topology.Down {
		t.Errorf("a timeout in time: %+v, want down", got)
	}
	refused := answer{result: topology.Down, detail: "connection refused"}
	if got := late(refused, time.Now().Add(-time.Minute), b); got.result != topology.Down {
		t.Errorf("a refusal, however late: %+v, want down", got)
	}
}

// listenDrops is how many connection requests the kernel has dropped so far.
func listenDrops(t *testing.T) int {
	t.Helper()
	raw, err := os.ReadFile("/proc/net/netstat")
	if err != nil {
		t.Skipf("no count of dropped requests: %v", err)
	}
	lines := strings.Split(string(raw), "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		names, values := strings.Fields(lines[i]), strings.Fields(lines[i+1])
		if n := slices.Index(names, "ListenDrops"); n >= 0 {
			count, err := strconv.Atoi(values[n])
			if err != nil {
				t.Fatal(err)
			}
			return count
		}
	}
	t.Skip("no count of dropped requests")
	return 0
}

// fullListener is a socket whose queue of connections is full, so that the
// kernel drops every further SYN.
func fullListener(t *testing.T) (fd, port int) {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := errors.Join(syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), syscall.Listen(fd, 0)); err != nil {
		t.Fatal(err)
	}
	name, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	port = name.(*syscall.SockaddrInet4).Port
	full, err := net.Dial("tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port))) // the queue has room for this one
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = full.Close() })
	return fd, port
}

// openSockets counts this process's.
func openSockets(t *testing.T) (n int) {
	t.Helper()
	files, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skipf("no list of open files: %v", err)
	}
	for _, f := range files {
		if target, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil && strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}

// The kernel repeats a lost SYN after a second: a connection that took less was
// one of ours, made again.
func TestLostRequestIsRepeatedSoonerThanTheKernelWould(t *testing.T) {
	// On a busy machine the kernel may be first for once; without attempts of ours it always is.
	until(t, "an attempt of our own connects", func() bool { return sooner(t) < time.Second })
}

// sooner is how long the attempt took that got through after the first was lost.
func sooner(t *testing.T) time.Duration {
	t.Helper()
	fd, port := fullListener(t)
	before := listenDrops(t)
	a := New(&inventory.Inventory{}, &memory{}, Options{})
	got := make(chan answer, 1)
	began := time.Now()
	go func() {
		got <- a.probePort(t.Context(), localhost, port, budget{timeout: 30 * time.Second, attempts: 300})
	}()
	for listenDrops(t) == before {
		time.Sleep(time.Millisecond)
	}
	first, _, err := syscall.Accept(fd) // now there is room again
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = syscall.Close(first) }()
	told := <-got
	if told.result != topology.Up {
		t.Fatalf("%+v, want up", told)
	}
	return time.Since(began)
}

// What a connection took is what the kernel measured, not when we came to hear of it.
func TestTheRoundTripOfAConnectionIsTheKernels(t *testing.T) {
	target := net.JoinHostPort("127.0.0.1", strconv.Itoa(listening(t)))
	began := time.Now()
	got := connect(t.Context(), target)
	took := time.Since(began)
	defer got.drop()
	if got.result != topology.Up {
		t.Fatalf("%+v, want up", got.answer)
	}
	if measured := handshake(got.conn); measured <= 0 || measured != got.rtt || measured > took {
		t.Errorf("told %s, measured %s of the %s that it took", got.rtt, measured, took)
	}
	a, b := net.Pipe()
	defer a.Close()
	defer b.Close()
	if measured := handshake(a); measured != 0 {
		t.Errorf("measured %s of what is no socket", measured)
	}
}

// Where the time is tight, a silence that was noticed a little late is none.
func TestASilenceThatIsNoticedLateIsNone(t *testing.T) {
	silence := answer{result: topology.Down, detail: detailTimeout}
	tight := budget{timeout: 80 * time.Millisecond, attempts: 3, spacing: 20 * time.Millisecond}
	if got := late(silence, time.Now().Add(-95*time.Millisecond), tight); got.result != topology.Unknown {
		t.Errorf("%+v after 95 ms, want that nobody can tell", got)
	}
	if got := late(silence, time.Now(), tight); got.result != topology.Down {
		t.Errorf("%+v in time, want down", got)
	}
}
