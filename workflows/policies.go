package workflows

import (
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/notify"
	"vakhta/activities/probe"
	"vakhta/activities/records"
)

// The activities, named through nil pointers: only their method names count here.
var (
	rec  *records.Activities
	send *notify.Activities
	look *probe.Activities
)

// Priorities of tasks, 1 is the most urgent: a page overtakes eighteen thousand mails.
const (
	urgent = 1
	normal = 3
	bulk   = 4
)

// withRecords is for the store: milliseconds when it is well. When it is not,
// nothing is lost by trying for as long as it takes.
func withRecords(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           QueueRunbooks,
		StartToCloseTimeout: 30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second},
	})
}

// withRecordsHere is for the store within a workflow task: one try, and no
// longer than a page may be late before the ordinary way is the better one.
func withRecordsHere(ctx workflow.Context) workflow.Context {
	return workflow.WithLocalActivityOptions(ctx, workflow.LocalActivityOptions{
		ScheduleToCloseTimeout: 2 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{MaximumAttempts: 1},
	})
}

// withCompose is for writing a whole sending into the ledger: eighteen thousand
// texts take seconds, and a killed worker is noticed by its heartbeat.
func withCompose(ctx workflow.Context) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           QueueRunbooks,
		StartToCloseTimeout: 10 * time.Minute,
		HeartbeatTimeout:    30 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 10 * time.Second},
	})
}

// withDelivery is for a batch of notifications. The activity names the delay
// to its next try itself; the heartbeat time-out is how soon a killed sender
// is noticed, and the ledger's lease keeps the retry from sending twice.
func withDelivery(ctx workflow.Context, priority int) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           QueueNotify,
		StartToCloseTimeout: 10 * time.Minute,
		HeartbeatTimeout:    5 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: 500 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		Priority:            temporal.Priority{PriorityKey: priority},
	})
}

// How long a shard waits for a worker of a vantage before that is absent.
const (
	// absentAfter, while another vantage can take the shard: far longer than a
	// worker that is there takes, and not so long that the answer is held.
	absentAfter = 2 * time.Second
	// lastResort, where there is no other: long enough for a worker that restarts,
	// which it may have been doing while others were waited for.
	lastResort = 8 * time.Second
	// extraPatience is how much longer than the round a second view may take.
	extraPatience = time.Second
)

// withProbe is for one shard of a sweep: an absent vantage is noticed by the
// schedule-to-start time-out, a killed worker by the heartbeat, which a shard
// sends several times a second whatever its probes are at.
func withProbe(ctx workflow.Context, vantage string, patience time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:              ProbeQueue(vantage),
		ScheduleToStartTimeout: patience,
		StartToCloseTimeout:    time.Minute,
		HeartbeatTimeout:       3 * time.Second,
		RetryPolicy:            &temporal.RetryPolicy{InitialInterval: 200 * time.Millisecond, BackoffCoefficient: 2, MaximumInterval: 2 * time.Second, MaximumAttempts: 5},
	})
}

// patience is how long a shard that has waited already waits for the next vantage.
func patience(last bool, waited time.Duration) time.Duration {
	if last {
		return max(absentAfter, lastResort-waited)
	}
	return absentAfter
}

// watchFor is how long one watch activity looks before it hands back.
const watchFor = 10 * time.Minute

// withWatch is for the long look whether machines are back. It polls inside
// the activity, so days of waiting cost a handful of events.
func withWatch(ctx workflow.Context, vantage string, looks time.Duration) workflow.Context {
	return workflow.WithActivityOptions(ctx, workflow.ActivityOptions{
		TaskQueue:           ProbeQueue(vantage),
		StartToCloseTimeout: looks + time.Minute,
		HeartbeatTimeout:    10 * time.Second,
		RetryPolicy:         &temporal.RetryPolicy{InitialInterval: time.Second, BackoffCoefficient: 2, MaximumInterval: 30 * time.Second},
		WaitForCancellation: false,
	})
}
