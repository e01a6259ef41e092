package topology_test

import (
	"slices"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// Somebody has switched off every second machine of a rack. Nothing but their silence tells: that
// most of those on one PDU alone are among them makes no failure of that PDU.
func TestHalfARackSwitchedOffIsNoPDU(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 6, servers: 20, single: 5, management: false, clients: 1}.load(t)
	for name, told := range map[string]func(c *inventory.Component) bool{
		"no BMC":         func(*inventory.Component) bool { return false },
		"BMCs of others": func(c *inventory.Component) bool { return c.Unit > 5 },
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(inv)
			rows := slices.DeleteFunc(w.look(nil), func(o topology.Observation) bool {
				c, _ := inv.Component(o.Component)
				return o.Probe == topology.ProbePower && !told(c)
			})
			dark := map[int]bool{1: true, 2: true, 3: true, 4: true, 7: true, 9: true, 11: true, 13: true, 15: true, 17: true, 19: true}
			for i := range rows {
				c, _ := inv.Component(rows[i].Component)
				if c.Rack == "s0-r1-k02" && dark[c.Unit] { // one on that PDU lives
					rows[i].Result = topology.Down
				}
			}
			inf := topology.New(inv).Infer(rows)
			for _, f := range inf.Findings {
				if f.Kind != inventory.KindServer {
					t.Errorf("%s is named: %s", f.Component, story(&inf))
				}
			}
		})
	}
}

// A PDU that has failed is named, though a machine beside it is silent by itself.
func TestAPDUIsNamedBesideOneOwnFault(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 6, servers: 20, single: 8, clients: 1}.load(t)
	w := newWorld(inv, "s0-r1-k02-pdu-a")
	w.hung["srv-000172"] = true
	rows := slices.DeleteFunc(w.look(nil), func(o topology.Observation) bool { return o.Probe == topology.ProbePower })
	inf := topology.New(inv).Infer(rows)
	if got := named(inf); !slices.Contains(got, "s0-r1-k02-pdu-a") {
		t.Errorf("named %v, want the PDU: %s", got, story(&inf))
	}
}

// Ports of machines that are switched off are dark, and some of living ones are misread: neither
// is a line card.
func TestDarkPortsOfMachinesSwitchedOffAreNoLineCard(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 6, servers: 20, management: true, clients: 1}.load(t)
	w := newWorld(inv)
	for _, c := range inv.Components() {
		if c.Rack == "s0-r1-k02" && c.Kind == inventory.KindServer && c.Unit%2 == 0 {
			w.off[c.ID] = true
		}
	}
	// Half of them were so yesterday: that is no news, and only their ports are told of.
	rows := slices.DeleteFunc(w.look(nil), func(o topology.Observation) bool {
		c, _ := inv.Component(o.Component)
		return w.off[o.Component] && c.Unit%4 == 0
	})
	for _, c := range inv.Components() {
		if c.Kind != inventory.KindServer {
			continue
		}
		result := topology.Up
		if w.off[c.ID] || c.Rack == "s0-r1-k02" && c.Unit < 6 {
			result = topology.Down
		}
		rows = append(rows, told(c.Rack+"-sw", topology.ProbePort, c.ID, result))
	}
	inf := topology.New(inv).Infer(rows)
	for _, f := range inf.Findings {
		if f.Kind != inventory.KindServer {
			t.Errorf("%s is named: %s", f.Component, story(&inf))
		}
	}
}

// Of two uplinks one is lost, and the other answers within: an outside vantage that sees nothing is blind.
func TestOneUplinkThatAnswersMakesTheOutsideVantageBlind(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 6, servers: 20, management: true, clients: 1, within: true}.load(t)
	var rows []topology.Observation
	for _, o := range newWorld(inv, "s0-up0").look(nil) {
		o.Vantage = "s0-in"
		rows = append(rows, o)
		again := o
		again.At = again.At.Add(60e9)
		rows = append(rows, again)
		if o.Vantage = "outside"; o.Probe == topology.ProbeTCP {
			o.Result = topology.Down
			rows = append(rows, o)
		}
	}
	inf := topology.New(inv).Infer(rows)
	if got := named(inf); !slices.Equal(got, []string{"s0-up0"}) || !slices.Equal(inf.Blind, []string{"outside"}) {
		t.Errorf("named %v, blind %v; want s0-up0 and outside: %s", got, inf.Blind, story(&inf))
	}
}

// In a first sweep one machine in thirty is silent, here and there, however often it is asked: they don't
// answer by policy, as far as anybody knows. One or two of them alone are named.
func TestManyThatNobodyEverHeardAreAPolicyInAFirstSweep(t *testing.T) {
	inv := estate{sites: 1, rooms: 3, racks: 8, servers: 20, single: 5, management: true, clients: 1}.load(t)
	sweep := func(silent func(c *inventory.Component) bool) topology.Inference {
		w := newWorld(inv)
		for _, c := range inv.Components() {
			if c.Kind == inventory.KindServer && silent(c) {
				w.hung[c.ID] = true
			}
		}
		rows := w.look(nil)
		for i := range slices.Clone(rows) {
			again := rows[i]
			again.At = again.At.Add(60e9)
			rows = append(rows, again)
		}
		return topology.New(inv).Infer(rows)
	}
	many := sweep(func(c *inventory.Component) bool { return c.Unit == 7 && c.Room != "s0-r2" })
	if len(many.Findings) > 0 || len(many.Unexplained) != 16 {
		t.Errorf("one in most racks: %d findings, %d unexplained; want none and 16", len(many.Findings), len(many.Unexplained))
	}
	few := sweep(func(c *inventory.Component) bool { return c.Unit == 7 && c.Rack == "s0-r1-k02" })
	if len(few.Findings) != 1 {
		t.Errorf("one alone: %s", story(&few))
	}
}
