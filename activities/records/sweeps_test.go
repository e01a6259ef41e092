package records_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/maintenance"
	"vakhta/internal/topology"
)

// plan plans the first round of a sweep.
func (r *rig) plan(sweep string, s records.Scope) records.SweepPlan {
	r.t.Helper()
	return must[records.SweepPlan](r.t)(r.PlanSweep(r.t.Context(), records.PlanSweepParams{Sweep: sweep, Scope: s}))
}

// infer explains what so many rounds of a sweep saw.
func (r *rig) infer(sweep string, s records.Scope, round int) records.Inferred {
	r.t.Helper()
	return must[records.Inferred](r.t)(r.Infer(r.t.Context(), records.InferParams{Sweep: sweep, Scope: s, Round: round, Decide: true}))
}

// shards are what the store holds of a round's plan.
func (r *rig) shards(sweep string, round int, refs []records.ShardRef) []topology.Shard {
	r.t.Helper()
	out := make([]topology.Shard, 0, len(refs))
	for _, ref := range refs {
		out = append(out, must[topology.Shard](r.t)(r.store.Shard(r.t.Context(), sweep, round, ref.Number)))
	}
	return out
}

func probed(shards []topology.Shard, probes ...topology.Probe) (ids []string) {
	for _, s := range shards {
		for _, ask := range s.Asks {
			if len(probes) == 0 || slices.Equal(probes, ask.Probes) {
				ids = append(ids, ask.Components...)
			}
		}
	}
	slices.Sort(ids)
	return ids
}

// look answers shards as a world would in which the component has failed.
func (r *rig) look(sweep string, round int, failed string, refs []records.ShardRef) {
	r.t.Helper()
	var down []string
	c := &inventory.Component{}
	if failed != "" {
		down = topology.New(r.inv).Blast(failed).Servers
		c, _ = r.inv.Component(failed)
	}
	r.lookBy(sweep, round, c, refs, func(id string) bool { return id == failed || slices.Contains(down, id) })
}

// lookBy is the same where it is told what is dead.
func (r *rig) lookBy(sweep string, round int, failed *inventory.Component, refs []records.ShardRef, dead func(id string) bool) {
	r.t.Helper()
	var obs []topology.Observation
	for _, s := range r.shards(sweep, round, refs) {
		for _, ask := range s.Asks {
			probes := ask.Probes
			if len(probes) == 0 {
				probes = []topology.Probe{topology.ProbeTCP}
			}
			for _, id := range ask.Components {
				for _, p := range probes {
					obs = append(obs, answer(topology.Observation{
						Component: id, Probe: p, Vantage: s.Vantage, At: r.now.Add(time.Duration(round) * time.Second), Result: topology.Up,
					}, failed, dead(id)))
				}
			}
		}
	}
	if err := r.store.PutObservations(r.t.Context(), sweep, round, obs); err != nil {
		r.t.Fatal(err)
	}
}

// answer is what a probe finds of a machine that is dead, by what failed.
func answer(o topology.Observation, failed *inventory.Component, dead bool) topology.Observation {
	switch {
	case dead && o.Probe == topology.ProbePower && failed.Kind == inventory.KindServer:
		o.Result, o.Detail = topology.Down, "PowerState Off"
	case o.Probe == topology.ProbePower && failed.Kind == inventory.KindSwitch: // the BMCs have a network of their own
	case dead && o.Probe == topology.ProbePower:
		o.Result, o.Detail = topology.Unknown, "timeout"
	case dead:
		o.Result, o.Detail = topology.Down, "timeout"
	}
	return o
}

// A prober that was too busy to tell has told nothing: what should be down by a
// finding is asked once more, and once only.
func TestWhatNobodyCouldTellIsAskedOnceMore(t *testing.T) {
	r := newRig(t)
	const pdu = "msk-r2-k04-pdu-a"
	scope := records.Scope{All: true}
	plan := r.plan("s1", scope)
	r.look("s1", 1, pdu, plan.Shards)
	untold := topology.New(r.inv).Blast(pdu).Servers[:2]
	busy := func(round int, from string) {
		var obs []topology.Observation
		for _, id := range untold {
			obs = append(obs, topology.Observation{Component: id, Probe: topology.ProbeTCP, Vantage: from, At: r.now.Add(time.Duration(round) * time.Second), Result: topology.Unknown, Detail: "busy"})
		}
		if err := r.store.PutObservations(t.Context(), "s1", round, obs); err != nil {
			t.Fatal(err)
		}
	}
	from := plan.Shards[0].Vantages[0]
	busy(1, from)
	for round := 2; round <= 3; round++ {
		next := r.infer("s1", scope, round-1).Next
		shards := r.shards("s1", round, next)
		for _, id := range untold {
			if again := slices.Contains(probed(shards), id); again != (round == 2) {
				t.Errorf("round %d asks %s: %v", round, id, again)
			}
		}
		r.look("s1", round, pdu, next)
		busy(round, from)
	}
}

