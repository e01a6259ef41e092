package workflows

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/runbooks"
)

// script is a random team and what its people do.
type script struct {
	team    inventory.Team
	stop    time.Duration
	quiet   time.Duration
	taken   time.Duration // when somebody acknowledges; 0: nobody does
	by      string
	ledger  bool // only the ledger hears of it
	refused []string
	acts    []scripted
	longest time.Duration // that one page may stand alone
}

type scripted struct {
	at     time.Duration
	signal string
	who    string
}

var everybody = []string{"ivan", "petr", "boss", "olga"}

func drawScript(t *rapid.T) script {
	s := script{team: inventory.Team{ID: "emergency", Fallback: []string{"boss"}}, longest: breath}
	seconds := func(name string, low, high int) time.Duration {
		return time.Duration(rapid.IntRange(low, high).Draw(t, name)) * time.Second
	}
	rungs := func(name string) []inventory.Rung {
		var out []inventory.Rung
		for range rapid.IntRange(1, 3).Draw(t, name) {
			wait := seconds("wait", 5, 200)
			s.longest = max(s.longest, wait)
			out = append(out, inventory.Rung{Channel: rapid.SampledFrom([]inventory.Channel{inventory.Telegram, inventory.SMS, inventory.Call}).Draw(t, "channel"), WaitSeconds: int(wait / time.Second)})
		}
		return out
	}
	for _, id := range everybody {
		m := inventory.Contact{ID: id}
		if rapid.Bool().Draw(t, "own ladder") {
			m.Pages = rungs("rungs")
		}
		s.team.Members = append(s.team.Members, m)
	}
	for range rapid.IntRange(1, 3).Draw(t, "levels") {
		within := seconds("within", 5, 600)
		s.longest = max(s.longest, within)
		s.team.Levels = append(s.team.Levels, inventory.Level{
			Members:          rapid.SliceOfNDistinct(rapid.SampledFrom(everybody), 1, 4, rapid.ID[string]).Draw(t, "members"),
			Mode:             rapid.SampledFrom([]inventory.Mode{inventory.AllAtOnce, inventory.InTurn}).Draw(t, "mode"),
			AckWithinSeconds: int(within / time.Second),
		})
	}
	s.longest = max(s.longest, fallbackTime)
	s.team.Repeat = rapid.IntRange(0, 2).Draw(t, "repeat")
	s.stop = seconds("stop", 60, 5400)
	if rapid.Bool().Draw(t, "somebody acknowledges") {
		s.taken, s.by = seconds("taken", 1, 3600), rapid.SampledFrom(everybody).Draw(t, "by")
		s.ledger = rapid.Bool().Draw(t, "by the ledger alone")
	}
	if rapid.Bool().Draw(t, "goes quiet") {
		s.quiet = seconds("quiet", 60, 1200)
	}
	for range rapid.IntRange(0, 5).Draw(t, "acts") {
		s.acts = append(s.acts, scripted{
			seconds("at", 0, 1800), rapid.SampledFrom([]string{SignalDeclined, SignalHungUp}).Draw(t, "act"), rapid.SampledFrom(everybody).Draw(t, "who"),
		})
	}
	s.refused = rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"telegram ivan", "call petr", "sms boss"}), 0, 2, rapid.ID[string]).Draw(t, "refused")
	return s
}

// fallbackTime is how long the fallback has, as the harness's calendar says.
const fallbackTime = 300 * time.Second

func (s script) play(t *testing.T) *world {
	w := newWorld(t)
	w.team = s.team
	for _, a := range s.acts {
		w.after(a.at, func() { w.SignalWorkflow(a.signal, PageAnswer{Contact: a.who, Via: "call"}) })
	}
	w.refuse = func(id string) bool {
		return slices.ContainsFunc(s.refused, func(r string) bool { return len(id) >= len(r) && id[len(id)-len(r):] == r })
	}
	switch {
	case s.taken == 0:
	case s.ledger:
		w.ledger = func(p records.PageStateParams) records.PageState {
			if at := w.start.Add(s.taken); w.elapsed() >= s.taken && at.After(p.Since) {
				return records.PageState{AcknowledgedBy: s.by, Via: "call", At: at}
			}
			return records.PageState{}
		}
	default:
		w.after(s.taken, func() { w.SignalWorkflow(SignalAcknowledged, PageAnswer{Contact: s.by, Via: "call"}) })
	}
	w.stopAfter(s.stop)
	escalate(w, EscalateInput{Quiet: runbooks.Duration(s.quiet)})
	return w
}

// check looks at the pages from the outside.
func (s script) check(w *world) error {
	if err := w.GetWorkflowError(); err != nil {
		return fmt.Errorf("it ended with %w", err)
	}
	seen := map[string]bool{}
	for _, id := range w.sent {
		if seen[id] {
			return fmt.Errorf("%s was sent twice", id)
		}
		seen[id] = true
	}
	last, rested := time.Duration(0), s.stop
	if s.taken > 0 && s.taken < s.stop {
		rested = s.taken
	}
	woken := s.stop // when the page returns after a silence
	if s.quiet > 0 {
		woken = min(s.stop, rested+s.quiet)
	}
	for i, p := range w.pages {
		if p.Event != "page" {
			continue
		}
		if i == 0 && p.at != 0 {
			return fmt.Errorf("the first page left after %s", p.at)
		}
		if p.at > rested && p.at < woken {
			return fmt.Errorf("%v paged at %s, though %s acknowledged at %s", p.Contacts, p.at, s.by, s.taken)
		}
		if p.at <= rested && p.at-last > s.longest {
			return fmt.Errorf("nobody was being reached between %s and %s", last+s.longest, p.at)
		}
		if p.at <= rested {
			last = p.at
		}
	}
	if rested-last > s.longest && !s.ledger {
		return fmt.Errorf("nobody was being reached after %s, until %s", last+s.longest, rested)
	}
	return nil
}

func TestWhateverATeamDoesSomebodyIsReachedUntilItIsTaken(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := drawScript(rt)
		w := s.play(t)
		if err := s.check(w); err != nil {
			rt.Fatalf("%v; pages: %v", err, w.climbs())
		}
	})
}
