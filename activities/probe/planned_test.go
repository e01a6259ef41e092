package probe

import (
	"context"
	"net"
	"testing"
	"time"

	"go.temporal.io/sdk/testsuite"
	"go.temporal.io/sdk/worker"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/topology"
)

// planned is one plan, whatever is asked for.
type planned topology.Shard

func (p planned) Shard(context.Context, string, int, int) (topology.Shard, error) {
	return topology.Shard(p), nil
}

func runShard(ctx context.Context, t *testing.T, a *Activities, p ShardParams) (ShardResult, error) {
	t.Helper()
	var suite testsuite.WorkflowTestSuite
	env := suite.NewTestActivityEnvironment()
	env.SetWorkerOptions(worker.Options{BackgroundActivityContext: ctx})
	env.RegisterActivity(a)
	var r ShardResult
	got, err := env.ExecuteActivity(a.SweepShard, p)
	if err == nil {
		err = got.Get(&r)
	}
	return r, err
}

func TestAPlannedShardCountsWhatItAsksFirst(t *testing.T) {
	l := lab(t, estate.Options{})
	if err := l.SetFault("m1-0102", estate.Fault{Mode: estate.Off}); err != nil {
		t.Fatal(err)
	}
	sink := &memory{}
	a := New(l.Inventory(), sink, Options{Vantage: "here", Plans: planned{Vantage: "msk", Asks: []topology.Ask{
		{Components: []string{"m1-0101", "m1-0102", "s1-0101"}, First: true},
		{Components: []string{"m1-0103"}},
		{Components: []string{"m1-0102"}, Probes: []topology.Probe{topology.ProbePower}},
	}}})
	r, err := runShard(t.Context(), t, a, ShardParams{Sweep: "s", Round: 1, TimeoutMs: patient})
	if err != nil {
		t.Fatal(err)
	}
	want := []SiteCount{{Site: "msk", Up: 1, Down: 1}, {Site: "spb", Up: 1}}
	if len(r.BySite) != 2 || r.BySite[0] != want[0] || r.BySite[1] != want[1] || r.Probes < 5 {
		t.Errorf("%+v, want %+v", r, want)
	}
	for key, o := range sink.rows {
		if o.Vantage != "msk" {
			t.Errorf("%s was asked from %s, want as planned", key, o.Vantage)
		}
	}
	if o := sink.rows["s/1/m1-0102/power/msk"]; o.Result != topology.Down {
		t.Errorf("its power: %+v", o)
	}
}

// A BMC takes the connection and says nothing; when nobody waits for the sweep
// any more, it stops within a second all the same, and stores nothing.
func TestACancelledShardStopsWithinASecond(t *testing.T) {
	t.Setenv("VAKHTA_LAB_BMC", "u:p")
	soonAfter(t, time.Second, cancelledShard)
}

// cancelledShard is how long a shard goes on that is cancelled while a BMC keeps silent.
func cancelledShard(t *testing.T) time.Duration {
	t.Helper()
	hangs := listen(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	cancelled := make(chan time.Time, 1)
	serve(t, hangs, func(conn net.Conn) {
		_, _ = conn.Read(make([]byte, 1)) // its request, which stays without an answer
		select {
		case cancelled <- time.Now():
			cancel()
		default: // another connection
		}
		await(conn)
	})
	inv := single{&inventory.Component{ID: "m", Kind: inventory.KindServer, Site: "msk", Probe: inventory.Profile{
		BMC: inventory.BMC{URL: "http://" + hangs.Addr().String(), Credentials: "env:VAKHTA_LAB_BMC"},
	}}}
	sink := &memory{}
	a := New(inv, sink, Options{Vantage: "msk", BMCTimeout: time.Minute, Plans: planned{Asks: []topology.Ask{
		{Components: []string{"m"}, Probes: []topology.Probe{topology.ProbePower}},
	}}})
	_, failed := runShard(ctx, t, a, ShardParams{Sweep: "s", Round: 1})
	late := time.Since(<-cancelled)
	if failed == nil {
		t.Error("a cancelled shard has a result")
	}
	if len(sink.rows) != 0 {
		t.Errorf("it stored %v", sink.rows)
	}
	return late
}

// single is an inventory of one component.
type single struct{ c *inventory.Component }

func (o single) Component(id string) (*inventory.Component, bool) { return o.c, o.c.ID == id }
