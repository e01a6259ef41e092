package skipping

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"time"

	commonpb "go.temporal.io/api/common/v1"
	enumspb "go.temporal.io/api/enums/v1"
	historypb "go.temporal.io/api/history/v1"
	taskqueuepb "go.temporal.io/api/taskqueue/v1"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/converter"
	"google.golang.org/protobuf/types/known/durationpb"
)

// life is a life while it is played.
type life struct {
	Life

	s       *Server
	begin   func() error
	played  Played
	run     string
	history []*historypb.HistoryEvent
	started int64 // of the last task that was done
	stale   bool  // there is something that the workflow has not seen
	timers  map[string]timer
	pending []*pending
	token   int
}

type timer struct {
	at      time.Time
	started int64
}

// pending is an activity that is to be done.
type pending struct {
	scheduled *historypb.ActivityTaskScheduledEventAttributes
	id        int64
	at        time.Time
	attempt   int32
}

// renew begins a run: the first, or the one after continue-as-new.
func (l *life) renew(input *commonpb.Payloads) {
	l.played.Runs++
	l.run = fmt.Sprintf("%s-%d", l.ID, l.played.Runs)
	l.history, l.timers, l.started, l.stale = nil, map[string]timer{}, 0, true
	l.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionStartedEventAttributes{WorkflowExecutionStartedEventAttributes: &historypb.WorkflowExecutionStartedEventAttributes{
			WorkflowType: &commonpb.WorkflowType{Name: l.Workflow}, TaskQueue: &taskqueuepb.TaskQueue{Name: l.s.queue}, Input: input,
			WorkflowTaskTimeout: durationpb.New(taskTimeout), OriginalExecutionRunId: l.run, FirstExecutionRunId: l.run, Attempt: 1,
		}}
	})
}

// task has the worker do a workflow task; over says that the workflow has ended.
func (l *life) task() (over bool, err error) {
	l.played.Tasks++
	dies := l.Rand.Float64() < l.Deaths
	l.event(enumspb.EVENT_TYPE_WORKFLOW_TASK_SCHEDULED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowTaskScheduledEventAttributes{WorkflowTaskScheduledEventAttributes: &historypb.WorkflowTaskScheduledEventAttributes{
			TaskQueue: &taskqueuepb.TaskQueue{Name: l.s.queue}, StartToCloseTimeout: durationpb.New(taskTimeout), Attempt: 1,
		}}
	})
	scheduled := int64(len(l.history))
	began := l.event(enumspb.EVENT_TYPE_WORKFLOW_TASK_STARTED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowTaskStartedEventAttributes{WorkflowTaskStartedEventAttributes: &historypb.WorkflowTaskStartedEventAttributes{
			ScheduledEventId: scheduled, SuggestContinueAsNew: l.Rand.Float64() < l.Renewals,
		}}
	})
	from := l.s.Now()
	done, err := l.ask(began, dies)
	if err != nil {
		return false, err
	}
	until := l.s.Now()
	if dies {
		until = from.Add(taskTimeout)
	}
	l.played.Down = append(l.played.Down, Span{from, until})
	if dies {
		l.played.Killed++
		l.event(enumspb.EVENT_TYPE_WORKFLOW_TASK_TIMED_OUT, func(e *historypb.HistoryEvent) {
			e.Attributes = &historypb.HistoryEvent_WorkflowTaskTimedOutEventAttributes{WorkflowTaskTimedOutEventAttributes: &historypb.WorkflowTaskTimedOutEventAttributes{
				ScheduledEventId: scheduled, StartedEventId: began, TimeoutType: enumspb.TIMEOUT_TYPE_START_TO_CLOSE,
			}}
		})
		return false, l.until(until) // what comes meanwhile is seen by the next try
	}
	l.stale, l.started = done.GetForceCreateNewWorkflowTask(), began
	completed := l.event(enumspb.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowTaskCompletedEventAttributes{WorkflowTaskCompletedEventAttributes: &historypb.WorkflowTaskCompletedEventAttributes{
			ScheduledEventId: scheduled, StartedEventId: began, SdkMetadata: done.GetSdkMetadata(),
		}}
	})
	for _, c := range done.GetCommands() {
		if over, err := l.obey(c, completed); err != nil || over {
			return over, err
		}
	}
	return false, nil
}

