package topology_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

func TestBlastRespectsRedundancy(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 2, servers: 4, single: 2, feeds: true, clients: 3}.load(t)
	g := topology.New(inv)
	for _, c := range []struct {
		name     string
		failed   []string
		servers  []string
		degraded int
	}{
		{"nothing", nil, []string{}, 0},
		{"unknown", []string{"nobody"}, []string{}, 0},
		{"one PDU", []string{"s0-r0-k00-pdu-a"}, []string{"srv-000000", "srv-000001"}, 2},
		{"the other PDU: only the switch and the dual-corded lose redundancy", []string{"s0-r0-k00-pdu-b"}, []string{}, 4},
		{"both PDUs", []string{"s0-r0-k00-pdu-a", "s0-r0-k00-pdu-b"}, []string{"srv-000000", "srv-000001", "srv-000002", "srv-000003"}, 0},
		{"one uplink", []string{"s0-up0"}, []string{}, 8},
		{"both uplinks", []string{"s0-up1", "s0-up0", "s0-up1"}, inv.Servers(), 0},
		{"a server", []string{"srv-000003"}, []string{"srv-000003"}, 0},
	} {
		got := g.Blast(c.failed...)
		if !slices.Equal(got.Servers, c.servers) {
			t.Errorf("%s: servers %v, want %v", c.name, got.Servers, c.servers)
		}
		if len(got.Degraded) != c.degraded {
			t.Errorf("%s: %d degraded (%v), want %d", c.name, len(got.Degraded), got.Degraded, c.degraded)
		}
	}
	byClient := g.Blast("s0-r0-k00").ByClient
	if want := []string{"srv-000000", "srv-000003"}; !slices.Equal(byClient["c0"], want) || len(byClient) != 3 {
		t.Errorf("by client %v, want c0: %v of 3 clients", byClient, want)
	}
}

// drawInventory draws a small graph with redundancy of every shape.
func drawInventory(t *rapid.T) *inventory.Inventory {
	var b strings.Builder
	b.WriteString("version: 1\nsites: [{id: s, timezone: UTC}]\nclients: [{id: c, language: en, timezone: UTC, contacts: [{id: d, addresses: {telegram: 1}}]}]\ncomponents:\n")
	var above []string
	needs := func(label string) string {
		if len(above) == 0 {
			return ""
		}
		var groups []string
		for _, name := range []string{"power", "network"} {
			if rapid.Bool().Draw(t, label+name) {
				members := rapid.SliceOfNDistinct(rapid.SampledFrom(above), 1, min(3, len(above)), rapid.ID).Draw(t, label+name+"members")
				groups = append(groups, name+": ["+strings.Join(members, ", ")+"]")
			}
		}
		return ", needs: {" + strings.Join(groups, ", ") + "}"
	}
	for i := range rapid.IntRange(1, 7).Draw(t, "shared") {
		id := fmt.Sprintf("x%d", i)
		kind := rapid.SampledFrom([]string{"feed", "uplink", "switch"}).Draw(t, "kind")
		fmt.Fprintf(&b, "  - {id: %s, kind: %s, in: s%s}\n", id, kind, needs(id))
		above = append(above, id)
	}
	for i := range rapid.IntRange(1, 8).Draw(t, "servers") {
		id := fmt.Sprintf("m%d", i)
		fmt.Fprintf(&b, "  - {id: %s, kind: server, in: s, client: c%s}\n", id, needs(id))
	}
	inv, err := inventory.Load(inventory.Document{Name: "drawn", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func TestBlastEqualsNaiveEvaluation(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inv := drawInventory(t)
		var ids []string
		for _, c := range inv.Components() {
			ids = append(ids, c.ID)
		}
		broken := rapid.SliceOfN(rapid.SampledFrom(ids), 0, 4).Draw(t, "broken")
		w := newWorld(inv, broken...)
		var down, degraded []string
		for _, id := range inv.Servers() {
			if !w.works(id) {
				down = append(down, id)
			} else if w.degraded(id) {
				degraded = append(degraded, id)
			}
		}
		got := topology.New(inv).Blast(broken...)
		if !slices.Equal(got.Servers, down) {
			t.Errorf("servers %v, naively %v", got.Servers, down)
		}
		if !slices.Equal(got.Degraded, degraded) {
			t.Errorf("degraded %v, naively %v", got.Degraded, degraded)
		}
	})
}

func TestTakenNamesTheServersOfEachBlast(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		inv := drawInventory(t)
		g := topology.New(inv)
		var ids []string
		for _, c := range inv.Components() {
			ids = append(ids, c.ID)
		}
		takenBy := g.Taken()
		for round := range 5 { // each leaves no trace for the next
			broken := rapid.SliceOfN(rapid.SampledFrom(ids), 0, 4).Draw(t, "broken")
			if got, want := takenBy(broken...), g.Blast(broken...).Servers; !slices.Equal(got, want) {
				t.Fatalf("round %d: %v takes down %v, want %v", round, broken, got, want)
			}
		}
	})
}

