package workflows

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"unicode/utf8"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/internal/incident"
)

// Registry is what workflows are registered with: a worker, the test
// environment, or the replayer.
type Registry interface {
	RegisterWorkflow(w any)
}

// Register registers every workflow. Worker, tests and replayer share it, so
// that they can't differ.
func Register(r Registry) {
	for _, w := range []any{Incident, Localize, Escalate, InformClients, Broadcast, ClientReport, Postmortem, Triage, RemoteHands, Maintenance, WarRoom} {
		r.RegisterWorkflow(w)
	}
}

// What becomes of a child when its parent is over: it outlives the parent, or
// is asked to end in its own way.
const (
	abandon       = enums.PARENT_CLOSE_POLICY_ABANDON
	requestCancel = enums.PARENT_CLOSE_POLICY_REQUEST_CANCEL
)

// alreadyStarted: the child runs, by an earlier try of ours.
func alreadyStarted(err error) bool {
	var started *temporal.ChildWorkflowExecutionAlreadyStartedError
	return errors.As(err, &started)
}

// noteIncident appends a line to an incident's timeline; key names the fact
// within the incident, so that it is written once.
func noteIncident(ctx workflow.Context, id, key, kind, actor, via, text string) error {
	return act(ctx, rec.Append, incidentLine(ctx, id, key, kind, actor, via, text))
}

func incidentLine(ctx workflow.Context, id, key, kind, actor, via, text string) []incident.Entry {
	subject := "incident/" + id
	return []incident.Entry{{
		Key: subject + "/" + key, Subject: subject, At: workflow.Now(ctx).UTC(), Kind: kind, Actor: actor, Via: via, Text: text,
	}}
}

func sortedKeys[K cmp.Ordered, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	//workflowcheck:ignore // sorted below
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// cut shortens a text to so many bytes, at a rune.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return fmt.Sprintf("%s…", s[:n])
}
