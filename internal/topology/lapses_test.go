package topology_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// That a spare answered one probe yesterday and missed another was chance, where hardly any that did so do so again: both
// count today. Where they are silent again it is a policy, of which a server's owner is the master of his own.
func TestAProbeThatWasMissedYesterdayByChanceCountsToday(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 20, servers: 4, management: true, clients: 1}.load(t)
	g := topology.New(inv)
	twice := func(result func(c *inventory.Component, p topology.Probe) topology.Result, at time.Time) []topology.Observation {
		var out []topology.Observation
		for _, c := range inv.Components() {
			for _, p := range []topology.Probe{topology.ProbeTCP, topology.ProbeICMP} {
				if len(c.Probe.TCP) > 0 {
					out = append(out, topology.Observation{Component: c.ID, Probe: p, Vantage: "v", At: at, Result: result(c, p)})
				}
			}
		}
		return out
	}
	for _, tt := range []struct {
		name, gone string
		missed     func(c *inventory.Component) bool // ping, yesterday
		still      bool                              // and today
		looks      int                               // of yesterday
		kept       bool
	}{
		{"others answer again", "s0-r0-k03-pdu-a", func(c *inventory.Component) bool { return strings.HasSuffix(c.ID, "-a") }, false, 1, true},
		{"other kinds answer again", "s0-up0", func(c *inventory.Component) bool { return c.Kind == inventory.KindPDU }, false, 1, true},
		{"others are silent again", "s0-r0-k03-pdu-a", func(c *inventory.Component) bool { return strings.HasSuffix(c.ID, "-a") }, true, 1, false},
		{"others of its kind are", "s0-r0-k03-sw", func(c *inventory.Component) bool { return strings.HasSuffix(c.ID, "-sw") }, true, 1, false},
		{"too few others", "s0-r0-k03-pdu-a", func(*inventory.Component) bool { return false }, false, 1, false},
		{"it was silent at two looks", "s0-r0-k03-pdu-a", func(c *inventory.Component) bool { return strings.HasSuffix(c.ID, "-a") }, false, 2, false},
		{"a server", "srv-000007", isServer, false, 1, false},
	} {
		ping := func(c *inventory.Component, p topology.Probe, missed bool) topology.Result {
			if p == topology.ProbeICMP && missed {
				return topology.Down
			}
			return topology.Up
		}
		var before []topology.Observation
		for k := range tt.looks {
			before = append(before, twice(func(c *inventory.Component, p topology.Probe) topology.Result {
				return ping(c, p, c.ID == tt.gone || tt.missed(c))
			}, noon.Add(-24*time.Hour+time.Duration(k)*time.Minute))...)
		}
		rows := twice(func(c *inventory.Component, p topology.Probe) topology.Result {
			if c.ID == tt.gone {
				return topology.Down
			}
			return ping(c, p, tt.still && tt.missed(c))
		}, noon)
		sifted := g.Sift(rows, before)
		kept := slices.ContainsFunc(sifted.Observations, func(o topology.Observation) bool {
			return o.Component == tt.gone && o.Probe == topology.ProbeICMP
		})
		if kept != tt.kept {
			t.Errorf("%s: kept %t, want %t", tt.name, kept, tt.kept)
		}
	}
}

// Both probes that a PDU misses which its rack can spare make it sure enough, though yesterday chance had it miss one of them.
func TestASpareThatMissedOneOfTwoProbesYesterdayIsNamed(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 20, servers: 4, management: true, clients: 1}.load(t)
	const gone = "s0-r0-k03-pdu-a"
	look := func(at time.Time, down func(id string, p topology.Probe, i int) bool) []topology.Observation {
		var out []topology.Observation
		for i, o := range shots(inv, 1, 0, nil) {
			for k, p := range []topology.Probe{topology.ProbeTCP, topology.ProbeICMP} {
				if o.At, o.Probe, o.Result = at, p, topology.Up; down(o.Component, p, 2*i+k) {
					o.Result = topology.Down
				}
				out = append(out, o)
			}
		}
		return out
	}
	before := look(noon.Add(-24*time.Hour), func(id string, p topology.Probe, i int) bool {
		return i%12 == 5 || id == gone && p == topology.ProbeICMP
	})
	rows := look(noon, func(id string, _ topology.Probe, i int) bool { return i%98 == 8 || id == gone })
	if inf := sifted(inv, rows, before); !slices.Equal(named(inf), []string{gone}) {
		t.Errorf("want %s: %s", gone, story(&inf))
	}
}