func TestASweepWithoutAFailureFindsNothingAndAsksNothing(t *testing.T) {
	r := newRig(t)
	scope := records.Scope{Client: estate.Romashka}
	r.look("s1", 1, "", r.plan("s1", scope).Shards)
	if inf := r.infer("s1", scope, 1); inf.Down != 0 || len(inf.Findings)+len(inf.Next)+len(inf.Unexplained) != 0 {
		t.Errorf("%+v", inf)
	}
}

// One client's machines are swept; the probes that inference asks for name the
// cause, and in three rounds all that it takes down was asked, and what is down
// at least twice.
func TestOneClientsSweepFindsTheCauseBehindHisMachines(t *testing.T) {
	for _, scenario := range []string{"server", "pdu", "switch", "room"} {
		t.Run(scenario, func(t *testing.T) {
			r := newRig(t)
			failed := r.scenario(scenario)
			scope := records.Scope{Client: estate.Romashka}
			refs := r.plan("s1", scope).Shards
			var last records.Inferred
			powers := map[string]int{}
			round := 1
			for ; len(refs) > 0 && round <= 4; round++ {
				r.look("s1", round, failed, refs)
				for _, id := range probed(r.shards("s1", round, refs), topology.ProbePower) {
					if powers[id]++; powers[id] > 1 {
						t.Errorf("the power of %s is asked twice", id)
					}
				}
				last = r.infer("s1", scope, round)
				refs = last.Next
			}
			if len(last.Findings) != 1 || last.Findings[0].Component != failed || len(last.Unexplained) != 0 {
				t.Fatalf("%+v, want %s", last.Findings, failed)
			}
			if len(refs) > 0 {
				t.Errorf("it still asks after %d rounds: %+v", round-1, refs)
			}
			times := map[string]int{}
			for _, o := range must[[]topology.Observation](t)(r.store.Observations(t.Context(), "s1")) {
				if c, ok := r.inv.Component(o.Component); !ok || !r.held(c) {
					t.Errorf("a probe of %s, which has no address", o.Component)
				}
				if o.Probe == topology.ProbeTCP {
					times[o.Component]++
				}
			}
			for _, id := range topology.New(r.inv).Blast(failed).Servers {
				if times[id] == 0 {
					t.Errorf("%s was not asked", id)
				}
			}
			if twice := last.Findings[0].Explains[0]; times[twice] < 2 {
				t.Errorf("%s was asked %d times", twice, times[twice])
			}
		})
	}
}

func (r *rig) held(c *inventory.Component) bool {
	return c.Probe.Address != "" || c.Probe.BMC.Given()
}

func TestARecoveryIsWatchedFromEachSite(t *testing.T) {
	r := newRig(t)
	watched := must[[]records.Watched](t)(r.WatchPlan(t.Context(), incident.Incident{Servers: []string{"s1-0101", "m1-0102", "m1-0101", "msk-r1"}}))
	if len(watched) != 2 || watched[0].Vantage != estate.Vantages[0] || watched[1].Vantage != estate.Vantages[1] || len(watched[0].Components) != 2 {
		t.Errorf("%+v", watched)
	}
}

