package main

import (
	"context"
	"encoding/json"
	"io"
	"strings"
	"testing"
	"time"

	enums "go.temporal.io/api/enums/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"vakhta/internal/lab/devtemporal"
	"vakhta/workflows"
)

func TestTheScheduleOfSweepsIsCreatedShownAndPaused(t *testing.T) {
	quietEnvironment(t)
	ctx := t.Context()
	srv, err := devtemporal.Start(ctx, devtemporal.Options{UIPort: -1, Progress: io.Discard})
	must(t, err)
	t.Cleanup(func() { _ = srv.Stop(context.WithoutCancel(ctx)) })
	o := srv.ClientOptions()
	sweep := func(want int, args ...string) string {
		t.Helper()
		code, out, errOut := vakhta(t, append([]string{"--address", o.HostPort, "--namespace", o.Namespace, "--by", "anna", "sweep", "schedule"}, args...)...)
		if code != want {
			t.Fatalf("%v: exit %d, want %d: %s", args, code, want, errOut)
		}
		return out
	}
	sweep(exitNotFound, "show")
	sweep(exitUsage, "create", "--every", "1s")
	if out := sweep(exitOK, "create", "--every", "20m"); !strings.Contains(out, "every 20m0s; the schedule runs") || !strings.Contains(out, "next: ") {
		t.Errorf("created: %s", out)
	}
	if out := sweep(exitOK, "pause", "--note", "the firewall is replaced"); !strings.Contains(out, "is paused (paused by anna: the firewall is replaced)") || strings.Contains(out, "next: ") {
		t.Errorf("paused: %s", out)
	}
	var shown shownSchedule
	must(t, json.Unmarshal([]byte(sweep(exitOK, "create", "--every", "30m", "--json")), &shown))
	if shown.EverySeconds != 1800 || !shown.Paused || len(shown.Recent) != 0 {
		t.Errorf("changed while it is paused: %+v", shown)
	}
	if out := sweep(exitOK, "resume"); !strings.Contains(out, "every 30m0s; the schedule runs (resumed by anna)") {
		t.Errorf("resumed: %s", out)
	}

	c, err := client.DialContext(ctx, o)
	must(t, err)
	defer c.Close()
	must(t, c.ScheduleClient().GetHandle(ctx, workflows.ScheduleSweep).Trigger(ctx, client.ScheduleTriggerOptions{}))
	for deadline := time.Now().Add(time.Minute); len(shown.Recent) == 0; {
		if time.Now().After(deadline) {
			t.Fatal("no sweep was started")
		}
		must(t, json.Unmarshal([]byte(sweep(exitOK, "show", "--json")), &shown))
	}
	id := shown.Recent[0].Workflow
	first, err := c.GetWorkflowHistory(ctx, id, "", false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT).Next()
	must(t, err)
	var in workflows.LocalizeInput
	started := first.GetWorkflowExecutionStartedEventAttributes()
	must(t, converter.GetDefaultDataConverter().FromPayloads(started.GetInput(), &in))
	if !in.All || !in.Routine || !strings.HasPrefix(id, workflows.LocalizeID("all", "routine")) || started.GetWorkflowType().GetName() != workflows.TypeLocalize || started.GetTaskQueue().GetName() != workflows.QueueRunbooks {
		t.Errorf("it started %s with %+v", id, in)
	}
	sweep(exitOK, "delete")
	sweep(exitNotFound, "pause")
}