// ask hands the task to the worker, with the whole history.
func (l *life) ask(began int64, dies bool) (*workflowservice.RespondWorkflowTaskCompletedRequest, error) {
	s := l.s
	l.token++
	s.mu.Lock()
	s.since, s.left = time.Now(), -1
	if dies {
		s.left = 1 + l.Rand.IntN(4)
	}
	s.mu.Unlock()
	late := time.NewTimer(patience)
	defer late.Stop()
	token := strconv.Itoa(l.token)
	select {
	case s.tasks <- &workflowservice.PollWorkflowTaskQueueResponse{
		TaskToken: []byte(token), WorkflowExecution: &commonpb.WorkflowExecution{WorkflowId: l.ID, RunId: l.run}, WorkflowType: &commonpb.WorkflowType{Name: l.Workflow},
		PreviousStartedEventId: l.started, StartedEventId: began, Attempt: 1, History: &historypb.History{Events: l.history},
		WorkflowExecutionTaskQueue: &taskqueuepb.TaskQueue{Name: s.queue},
	}:
	case <-late.C:
		return nil, errors.New("the worker takes no task")
	}
	var got answer
	select {
	case got = <-s.answers:
	case <-late.C:
		return nil, errors.New("the worker does not answer")
	}
	s.mu.Lock()
	s.clock, s.since, s.left = s.clock.Add(time.Since(s.since)), time.Time{}, -1
	s.mu.Unlock()
	switch {
	case got.token != token:
		return nil, fmt.Errorf("the worker answers task %s, not %s", got.token, token)
	case got.failed != nil && !dies:
		return nil, fmt.Errorf("a workflow task failed: %s", got.failed.GetFailure().GetMessage())
	}
	return got.completed, nil
}

// next does what comes first: a timer, an activity, a signal.
func (l *life) next() error {
	at, found := l.first()
	if !found {
		return errors.New("it waits for ever: nothing is due")
	}
	return l.until(at)
}

// until lets everything happen that is due by then, each thing at its time.
func (l *life) until(end time.Time) error {
	for {
		at, found := l.first()
		if !found || at.After(end) {
			l.s.skip(end)
			return nil
		}
		l.s.skip(at)
		if err := l.arrive(); err != nil {
			return err
		}
	}
}

// first is when the next thing is due.
func (l *life) first() (at time.Time, found bool) {
	see := func(t time.Time) {
		if !found || t.Before(at) {
			at, found = t, true
		}
	}
	for _, t := range l.timers {
		see(t.at)
	}
	for _, p := range l.pending {
		see(p.at)
	}
	if len(l.Signals) > 0 {
		see(l.played.Start.Add(l.Signals[0].At))
	}
	return at, found
}

// arrive lets happen what is due now.
func (l *life) arrive() error {
	for len(l.Signals) > 0 && !l.played.Start.Add(l.Signals[0].At).After(l.s.Now()) {
		if err := l.signal(l.Signals[0]); err != nil {
			return err
		}
		l.Signals = l.Signals[1:]
	}
	due := slices.DeleteFunc(slices.Collect(maps.Keys(l.timers)), func(id string) bool { return l.timers[id].at.After(l.s.Now()) })
	slices.SortFunc(due, func(a, b string) int {
		return cmp.Or(l.timers[a].at.Compare(l.timers[b].at), cmp.Compare(l.timers[a].started, l.timers[b].started))
	})
	for _, id := range due {
		t := l.timers[id]
		delete(l.timers, id)
		l.stale = true
		l.event(enumspb.EVENT_TYPE_TIMER_FIRED, func(e *historypb.HistoryEvent) {
			e.Attributes = &historypb.HistoryEvent_TimerFiredEventAttributes{TimerFiredEventAttributes: &historypb.TimerFiredEventAttributes{TimerId: id, StartedEventId: t.started}}
		})
	}
	for i := 0; i < len(l.pending); {
		p := l.pending[i]
		if p.at.After(l.s.Now()) {
			i++
			continue
		}
		if l.attempt(p) {
			l.pending = append(l.pending[:i], l.pending[i+1:]...)
		}
	}
	return nil
}