// degraded says that a working component lost redundancy that it leans on.
func (w *world) degraded(id string) bool {
	c, _ := w.inv.Component(id)
	return slices.ContainsFunc(c.Needs, func(g inventory.Group) bool {
		whole := false
		for _, m := range g.Members {
			if !w.works(m) {
				return true
			}
			whole = whole || !w.degraded(m)
		}
		return !whole
	})
}

func TestSuspectsPutTheNarrowestFullExplanationFirst(t *testing.T) {
	g := topology.New(estate{sites: 1, rooms: 2, racks: 3, servers: 4, single: 2, clients: 1}.load(t))
	got := g.Suspects([]string{"srv-000000", "srv-000001", "nobody"}, 3)
	if want := []string{"s0-r0-k00", "s0-r0-k00-pdu-a", "s0-r0-k00-sw"}; !slices.Equal(got, want) {
		t.Errorf("suspects %v, want %v", got, want)
	}
	all := g.Suspects([]string{"srv-000000"}, 100)
	if !slices.Contains(all, "s0-up1") || slices.Contains(all, "s0-r1") {
		t.Errorf("suspects %v: want all ancestors and nothing else", all)
	}
	if got := g.Suspects(nil, 5); len(got) != 0 {
		t.Errorf("suspects of nothing: %v", got)
	}
}

func TestNeighboursAreSpreadAndProbeable(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 4, servers: 6, single: 3, management: true, clients: 1}.load(t)
	g := topology.New(inv)
	down := []string{"srv-000000", "srv-000006", "srv-000012"} // one in each of three racks
	got := g.Neighbours(down, 24)
	if len(got) != 24 {
		t.Fatalf("%d neighbours, want 24: %v", len(got), got)
	}
	racks := map[string]int{}
	for _, id := range got {
		c, _ := inv.Component(id)
		if slices.Contains(down, id) {
			t.Errorf("%s is among the given", id)
		}
		if c.Kind == inventory.KindServer {
			racks[c.Rack]++
		}
	}
	if len(racks) != 4 {
		t.Errorf("neighbours stand in racks %v, want all four", racks)
	}
	if again := g.Neighbours([]string{down[2], down[0], down[1]}, 24); !slices.Equal(got, again) {
		t.Errorf("another order of the same servers gives %v, not %v", again, got)
	}
	if n := g.Neighbours(down, 1000); len(n) > 24+20 || slices.Contains(n, "s0-r0") {
		t.Errorf("neighbours %v: each once, and only what can be probed", n)
	}
}

// What two sets break together is what their common blast has and theirs alone don't.
func TestJointlyIsTheDifferenceOfBlasts(t *testing.T) {
	pair := topology.New(estate{sites: 1, rooms: 1, racks: 2, servers: 4, clients: 1}.load(t))
	if got := pair.Jointly([]string{"s0-r0-k00-pdu-a"})([]string{"s0-r0-k00-pdu-b"}); len(got) != 4 {
		t.Errorf("both PDUs of a rack break %v together, want its four servers", got)
	}
	rapid.Check(t, func(t *rapid.T) {
		inv := drawInventory(t)
		g := topology.New(inv)
		var ids []string
		for _, c := range inv.Components() {
			if c.Kind != inventory.KindServer && c.Kind != inventory.KindSite { // with a site nothing is left to break
				ids = append(ids, c.ID)
			}
		}
		draw := func(label string) []string { return rapid.SliceOfN(rapid.SampledFrom(ids), 0, 4).Draw(t, label) }
		first := draw("first")
		with := g.Jointly(first)
		for round := range 5 { // each leaves no trace for the next
			second := draw("second")
			alone := slices.Concat(g.Blast(first...).Servers, g.Blast(second...).Servers)
			var want []string
			for _, s := range g.Blast(slices.Concat(first, second)...).Servers {
				if !slices.Contains(alone, s) {
					want = append(want, s)
				}
			}
			if got := with(second); !slices.Equal(got, want) {
				t.Fatalf("round %d: %v with %v: %v, want %v", round, first, second, got, want)
			}
		}
	})
}
