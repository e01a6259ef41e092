// Package skipping is a Temporal server of one workflow at a time, whose clock
// skips and whose workers die. The worker is the SDK's own: it polls by gRPC, and
// since nothing is cached it replays the whole history at each of its tasks. A
// life is played in milliseconds however many hours it lasts, and a seed says
// where it dies:
//
//   - in a workflow task, between its local activities: what they did is done,
//     their results are lost, and the task is repeated after its time-out;
//   - in an activity, before or after its effect: it is repeated as its policy says.
//
// Between the tasks the server may ask for continue-as-new.
//
//	s := skipping.Start(t, "runbooks", workflows.Register)
//	s.Activity("Roster", m.roster)
//	err := s.Play(skipping.Life{Workflow: "Escalate", ID: "escalate/i1/emergency", Input: in, Rand: rng, Deaths: 0.2})
package skipping

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"

	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	namespacepb "go.temporal.io/api/namespace/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/worker"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// taskTimeout is how long a workflow task may take; who died in it is missed after that.
const taskTimeout = 10 * time.Second

// patience is how long, on the wall, the worker may take for a task before the
// test is broken: it is no part of what is asserted.
const patience = 2 * time.Minute

// Server is the server, with its worker.
type Server struct {
	workflowservice.UnimplementedWorkflowServiceServer

	queue    string
	registry worker.Registry
	tasks    chan *workflowservice.PollWorkflowTaskQueueResponse
	answers  chan answer
	acts     map[string]reflect.Value

	mu    sync.Mutex
	clock time.Time // of the life
	since time.Time // on the wall, of the task that is being done; zero: none is
	left  int       // local activities that are still done before the worker dies; negative: it lives
	life  *life
}

// answer is what the worker says of a task.
type answer struct {
	token     string
	completed *workflowservice.RespondWorkflowTaskCompletedRequest
	failed    *workflowservice.RespondWorkflowTaskFailedRequest
}

// Start begins a server and a worker on it; both end with the test.
func Start(t testing.TB, queue string, register func(worker.Registry)) *Server {
	t.Helper()
	s := &Server{
		queue: queue, tasks: make(chan *workflowservice.PollWorkflowTaskQueueResponse), answers: make(chan answer, 1),
		acts: map[string]reflect.Value{}, left: -1,
	}
	listener := bufconn.Listen(1 << 20)
	rpc := grpc.NewServer()
	workflowservice.RegisterWorkflowServiceServer(rpc, s)
	served := make(chan error, 1)
	go func() { served <- rpc.Serve(listener) }()
	c, err := client.NewLazyClient(client.Options{
		HostPort: "passthrough:///skipping", Logger: quiet{},
		ConnectionOptions: client.ConnectionOptions{DialOptions: []grpc.DialOption{
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }),
			grpc.WithTransportCredentials(insecure.NewCredentials()),
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	worker.SetStickyWorkflowCacheSize(0)
	w := worker.New(c, queue, worker.Options{LocalActivityWorkerOnly: true, WorkerStopTimeout: time.Second})
	register(w)
	s.registry = w
	var begin sync.Once
	s.life = &life{begin: func() error {
		var err error
		begin.Do(func() { err = w.Start() })
		return err
	}}
	t.Cleanup(func() {
		w.Stop()
		c.Close()
		rpc.Stop()
		if err := <-served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			t.Errorf("the server: %v", err)
		}
	})
	return s
}

// quiet logs nothing: deaths are loud.
type quiet struct{}

func (quiet) Debug(string, ...any) {}
func (quiet) Info(string, ...any)  {}
func (quiet) Warn(string, ...any)  {}
func (quiet) Error(string, ...any) {}

var _ log.Logger = quiet{}

// errDead is what a local activity of a dead worker comes to; nobody hears of it.
var errDead = errors.New("the worker is dead")

// Activity registers an activity: a function of a context and one parameter. The
// worker runs it as a local activity, the server as any other.
func (s *Server) Activity(name string, fn any) {
	f := reflect.ValueOf(fn)
	s.acts[name] = f
	local := reflect.MakeFunc(f.Type(), func(args []reflect.Value) []reflect.Value {
		if s.takes() {
			return f.Call(args)
		}
		out := make([]reflect.Value, f.Type().NumOut())
		for i := range out {
			out[i] = reflect.Zero(f.Type().Out(i))
		}
		out[len(out)-1] = reflect.ValueOf(&errDead).Elem()
		return out
	})
	s.registry.RegisterActivityWithOptions(local.Interface(), activity.RegisterOptions{Name: name})
}

// takes says whether the worker lives to do one more local activity.
func (s *Server) takes() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.left > 0 {
		s.left--
	}
	return s.left != 0
}

// Now is the time of the life that is being played.
func (s *Server) Now() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.since.IsZero() {
		return s.clock
	}
	return s.clock.Add(time.Since(s.since))
}

