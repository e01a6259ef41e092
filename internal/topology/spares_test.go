package topology_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// spared is an estate of two sites, each of two rooms with so many racks of ten machines, uplinks
// and aggregation switches. What hangs on what is all that its machines' silence tells.
func spared(t *testing.T, racks, uplinks, switches int) *inventory.Inventory {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nvantages: [out]\nsites: [{id: s, timezone: UTC, vantages: [s-in]}, {id: z, timezone: UTC, vantages: [z-in]}]\n")
	b.WriteString("clients: [{id: c0, language: ru, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}]\ncomponents:\n")
	n := 0
	add := func(id, kind, in, more string) {
		n++
		fmt.Fprintf(&b, "  - {id: %s, kind: %s, in: %s, probe: {address: 10.0.%d.%d, icmp: true}%s}\n", id, kind, in, n>>8, n&255, more)
	}
	several := func(prefix string, of int) string {
		var ids []string
		for i := range of {
			ids = append(ids, fmt.Sprintf("%s%d", prefix, i+1))
		}
		return strings.Join(ids, ", ")
	}
	for _, s := range []string{"s", "z"} {
		for u := range uplinks {
			add(fmt.Sprintf("%s-up%d", s, u+1), "uplink", s, "")
		}
		for r := 1; r <= 2; r++ {
			room := fmt.Sprintf("%s-r%d", s, r)
			fmt.Fprintf(&b, "  - {id: %s, kind: room, in: %s}\n", room, s)
			for i := range switches {
				add(fmt.Sprintf("%s-agg%d", room, i+1), "switch", room, fmt.Sprintf(", needs: {network: [%s]}", several(s+"-up", uplinks)))
			}
			for k := range racks {
				rack := fmt.Sprintf("%s-k%d", room, k)
				fmt.Fprintf(&b, "  - {id: %s, kind: rack, in: %s}\n", rack, room)
				add(rack+"-pdu", "pdu", rack, "")
				add(rack+"-sw", "switch", rack, fmt.Sprintf(", needs: {power: [%s-pdu], network: [%s]}", rack, several(room+"-agg", switches)))
				for i := range 10 {
					add(fmt.Sprintf("%s-m%d", rack, i), "server", rack, fmt.Sprintf(", client: c0, needs: {power: [%[1]s-pdu], network: [%[1]s-sw]}", rack))
				}
			}
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "spared", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// machines are those of a place.
func machines(place string) func(string) bool {
	return func(id string) bool { return strings.HasPrefix(id, place+"-") && strings.Contains(id, "-m") }
}

func but(not func(string) bool) func(string) bool { return func(id string) bool { return !not(id) } }

// lacking says what of these the class of the only finding lacks.
func lacking(inf *topology.Inference, want ...string) []string {
	if len(inf.Findings) != 1 {
		return want
	}
	class := append([]string{inf.Findings[0].Component}, inf.Findings[0].AmbiguousWith...)
	return slices.DeleteFunc(want, func(id string) bool { return slices.Contains(class, id) })
}

// What takes both of a pair takes all of three or four as well: where only machines tell, they are in the class of the
// room or site that is silent.
func TestAllOfAGroupAreInTheClassOfWhatContainsThem(t *testing.T) {
	for k := 2; k <= 4; k++ {
		inv := spared(t, 4, 2, k)
		rows := slices.Concat(pings(inv, "s-in", noon, machines("s"), but(machines("s-r2"))), pings(inv, "z-in", noon, machines("z"), all))
		inf := topology.New(inv).Infer(rows)
		want := []string{"s-r2"}
		for i := range k {
			want = append(want, fmt.Sprintf("s-r2-agg%d", i+1))
		}
		if lacks := lacking(&inf, want...); len(lacks) > 0 {
			t.Errorf("%d aggregation switches: the class lacks %v: %s", k, lacks, story(&inf))
		}
	}
	inv := spared(t, 4, 3, 2)
	rows := slices.Concat(pings(inv, "out", noon, machines("s"), none), pings(inv, "out", noon, machines("z"), all))
	inf := topology.New(inv).Infer(rows)
	if lacks := lacking(&inf, "s", "s-up1", "s-up2", "s-up3"); len(lacks) > 0 {
		t.Errorf("three uplinks: the class lacks %v: %s", lacks, story(&inf))
	}
}

// So they are though nothing in the room answers by its management either, however much there is of it: that may hang on them.
func TestAllOfAGroupAreInTheClassOfARoomThatIsSilentAltogether(t *testing.T) {
	for _, k := range []int{2, 4} {
		inv := spared(t, 40, 2, k)
		rows := slices.Concat(pings(inv, "s-in", noon, in("s"), but(in("s-r2"))), pings(inv, "z-in", noon, in("z"), all))
		inf := topology.New(inv).Infer(rows)
		if lacks := lacking(&inf, "s-r2", "s-r2-agg1", fmt.Sprintf("s-r2-agg%d", k)); len(lacks) > 0 {
			t.Errorf("%d aggregation switches: the class lacks %v: %s", k, lacks, story(&inf))
		}
	}
}

// Two of four that are silent by their own addresses do not make it all four.
func TestTwoOfFourAreNotAll(t *testing.T) {
	inv := spared(t, 4, 2, 4)
	lost := func(id string) bool { return id == "s-r1-agg1" || id == "s-r1-agg3" }
	var rows []topology.Observation
	for i := range 3 {
		rows = append(rows, pings(inv, "s-in", minute(i), func(id string) bool { return in("s")(id) && id != "s-r1-agg4" }, but(lost))...)
	}
	inf := topology.New(inv).Infer(rows)
	if got := named(inf); !slices.Equal(got, []string{"s-r1-agg1", "s-r1-agg3"}) {
		t.Errorf("named %v: %s", got, story(&inf))
	}
}
