package workflows

import (
	"errors"
	"testing"

	"go.temporal.io/sdk/temporal"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/topology"
)

var errAbsent = temporal.NewNonRetryableApplicationError("no worker", "Absent", errors.New("nobody polls"))

func TestLocalizeDecidesAndConfirmsBeforeItNames(t *testing.T) {
	w := newWorld(t)
	again := []records.Shard{{Site: "msk", Vantage: "msk", Components: []string{"s1"}}}
	w.infer = func(call int) records.Inferred {
		out := records.Inferred{Findings: []topology.Finding{pduDown()}, Down: 2, Decide: again}
		if call >= 2 {
			out.Decide, out.Confirm = nil, again
		}
		return out
	}
	w.play("localize/acme/1", Localize, LocalizeInput{Client: "acme"})
	r := must[LocalizeResult](w)
	if len(r.Findings) != 1 || r.Progress.Round != 3 || r.Progress.Stage != "done" || r.Progress.Checked != 3 || w.inferred != 3 {
		t.Errorf("result %+v after %d inferences", r, w.inferred)
	}
	if len(w.sweeps) != 4 {
		t.Errorf("%d sweeps, want two sites, one to decide, one to confirm", len(w.sweeps))
	}
}

func TestLocalizeStopsDecidingAfterSomeRounds(t *testing.T) {
	w := newWorld(t)
	w.infer = func(int) records.Inferred {
		return records.Inferred{Decide: []records.Shard{{Site: "msk", Vantage: "msk", Components: []string{"s1"}}}}
	}
	w.play("localize/acme/1", Localize, LocalizeInput{Client: "acme"})
	if r := must[LocalizeResult](w); r.Progress.Round != maxRounds {
		t.Errorf("%d rounds, want %d", r.Progress.Round, maxRounds)
	}
}

func TestAbsentVantageIsUnknownAndNamedNeverDown(t *testing.T) {
	w := newWorld(t)
	w.sweep = func(p probe.SweepParams) (probe.SweepResult, error) {
		if p.Vantage == "spb" {
			return probe.SweepResult{}, errAbsent
		}
		return probe.SweepResult{Up: len(p.Components)}, nil
	}
	w.play("localize/acme/1", Localize, LocalizeInput{Client: "acme"})
	p := must[LocalizeResult](w).Progress
	equal(t, "absent", p.Absent, []string{"spb"})
	if p.Down != 0 || p.Sites[1].Unknown != 1 || p.Sites[1].Down != 0 || p.Sites[0].Unknown != 0 || p.allUp() {
		t.Errorf("progress %+v", p)
	}
}
