package topology_test

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// rounds are looks at the machines of an estate, step apart and each some seconds long, of which those
// in gone answer until then.
func rounds(inv *inventory.Inventory, looks int, step time.Duration, gone map[string]time.Time) []topology.Observation {
	var out []topology.Observation
	for k := range looks {
		for i, id := range inv.Servers() {
			when := noon.Add(time.Duration(k)*step + time.Duration(i*37%11)*time.Second)
			r := topology.Up
			if at, hot := gone[id]; hot && when.After(at) {
				r = topology.Down
			}
			out = append(out, topology.Observation{Component: id, Probe: topology.ProbeTCP, Vantage: "v", At: when, Result: r})
		}
	}
	return out
}

func serversIn(inv *inventory.Inventory, place string) []string {
	return slices.DeleteFunc(slices.Clone(inv.Servers()), func(id string) bool {
		c, _ := inv.Component(id)
		return c.Rack != place && c.Room != place
	})
}

// A look every five minutes, or two, sees a room heat as well as one every half minute.
func TestARoomThatHeatsIsNamedHoweverRareTheLooks(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 5, servers: 16, single: 6, clients: 1}.load(t)
	for _, tt := range []struct {
		name  string
		place string
		looks int
		step  time.Duration
		over  time.Duration
		every int // one machine of so many goes
	}{
		{"a room in ten minutes", "s0-r0", 6, 5 * time.Minute, 10 * time.Minute, 2},
		{"a room in a quarter of an hour", "s0-r0", 7, 4 * time.Minute, 15 * time.Minute, 3},
		{"a rack in ten minutes", "s0-r0-k01", 8, 2 * time.Minute, 10 * time.Minute, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			gone := map[string]time.Time{}
			begun := noon.Add(time.Duration(tt.looks-1)*tt.step - tt.over - 30*time.Second)
			hot := serversIn(inv, tt.place)
			for i, id := range hot {
				if i%tt.every == 0 {
					gone[id] = begun.Add(tt.over * time.Duration(i*29%len(hot)) / time.Duration(len(hot)))
				}
			}
			g := topology.New(inv)
			sifted := g.Sift(rounds(inv, tt.looks, tt.step, gone), nil)
			inf := g.InferSifted(&sifted)
			if len(inf.Findings) != 1 || inf.Findings[0].Component != tt.place || inf.Findings[0].Mode != topology.Heating {
				t.Errorf("want %s heating, of which %d machines are gone: %s", tt.place, len(gone), story(&inf))
			}
		})
	}
}

// Machines of which every second probe is lost, and which are well, fall silent one after another as it
// seems: something loses their packets.
func TestMachinesThatComeBackAreNotTooHot(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 5, servers: 16, single: 6, clients: 1}.load(t)
	rows := rounds(inv, 10, time.Minute, nil)
	room := serversIn(inv, "s0-r0")
	r := rand.New(rand.NewPCG(1, 2))
	for i := range rows {
		if slices.Contains(room, rows[i].Component) && r.IntN(2) == 0 {
			rows[i].Result = topology.Down
		}
	}
	inf := topology.New(inv).Infer(rows)
	for _, f := range inf.Findings {
		if f.Mode == topology.Heating {
			t.Errorf("%s is too hot, it says: %s", f.Component, story(&inf))
		}
	}
}

// In a room that heats all machines of one PDU may go between the same two looks: it is the heat.
func TestAPDUInARoomThatHeatsIsNotNamedForItsMachines(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 5, servers: 16, single: 3, clients: 1}.load(t)
	gone := map[string]time.Time{}
	for i, id := range serversIn(inv, "s0-r0") {
		switch c, _ := inv.Component(id); {
		case c.Rack == "s0-r0-k01" && c.Unit <= 3: // between the same two looks
			gone[id] = noon.Add(7*time.Minute + time.Duration(10*c.Unit)*time.Second)
		case i%4 != 0:
			gone[id] = noon.Add(time.Duration(i*29%80) * 15 * time.Second)
		}
	}
	inf := topology.New(inv).Infer(rounds(inv, 8, 3*time.Minute, gone))
	if len(inf.Findings) != 1 || inf.Findings[0].Component != "s0-r0" || inf.Findings[0].Mode != topology.Heating {
		t.Errorf("want the room heating alone: %s", story(&inf))
	}
}