// A machine that hangs keeps its power: one missed probe may be chance, so it
// is asked once more, and then it is a finding of its own.
func TestAMachineThatHangsIsAskedAgainAndFound(t *testing.T) {
	r := newRig(t)
	const hung = "m1-0101"
	see := func(round int, probe topology.Probe, result topology.Result) {
		t.Helper()
		o := topology.Observation{Component: hung, Probe: probe, Vantage: estate.Vantages[0], At: r.now.Add(time.Duration(round) * time.Second), Result: result}
		if err := r.store.PutObservations(t.Context(), "hang", round, []topology.Observation{o}); err != nil {
			t.Fatal(err)
		}
	}
	asked := func(inf records.Inferred, round int, probe topology.Probe) bool {
		shards := r.shards("hang", round, inf.Next)
		if probe == topology.ProbePower {
			return slices.Contains(probed(shards, probe), hung)
		}
		return slices.ContainsFunc(shards, func(s topology.Shard) bool {
			return slices.ContainsFunc(s.Asks, func(a topology.Ask) bool { return len(a.Probes) == 0 && slices.Contains(a.Components, hung) })
		})
	}
	scope := records.Scope{Components: []string{hung}}
	see(1, topology.ProbeTCP, topology.Down)
	first := r.infer("hang", scope, 1)
	if !asked(first, 2, topology.ProbePower) || !asked(first, 2, topology.ProbeTCP) {
		t.Fatalf("its power is not asked, or itself not once more: %+v", first)
	}
	see(2, topology.ProbePower, topology.Up)
	see(2, topology.ProbeTCP, topology.Down)
	second := r.infer("hang", scope, 2)
	if len(second.Findings) != 1 || second.Findings[0].Component != hung {
		t.Fatalf("%+v, want %s", second.Findings, hung)
	}
}

// However sure it is that a machine failed by itself: its BMC says whether it is switched off, which
// is the first thing that whoever is woken wants to know. One that is there and does not tell is asked once.
func TestTheBMCOfAMachineThatSurelyFailedIsAsked(t *testing.T) {
	r := newRig(t)
	const dead = "m1-0101"
	put := func(round int, obs ...topology.Observation) {
		t.Helper()
		if err := r.store.PutObservations(t.Context(), "dead", round, obs); err != nil {
			t.Fatal(err)
		}
	}
	var first []topology.Observation
	for _, id := range r.inv.ServersAt("msk")[:40] {
		for _, p := range []topology.Probe{topology.ProbeTCP, topology.ProbeICMP} {
			o := topology.Observation{Component: id, Probe: p, Vantage: estate.Vantages[0], At: r.now, Result: topology.Up}
			if id == dead {
				o.Result = topology.Down
			}
			first = append(first, o)
		}
	}
	put(1, first...)
	scope := records.Scope{Site: "msk"}
	inf := r.infer("dead", scope, 1)
	if len(inf.Findings) != 1 || inf.Findings[0].Component != dead || inf.Deciding {
		t.Fatalf("%+v, want %s so surely that nothing is left to decide", inf, dead)
	}
	if got := probed(r.shards("dead", 2, inf.Next), topology.ProbePower); !slices.Equal(got, []string{dead}) {
		t.Errorf("power asked of %v", got)
	}
	put(2, topology.Observation{Component: dead, Probe: topology.ProbePSU, Vantage: estate.Vantages[0], At: r.now, Result: topology.Up, Detail: "the BMC refuses our credentials"})
	inf = r.infer("dead", scope, 2)
	if got := probed(r.shards("dead", 3, inf.Next), topology.ProbePower); len(got) != 0 {
		t.Errorf("the BMC that does not tell is asked again")
	}
	if e := inf.Findings[0].Evidence; e[len(e)-1].Text != "whether it is on is not known: the BMC refuses our credentials" {
		t.Errorf("evidence %+v does not say why", e)
	}
}

// seen stores what one probe of a machine found, in a sweep of its own, and
// explains it as the last round.
func (r *rig) seen(sweep string, at time.Time, result topology.Result, ids ...string) records.Inferred {
	r.t.Helper()
	return r.seenBy([]topology.Probe{topology.ProbeTCP, topology.ProbePower}, sweep, at, result, ids...)
}

func (r *rig) seenBy(probes []topology.Probe, sweep string, at time.Time, result topology.Result, ids ...string) records.Inferred {
	r.t.Helper()
	r.now = at
	var obs []topology.Observation
	for _, id := range ids {
		for _, p := range probes {
			obs = append(obs, topology.Observation{Component: id, Probe: p, Vantage: estate.Vantages[0], At: at, Result: result})
		}
	}
	if err := r.store.PutObservations(r.t.Context(), sweep, 1, obs); err != nil {
		r.t.Fatal(err)
	}
	return must[records.Inferred](r.t)(r.Infer(r.t.Context(), records.InferParams{
		Sweep: sweep, Scope: records.Scope{Components: ids}, Round: 4, Last: true, Routine: true,
	}))
}

