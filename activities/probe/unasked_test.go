package probe

import (
	"bytes"
	"context"
	"log/slog"
	"strings"
	"testing"

	"go.temporal.io/sdk/activity"
	"go.temporal.io/sdk/log"
	"go.temporal.io/sdk/testsuite"

	"vakhta/internal/inventory"
)

// logged is what an activity writes into the log.
func logged(t *testing.T, do func(ctx context.Context)) string {
	t.Helper()
	var out bytes.Buffer
	var s testsuite.WorkflowTestSuite
	s.SetLogger(log.NewStructuredLogger(slog.New(slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn}))))
	env := s.NewTestActivityEnvironment()
	env.RegisterActivityWithOptions(func(ctx context.Context) error { do(ctx); return nil }, activity.RegisterOptions{Name: "logs"})
	if _, err := env.ExecuteActivity("logs"); err != nil {
		t.Fatal(err)
	}
	return out.String()
}

// Lost replies look like a bad network, and cost time in each sweep: somebody has to be told.
func TestTheLogSaysOnceThatThePingSocketLacksABuffer(t *testing.T) {
	const usual, asked = 212_992, 16 << 20
	sweep := func(a *Activities, buffer, hosts int) string {
		s := &shard{a: a, vantage: "msk"}
		s.receivesInto(buffer, hosts)
		return logged(t, s.complain)
	}
	a := New(&inventory.Inventory{}, &memory{}, Options{})
	if got := sweep(a, asked, 2000) + sweep(a, usual, 200); got != "" {
		t.Errorf("it complains of what is enough: %s", got)
	}
	first := sweep(a, usual, 2000)
	if !strings.Contains(first, "net.core.rmem_max") || !strings.Contains(first, "KiB=208") {
		t.Errorf("%q, want what to set, and what there is", first)
	}
	if again := sweep(a, usual, 2000); again != "" {
		t.Errorf("once more: %s", again)
	}
}
