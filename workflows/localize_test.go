package workflows

import (
	"errors"
	"strings"
	"testing"
	"time"

	"go.temporal.io/sdk/temporal"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/topology"
)

var errAbsent = temporal.NewNonRetryableApplicationError("no worker", "Absent", errors.New("nobody polls"))

func TestLocalizeDecidesAndConfirmsBeforeItNames(t *testing.T) {
	w := newWorld(t)
	again := []records.ShardRef{{Vantages: []string{"msk"}, Components: 1}}
	w.infer = func(call int) records.Inferred {
		out := records.Inferred{Findings: []topology.Finding{pduDown()}, Down: 2, Next: again, Deciding: call == 1}
		if call == 3 {
			out.Next = nil
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

// It decides in three rounds at most, and confirms what the last one found.
func TestLocalizeStopsDecidingAfterSomeRounds(t *testing.T) {
	w := newWorld(t)
	w.infer = func(int) records.Inferred {
		return records.Inferred{Next: []records.ShardRef{{Vantages: []string{"msk"}, Components: 1}}, Deciding: true}
	}
	w.play("localize/acme/1", Localize, LocalizeInput{Client: "acme"})
	r := must[LocalizeResult](w)
	if r.Progress.Round != maxRounds+1 {
		t.Errorf("%d rounds, want %d", r.Progress.Round, maxRounds+1)
	}
	for i, asked := range w.inferences {
		if want := i < maxRounds-1; asked.Decide != want || asked.Round != i+1 {
			t.Errorf("inference %d: %+v, want to decide: %v", i+1, asked, want)
		}
	}
}

func TestAbsentVantageIsUnknownAndNamedNeverDown(t *testing.T) {
	w := newWorld(t)
	w.sweep = func(p probe.ShardParams) (probe.ShardResult, error) {
		if p.Vantage == "spb" {
			return probe.ShardResult{}, errAbsent
		}
		return counted("msk", 2, 0), nil
	}
	w.play("localize/acme/1", Localize, LocalizeInput{Client: "acme"})
	p := must[LocalizeResult](w).Progress
	equal(t, "absent", p.Absent, []string{"spb"})
	if p.Down != 0 || p.Sites[1].Unknown != 1 || p.Sites[1].Down != 0 || p.Sites[0].Unknown != 0 || p.allUp() {
		t.Errorf("progress %+v", p)
	}
	equal(t, "inference does without", w.inferences[0].Absent, []string{"spb"})
}

// What an absent vantage should ask, the next one in the list asks; later
// shards don't wait for the absent one again.
func TestAnotherVantageTakesTheShardOfAnAbsentOne(t *testing.T) {
	w := newWorld(t)
	w.plan.Shards[1].Vantages = []string{"spb", "outside"}
	w.sweep = func(p probe.ShardParams) (probe.ShardResult, error) {
		switch {
		case p.Vantage == "spb":
			return probe.ShardResult{}, errAbsent
		case p.Round > 1:
			return probe.ShardResult{}, nil
		case p.Vantage == "outside":
			return counted("spb", 1, 0), nil
		}
		return counted("msk", 2, 0), nil
	}
	w.infer = func(call int) records.Inferred {
		if call > 1 {
			return records.Inferred{}
		}
		return records.Inferred{Next: []records.ShardRef{{Number: 1, Vantages: []string{"spb", "outside"}}}}
	}
	w.play("localize/acme/1", Localize, LocalizeInput{Client: "acme"})
	p := must[LocalizeResult](w).Progress
	equal(t, "absent", p.Absent, []string{"spb"})
	if p.Checked != 3 || p.Unknown() != 0 {
		t.Errorf("progress %+v", p)
	}
	var from []string
	for _, s := range w.sweeps {
		if s.Shard == 1 {
			from = append(from, s.Vantage)
		}
	}
	equal(t, "the shard was asked from", from, []string{"spb", "outside", "outside"})
}

// Where nobody is there at all, the answer is held as long as a restart takes, not longer the more
// vantages there are.
func TestTheLastResortIsNotWaitedForAnew(t *testing.T) {
	first := patience(false, 0)
	second := patience(false, first)
	last := patience(true, first+second)
	equal(t, "the waits for three vantages", []time.Duration{first, second, last}, []time.Duration{absentAfter, absentAfter, lastResort - 2*absentAfter})
	equal(t, "the last of many, and the only one", []time.Duration{patience(true, time.Minute), patience(true, 0)}, []time.Duration{absentAfter, lastResort})
}

// A second view that nobody takes holds the answer for a second at most.
func TestASecondViewDoesNotHoldTheAnswer(t *testing.T) {
	w := newWorld(t)
	w.plan.Shards = append(w.plan.Shards, records.ShardRef{Number: 2, Vantages: []string{asleep}, Components: 5, Extra: true})
	w.play("localize/acme/1", Localize, LocalizeInput{Client: "acme"})
	r := must[LocalizeResult](w)
	if took := w.elapsed(); took > 2*extraPatience || r.Progress.Stage != "done" || r.Progress.Checked != 3 {
		t.Errorf("%v, %+v", took, r.Progress)
	}
}

func TestFullGoesWithTheWholeEstateOnly(t *testing.T) {
	if err := (LocalizeInput{Client: "acme", Full: true}).validate(); err == nil || !strings.Contains(err.Error(), "full:") {
		t.Errorf("of a client: %v", err)
	}
	if err := (LocalizeInput{All: true, Full: true}).validate(); err != nil {
		t.Error(err)
	}
}