func TestWhatWasOffLongBeforeIsNotNews(t *testing.T) {
	r := newRig(t)
	const off = "m1-0101"
	begin := r.now
	if got := r.seen("s0", begin, topology.Up, off); got.Down != 0 {
		t.Fatalf("%+v", got)
	}
	for i := 1; i <= 4; i++ {
		got := r.seen(fmt.Sprint("s", i), begin.Add(time.Duration(i)*time.Hour), topology.Down, off)
		if len(got.Findings) != 1 || got.Findings[0].Component != off || got.WasSo != 0 || got.Next != nil {
			t.Fatalf("after %d hours: %+v", i, got)
		}
	}
	if got := r.seen("s9", begin.Add(48*time.Hour), topology.Down, off); len(got.Findings) != 0 || got.WasSo != 1 {
		t.Errorf("two days later: %+v", got)
	}
	if kept, err := r.store.Observations(t.Context(), "s9"); err != nil || len(kept) != 2 {
		t.Errorf("a routine sweep without a finding is forgotten while others look back at it: %d rows, %v", len(kept), err)
	}
	if kept, err := r.store.Observations(t.Context(), "s4"); err != nil || len(kept) != 2 {
		t.Errorf("a sweep with a finding is forgotten: %d rows, %v", len(kept), err)
	}
	r.seen("s10", begin.Add(49*time.Hour), topology.Up, off)
	r.seen("s10b", begin.Add(50*time.Hour+time.Minute), topology.Up, off)
	if left, err := r.store.Observations(t.Context(), "s9"); err != nil || len(left) != 0 {
		t.Errorf("a routine sweep without a finding is kept for good: %d rows, %v", len(left), err)
	}
	got := r.seen("s11", begin.Add(51*time.Hour), topology.Down, off)
	if len(got.Findings) != 1 {
		t.Fatalf("it was back, and is gone again: %+v", got)
	}
	worked, failed := begin.Add(50*time.Hour+time.Minute), begin.Add(51*time.Hour)
	if f := got.Findings[0]; !f.Worked.Equal(worked) || !f.Since.Equal(failed) {
		t.Errorf("it worked at %s and failed at %s, want the sweep before and this one", f.Worked, f.Since)
	}
	got = r.seen("s12", begin.Add(51*time.Hour+20*time.Minute), topology.Down, off)
	if f := got.Findings[0]; !f.Worked.Equal(worked) || !f.Since.Equal(failed) {
		t.Errorf("it worked at %s and failed at %s, want the two sweeps before this one", f.Worked, f.Since)
	}
}

