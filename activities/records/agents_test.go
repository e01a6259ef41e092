package records_test

import (
	"slices"
	"testing"

	"vakhta/activities/records"
	"vakhta/internal/lab/estate"
	"vakhta/internal/topology"
)

// What keeps silent costs a time-out: the agents of suspected equipment are asked together with the BMCs behind it, and no
// further BMCs when a dozen have told nothing.
func TestWhatKeepsSilentIsAskedInOneRound(t *testing.T) {
	r := newRig(t)
	const failed = "msk-r1-k02"
	rack, _ := r.inv.Component(failed)
	look := func(round int, refs []records.ShardRef) {
		r.lookBy("s1", round, rack, refs, func(id string) bool {
			c, _ := r.inv.Component(id)
			return c.Rack == failed
		})
	}
	scope := records.Scope{Client: estate.Romashka}
	look(1, r.plan("s1", scope).Shards)
	second := r.infer("s1", scope, 1)
	shards := r.shards("s1", 2, second.Next)
	for _, agent := range []string{failed + "-pdu-a", failed + "-pdu-b", failed + "-sw"} {
		if !slices.Contains(probed(shards, topology.ProbeSNMP), agent) {
			t.Errorf("the agent of %s is not asked while the BMCs are", agent)
		}
	}
	if bmcs := probed(shards, topology.ProbePower); len(bmcs) < 12 {
		t.Fatalf("power asked of %v alone", bmcs)
	}
	look(2, second.Next)
	third := r.infer("s1", scope, 2)
	if len(third.Findings) != 1 || third.Findings[0].Component != failed {
		t.Fatalf("%+v, want %s", third.Findings, failed)
	}
	shards = r.shards("s1", 3, third.Next)
	if more := slices.Concat(probed(shards, topology.ProbePower), probed(shards, topology.ProbeSNMP)); len(more) > 0 {
		t.Errorf("power and agents asked of %v once more", more)
	}
}