func (l *life) signal(sig Signal) error {
	if sig.Before != nil {
		sig.Before()
	}
	if sig.Name == "" {
		return nil
	}
	input, err := converter.GetDefaultDataConverter().ToPayloads(sig.Arg)
	if err != nil {
		return fmt.Errorf("encode signal %s: %w", sig.Name, err)
	}
	l.stale = true
	l.event(enumspb.EVENT_TYPE_WORKFLOW_EXECUTION_SIGNALED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_WorkflowExecutionSignaledEventAttributes{WorkflowExecutionSignaledEventAttributes: &historypb.WorkflowExecutionSignaledEventAttributes{SignalName: sig.Name, Input: input}}
	})
	return nil
}

// attempt is one try of an activity, in which the worker may die before its
// effect or after it.
func (l *life) attempt(p *pending) (over bool) {
	p.attempt++
	again := func() {
		l.played.Killed++
		wait := p.scheduled.GetHeartbeatTimeout().AsDuration()
		if wait == 0 {
			wait = p.scheduled.GetStartToCloseTimeout().AsDuration()
		}
		p.at = l.s.Now().Add(wait + backoff(p))
	}
	dies, after := l.Rand.Float64() < l.Deaths, l.Rand.IntN(2) == 0
	if dies && !after {
		again()
		return false
	}
	result, err := l.do(p)
	if dies {
		again()
		return false
	}
	if err != nil {
		p.at = l.s.Now().Add(backoff(p))
		return false
	}
	l.stale = true
	started := l.event(enumspb.EVENT_TYPE_ACTIVITY_TASK_STARTED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_ActivityTaskStartedEventAttributes{ActivityTaskStartedEventAttributes: &historypb.ActivityTaskStartedEventAttributes{ScheduledEventId: p.id, Attempt: p.attempt}}
	})
	l.event(enumspb.EVENT_TYPE_ACTIVITY_TASK_COMPLETED, func(e *historypb.HistoryEvent) {
		e.Attributes = &historypb.HistoryEvent_ActivityTaskCompletedEventAttributes{ActivityTaskCompletedEventAttributes: &historypb.ActivityTaskCompletedEventAttributes{ScheduledEventId: p.id, StartedEventId: started, Result: result}}
	})
	return true
}

// backoff is how long the policy waits before the next try.
func backoff(p *pending) time.Duration {
	policy := p.scheduled.GetRetryPolicy()
	wait := max(policy.GetInitialInterval().AsDuration(), time.Millisecond)
	for range p.attempt - 1 {
		wait = time.Duration(float64(wait) * max(policy.GetBackoffCoefficient(), 1))
	}
	if most := policy.GetMaximumInterval().AsDuration(); most > 0 {
		wait = min(wait, most)
	}
	return wait
}

// do runs an activity.
func (l *life) do(p *pending) (*commonpb.Payloads, error) {
	name := p.scheduled.GetActivityType().GetName()
	fn, ok := l.s.acts[name]
	if !ok {
		return nil, fmt.Errorf("activity %s is not registered", name)
	}
	arg := reflect.New(fn.Type().In(1))
	if err := converter.GetDefaultDataConverter().FromPayloads(p.scheduled.GetInput(), arg.Interface()); err != nil {
		return nil, fmt.Errorf("decode the input of %s: %w", name, err)
	}
	out := fn.Call([]reflect.Value{reflect.ValueOf(context.Background()), arg.Elem()})
	if err, failed := out[len(out)-1].Interface().(error); failed {
		return nil, err
	}
	if len(out) == 1 {
		return nil, nil
	}
	return converter.GetDefaultDataConverter().ToPayloads(out[0].Interface())
}