func TestWhatIsNoNewsIsLearnedLikeTheRest(t *testing.T) {
	r := newRig(t)
	const off = "m1-0101"
	begin := r.now
	for i := range 4 {
		r.seen(fmt.Sprint("off", i), begin.Add(time.Duration(i)*time.Hour), topology.Down, off)
	}
	at := begin.Add(48 * time.Hour)
	all := []string{"m1-0100", off, "m1-0102"}
	for _, id := range []string{all[0], all[2]} {
		o := topology.Observation{Component: id, Probe: topology.ProbeTCP, Vantage: estate.Vantages[0], At: at, Result: topology.Up}
		if err := r.store.PutObservations(t.Context(), "s1", 1, []topology.Observation{o}); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.seen("s1", at, topology.Down, off); got.WasSo != 1 || len(got.Findings) != 0 {
		t.Fatalf("%+v, want nothing new", got)
	}
	habits, err := r.store.Habits(t.Context(), all)
	if err != nil || len(habits) != 4 {
		t.Fatalf("%d habits, want those of four questions: %v", len(habits), err)
	}
	for _, h := range habits {
		if !h.LastAt.Equal(at) || (h.Component == off) != h.LastUp.IsZero() {
			t.Errorf("%+v: not as the last sweep saw it", h)
		}
	}
}

// What was silent whenever it was asked failed before this sweep saw it.
func TestWhatNobodySawWorkingFailsSinceItWasFirstAsked(t *testing.T) {
	r := newRig(t)
	const dead = "m1-0101"
	begin := r.now
	r.seen("s0", begin, topology.Down, dead)
	got := r.seen("s1", begin.Add(20*time.Minute), topology.Down, dead)
	if len(got.Findings) != 1 || !got.Findings[0].Worked.IsZero() || !got.Findings[0].Since.Equal(begin) {
		t.Errorf("%+v, want %s failing since %s", got.Findings, dead, begin)
	}
}

// A machine that was off before its PDU failed doesn't tell since when the PDU has.
func TestWhatFailedByItselfBeforeDoesNotDateWhatTookTheRest(t *testing.T) {
	r := newRig(t)
	servers, tcp := topology.New(r.inv).Blast("msk-r2-k04-pdu-a").Servers, []topology.Probe{topology.ProbeTCP}
	begin := r.now
	r.seenBy(tcp, "s0", begin, topology.Up, servers...)
	r.seenBy(tcp, "s1", begin.Add(time.Hour), topology.Down, servers[0])
	for i, at := range []time.Duration{2 * time.Hour, 3 * time.Hour} {
		got := r.seenBy(tcp, fmt.Sprint("all", i), begin.Add(at), topology.Down, servers...)
		if f := got.Findings[0]; f.Kind == inventory.KindServer || !f.Worked.Equal(begin) || !f.Since.Equal(begin.Add(2*time.Hour)) {
			t.Errorf("after %s: %s worked at %s and failed at %s, want two hours after the first sweep", at, f.Component, f.Worked, f.Since)
		}
	}
}

func TestPlannedWorkIsNotNews(t *testing.T) {
	r := newRig(t)
	const pdu = "msk-r2-k04-pdu-a"
	servers := topology.New(r.inv).Blast(pdu).Servers
	if got := r.seen("s1", r.now, topology.Down, servers...); got.WasSo != 0 || len(got.Findings) == 0 {
		t.Fatalf("without planned work: %+v", got)
	}
	if err := r.store.PutMaintenance(t.Context(), maintenance.Work{
		ID: "m1", Title: map[string]string{"ru": "PDU"}, Components: []string{pdu}, StartsAt: r.now.Add(-time.Hour), EndsAt: r.now.Add(time.Hour), Revision: 1,
	}); err != nil {
		t.Fatal(err)
	}
	if got := r.seen("s2", r.now, topology.Down, servers...); got.WasSo != len(servers) || len(got.Findings)+len(got.Unexplained) != 0 {
		t.Errorf("under planned work: %+v", got)
	}
}

// What no incident needs goes with a routine sweep once it is old enough, and
// with no other.
func TestARoutineSweepPrunesWhatIsTooOld(t *testing.T) {
	r := newRig(t)
	r.with(records.Options{KeepSweeps: 24 * time.Hour})
	const off, led = "m1-0101", "m1-0102"
	begin := r.now
	r.seen("old", begin, topology.Down, off)
	r.seen("led", begin, topology.Down, led)
	if _, _, err := r.store.OpenIncident(t.Context(), "r1", incident.Incident{Component: led, Sweep: "led", OpenedAt: begin}); err != nil {
		t.Fatal(err)
	}
	r.seen("young", begin.Add(2*time.Hour), topology.Down, off)
	kept := func(sweep string) int {
		return len(must[[]topology.Observation](t)(r.store.Observations(t.Context(), sweep)))
	}
	r.now = begin.Add(25 * time.Hour)
	if err := r.store.PutObservations(t.Context(), "asked", 1, []topology.Observation{{Component: off, Probe: topology.ProbeTCP, Vantage: estate.Vantages[0], At: r.now, Result: topology.Up}}); err != nil {
		t.Fatal(err)
	}
	must[records.Inferred](t)(r.Infer(t.Context(), records.InferParams{Sweep: "asked", Scope: records.Scope{Components: []string{off}}, Round: 4, Last: true}))
	if kept("old") != 2 {
		t.Error("a sweep that somebody waits for has pruned")
	}
	r.seen("routine", begin.Add(25*time.Hour), topology.Up, off)
	if kept("old") != 0 || kept("led") != 2 || kept("young") != 2 {
		t.Errorf("%d old rows are kept, %d that led to an incident, %d young ones; want 0, 2, 2", kept("old"), kept("led"), kept("young"))
	}
}
