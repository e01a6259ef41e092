package topology_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// switchless is a site whose machines hang on its two uplinks directly, with PDUs in
// racks without a switch, and a site beside it.
func switchless(t *testing.T) *inventory.Inventory {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nsites: [{id: s0, timezone: UTC}, {id: s1, timezone: UTC}]\n")
	b.WriteString("clients: [{id: c0, language: ru, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}]\ncomponents:\n")
	n := 0
	address := func() string { n++; return fmt.Sprintf("10.0.%d.%d", n>>8, n&255) }
	for s := range 2 {
		for u := range 2 {
			fmt.Fprintf(&b, "  - {id: s%d-up%d, kind: uplink, in: s%d, probe: {address: %s, icmp: true}}\n", s, u, s, address())
		}
		fmt.Fprintf(&b, "  - {id: s%d-r, kind: room, in: s%d}\n", s, s)
		for k := range 4 {
			rack := fmt.Sprintf("s%d-k%d", s, k)
			fmt.Fprintf(&b, "  - {id: %s, kind: rack, in: s%d-r}\n", rack, s)
			for _, side := range []string{"a", "b"} {
				fmt.Fprintf(&b, "  - {id: %s-pdu-%s, kind: pdu, in: %s, probe: {address: %s, icmp: true}}\n", rack, side, rack, address())
			}
			for i := range 12 {
				fmt.Fprintf(&b, "  - {id: %s-m%02d, kind: server, in: %s, client: c0, needs: {power: [%s-pdu-a, %s-pdu-b], network: [s%d-up0, s%d-up1]}, probe: {address: %s, icmp: true, tcp: [22], bmc: {url: \"http://10.1.1.1:443\", credentials: \"env:X\"}}}\n",
					rack, i, rack, rack, rack, s, s, address())
			}
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "estate", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// silence makes all that the filter lets through silent.
func silence(rows []topology.Observation, of func(o *topology.Observation) bool) {
	for i := range rows {
		if !of(&rows[i]) {
			continue
		}
		if rows[i].Result = topology.Down; rows[i].Probe == topology.ProbePower {
			rows[i].Result = topology.Unknown
		}
	}
}

func TestBothUplinksAreInTheClassOfASiteThatNobodySeesFromOutside(t *testing.T) {
	inv := switchless(t)
	rows := newWorld(inv).look(nil)
	for _, c := range inv.Components() {
		if c.Probe.ICMP && len(c.Probe.TCP) == 0 {
			rows = append(rows, at(c.ID, topology.ProbeICMP, "v", topology.Up, noon))
		}
	}
	silence(rows, func(o *topology.Observation) bool { return strings.HasPrefix(o.Component, "s1") })
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) != 1 {
		t.Fatal(story(&inf))
	}
	f := inf.Findings[0]
	class := append(slices.Clone(f.AmbiguousWith), f.Component)
	for _, id := range []string{"s1", "s1-up0", "s1-up1"} {
		if !slices.Contains(class, id) {
			t.Errorf("%s is not in the class: %s", id, story(&inf))
		}
	}
	if f.Probability > .95 {
		t.Errorf("the site is named as if nothing else were possible: %s", story(&inf))
	}
}

func TestASiteWhoseVantageSpeaksMayBeItsRoomsAndUplinks(t *testing.T) {
	e := estate{sites: 2, rooms: 2, racks: 3, servers: 20, single: 8, feeds: true, management: true, clients: 1, within: true}
	inv := e.load(t)
	rows := lookFrom(inv, newWorld(inv), "s1")
	silence(rows, func(o *topology.Observation) bool { c, _ := inv.Component(o.Component); return c.Site == "s1" })
	inf := topology.New(inv).Infer(rows)
	held := map[string]bool{}
	for _, f := range inf.Findings {
		held[f.Component] = true
		for _, id := range f.AmbiguousWith {
			held[id] = true
		}
	}
	for _, id := range []string{"s1-r0", "s1-r1", "s1-up0", "s1-up1", "s1-r0-feed-a", "s1-r0-feed-b", "s1-r1-feed-a"} {
		if !held[id] {
			t.Errorf("%s is not in a class: %s", id, story(&inf))
		}
	}
}

func TestPortsOfMachinesWithoutPowerSpeakOfNoLineCard(t *testing.T) {
	inv := estate{sites: 1, rooms: 2, racks: 3, servers: 20, single: 8, feeds: true, management: true, clients: 1}.load(t)
	for _, broken := range []string{"s0-r0-k01-pdu-a", "s0-r0-feed-a"} {
		w := newWorld(inv, broken)
		rows := w.look(nil)
		for _, c := range inv.Components() {
			if c.Kind != inventory.KindServer {
				continue
			}
			link := at(c.Needs[slices.IndexFunc(c.Needs, func(g inventory.Group) bool { return g.Name == "network" })].Members[0], topology.ProbePort, "v", topology.Up, noon)
			if link.Peer = c.ID; !w.powered(c.ID) {
				link.Result = topology.Down
			}
			rows = append(rows, link)
		}
		inf := topology.New(inv).Infer(rows)
		if got := named(inf); !slices.Equal(got, []string{broken}) {
			t.Errorf("%s is broken: %s", broken, story(&inf))
		}
	}
}

func TestASwitchThatComesAndGoesIsSaidToFlapWhileItIsGone(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 3, servers: 20, single: 8, management: true, clients: 1}.load(t)
	g := topology.New(inv)
	var rows []topology.Observation
	for k := range 8 {
		w := newWorld(inv)
		if k%2 == 1 {
			w = newWorld(inv, "s0-r0-k01-sw")
		}
		look := w.look(nil)
		for i := range look {
			look[i].At = noon.Add(time.Duration(k-7) * 3 * time.Minute)
		}
		rows = append(rows, look...)
	}
	sifted := g.Sift(rows, nil)
	inf := g.InferSifted(&sifted)
	if len(inf.Findings) != 1 || inf.Findings[0].Component != "s0-r0-k01-sw" || inf.Findings[0].Mode != topology.Flapping {
		t.Error(story(&inf))
	}
}

func TestNoiseOfTheWholeNightIsNoLossOfAnUplink(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 6, servers: 20, single: 6, management: true, clients: 1}.load(t)
	for seed := range uint64(5) {
		for share, lossy := range map[float64]bool{.04: false, .2: true} { // each packet goes by another uplink
			r := rand.New(rand.NewPCG(seed, 9))
			var rows []topology.Observation
			for k := range 4 {
				look := newWorld(inv).look(servers)
				for i := range look {
					look[i].At = noon.Add(time.Duration(k) * time.Minute)
					if look[i].Probe == topology.ProbeTCP && r.Float64() < share {
						look[i].Result = topology.Down
					}
				}
				rows = append(rows, look...)
			}
			inf := topology.New(inv).Infer(rows)
			found := slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool {
				return f.Mode == topology.Lossy && strings.HasPrefix(f.Component, "s0-up")
			})
			if found != lossy {
				t.Errorf("seed %d, %g of all probes are missed: %s", seed, share, story(&inf))
			}
		}
	}
}

