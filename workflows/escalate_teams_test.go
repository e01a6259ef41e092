package workflows

import (
	"testing"
	"time"

	"vakhta/runbooks"
)

// Two teams are paged at once, each with its own climb; one acknowledgement is
// enough, or one of each is wanted.
func TestSeveralTeamsUntilAnyOrEach(t *testing.T) {
	for _, c := range []struct {
		until  string
		done   time.Duration // when the step that follows begins
		second bool          // whether the other team is paged on after the first has taken it
		says   string
	}{
		{"any", 30 * time.Second, false, "ivan has it"},
		{"each", 90 * time.Second, true, "ivan, petr have it"},
		{"", 90 * time.Second, true, "ivan, petr have it"},
	} {
		t.Run("until "+c.until, func(t *testing.T) {
			w := newWorld(t)
			w.teams = []string{"network"}
			w.pin(runbooks.Step{ID: "page", Escalate: &runbooks.Escalate{Teams: []string{"emergency", "network"}, Until: c.until, Ladder: ladder}},
				runbooks.Step{ID: "then", Needs: []string{"page"}, Wait: &runbooks.Wait{For: seconds(1)}})
			answer := func(after time.Duration, team, who string) {
				w.after(after, func() {
					if err := w.SignalWorkflowByID("escalate/i1/"+team, SignalAcknowledged, PageAnswer{Contact: who, Via: "call"}); err != nil {
						t.Errorf("acknowledge: %v", err)
					}
				})
			}
			answer(30*time.Second, "emergency", "ivan")
			if c.second {
				answer(90*time.Second, "network", "petr")
			}
			w.byHand(10 * time.Minute)
			w.playIncident()
			s := must[IncidentStatus](w)
			if s.Steps[0].Result != c.says || s.Steps[1].Since.Sub(w.start) != c.done {
				t.Errorf("the step says %q, the next began after %s; want %q, %s", s.Steps[0].Result, s.Steps[1].Since.Sub(w.start), c.says, c.done)
			}
			on := false
			for _, p := range w.pages {
				if p.Event == "page" && p.Team == "network" && p.at > 30*time.Second {
					on = true
				}
				if p.Event == "page" && p.Team == "emergency" && p.at > 30*time.Second {
					t.Errorf("emergency is paged at %s, though ivan has it", p.at)
				}
			}
			if on != c.second {
				t.Errorf("network was paged on: %v, want %v", on, c.second)
			}
		})
	}
}