// GetSystemInfo says what the server can.
func (s *Server) GetSystemInfo(context.Context, *workflowservice.GetSystemInfoRequest) (*workflowservice.GetSystemInfoResponse, error) {
	return &workflowservice.GetSystemInfoResponse{Capabilities: &workflowservice.GetSystemInfoResponse_Capabilities{SdkMetadata: true}}, nil
}

// DescribeNamespace describes whichever is asked for.
func (s *Server) DescribeNamespace(_ context.Context, r *workflowservice.DescribeNamespaceRequest) (*workflowservice.DescribeNamespaceResponse, error) {
	return &workflowservice.DescribeNamespaceResponse{NamespaceInfo: &namespacepb.NamespaceInfo{Name: r.GetNamespace(), State: enumspb.NAMESPACE_STATE_REGISTERED}}, nil
}

// PollWorkflowTaskQueue hands a task to the worker.
func (s *Server) PollWorkflowTaskQueue(ctx context.Context, _ *workflowservice.PollWorkflowTaskQueueRequest) (*workflowservice.PollWorkflowTaskQueueResponse, error) {
	select {
	case task := <-s.tasks:
		return task, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// RespondWorkflowTaskCompleted takes what came of a task.
func (s *Server) RespondWorkflowTaskCompleted(_ context.Context, r *workflowservice.RespondWorkflowTaskCompletedRequest) (*workflowservice.RespondWorkflowTaskCompletedResponse, error) {
	s.answers <- answer{token: string(r.GetTaskToken()), completed: r}
	return &workflowservice.RespondWorkflowTaskCompletedResponse{}, nil
}

// RespondWorkflowTaskFailed takes that a task failed.
func (s *Server) RespondWorkflowTaskFailed(_ context.Context, r *workflowservice.RespondWorkflowTaskFailedRequest) (*workflowservice.RespondWorkflowTaskFailedResponse, error) {
	s.answers <- answer{token: string(r.GetTaskToken()), failed: r}
	return &workflowservice.RespondWorkflowTaskFailedResponse{}, nil
}

// Signal comes to a life after a while.
type Signal struct {
	At     time.Duration
	Name   string // empty: only Before happens
	Arg    any    // of the signal
	Before func() // what its sender does before he sends it
}

// Life is one workflow from its start to its end.
type Life struct {
	Workflow, ID string
	Input        any
	Signals      []Signal
	// Scheduled hears of every activity that the workflow has the server run.
	Scheduled func(activity string, input func(into any) error)
	Rand      *rand.Rand
	Deaths    float64 // how likely a worker dies in each thing that it does
	Renewals  float64 // how likely the server asks for continue-as-new in each task
}

// Played is what was seen of a life from outside.
type Played struct {
	Start  time.Time
	Down   []Span // while nobody worked: a worker had died, or was busy
	Tasks  int
	Killed int // workflow tasks and activities in which a worker died
	Runs   int
}

// Span is a stretch of time.
type Span struct{ From, To time.Time }

// Within is how much of the time between two instants nobody worked.
func (p *Played) Within(from, to time.Time) (sum time.Duration) {
	for _, d := range p.Down {
		a, b := d.From, d.To
		if a.Before(from) {
			a = from
		}
		if b.After(to) {
			b = to
		}
		if b.After(a) {
			sum += b.Sub(a)
		}
	}
	return sum
}

// tasksAtMost ends a life that doesn't end by itself.
const tasksAtMost = 20_000

// Play plays a life to its end.
func (s *Server) Play(l Life) (Played, error) {
	if err := s.life.begin(); err != nil {
		return Played{}, fmt.Errorf("start the worker: %w", err)
	}
	start := time.Date(2026, 11, 23, 0, 0, 0, 0, time.UTC)
	s.mu.Lock()
	s.clock, s.since, s.left = start, time.Time{}, -1
	s.mu.Unlock()
	r := &life{Life: l, s: s, played: Played{Start: start}, begin: s.life.begin}
	s.life = r
	slices.SortStableFunc(r.Signals, func(a, b Signal) int { return int(a.At - b.At) })
	input, err := converter.GetDefaultDataConverter().ToPayloads(l.Input)
	if err != nil {
		return r.played, fmt.Errorf("encode the input: %w", err)
	}
	r.renew(input)
	for r.played.Tasks < tasksAtMost {
		if r.stale {
			if err := r.until(s.Now()); err != nil { // others don't wait for the task
				return r.played, err
			}
			if over, err := r.task(); err != nil || over {
				return r.played, err
			}
			continue
		}
		if err := r.next(); err != nil {
			return r.played, err
		}
	}
	return r.played, fmt.Errorf("it has not ended after %d tasks", tasksAtMost)
}

// skip moves the clock forward.
func (s *Server) skip(to time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if to.After(s.clock) {
		s.clock = to
	}
}

// event makes an event of the life's history.
func (l *life) event(kind enumspb.EventType, fill func(*historypb.HistoryEvent)) int64 {
	e := &historypb.HistoryEvent{EventId: int64(len(l.history)) + 1, EventType: kind, EventTime: timestamppb.New(l.s.Now())}
	if fill != nil {
		fill(e)
	}
	l.history = append(l.history, e)
	return e.GetEventId()
}