func TestWhatManySilentMachinesHangOnIsDoubtedWhereNothingElseTells(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 6, servers: 20, single: 0, management: true, clients: 1}.load(t)
	w := newWorld(inv)
	for i := 20; i < 40; i += 2 {
		w.hung[fmt.Sprintf("srv-%06d", i)] = true
	}
	rows := w.look(nil)
	rows = append(rows, w.look(nil)...)
	for i := range rows[len(rows)/2:] {
		rows[len(rows)/2+i].At = noon.Add(time.Minute)
	}
	rows = slices.DeleteFunc(rows, func(o topology.Observation) bool { return o.Probe == topology.ProbePower })
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) == 0 {
		t.Fatal(story(&inf))
	}
	for _, f := range inf.Findings {
		if f.Component != "s0-r0-k01-sw" && !slices.Contains(f.AmbiguousWith, "s0-r0-k01-sw") {
			t.Errorf("%s is named, without the switch in its class: %s", f.Component, story(&inf))
		}
	}
}

func TestOneMachineIsNamedBeforeThePDUThatItAloneTellsOf(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 6, servers: 20, single: 1, clients: 1}.load(t)
	w := newWorld(inv, "s0-r0-k01-pdu-a")
	rows := w.look(servers)
	again := w.look(servers)
	for i := range again {
		again[i].At = noon.Add(time.Minute)
	}
	inf := topology.New(inv).Infer(append(rows, again...))
	if len(inf.Findings) != 1 || inf.Findings[0].Component != "srv-000020" || !slices.Contains(inf.Findings[0].AmbiguousWith, "s0-r0-k01-pdu-a") {
		t.Errorf("want the machine, and its PDU in its class: %s", story(&inf))
	}
}
