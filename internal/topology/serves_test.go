package topology_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// stores is a site of three racks of six machines, which keep their disks on a seventh: that of their own rack or,
// of the other racks, the first one's.
func stores(t *testing.T, ofAll bool) *inventory.Inventory {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nsites: [{id: s, timezone: UTC}]\nclients: [{id: c0, language: ru, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}]\ncomponents:\n")
	b.WriteString("  - {id: s-up, kind: uplink, in: s}\n")
	for k := range 3 {
		rack := fmt.Sprintf("k%d", k)
		fmt.Fprintf(&b, "  - {id: %[1]s, kind: rack, in: s}\n  - {id: %[1]s-a, kind: pdu, in: %[1]s}\n  - {id: %[1]s-b, kind: pdu, in: %[1]s}\n", rack)
		fmt.Fprintf(&b, "  - {id: %[1]s-sw, kind: switch, in: %[1]s, needs: {network: [s-up], power: [%[1]s-a, %[1]s-b]}}\n", rack)
		for _, id := range append([]string{rack + "-nas"}, storing(rack)...) {
			disks := fmt.Sprintf(", storage: [%s-nas]", rack)
			if ofAll {
				disks = ", storage: [k0-nas]"
			}
			if strings.HasSuffix(id, "-nas") || ofAll && k == 0 {
				disks = ""
			}
			fmt.Fprintf(&b, "  - {id: %[1]s, kind: server, in: %[2]s, client: c0, needs: {network: [%[2]s-sw], power: [%[2]s-a, %[2]s-b]%[3]s}}\n", id, rack, disks)
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "stores", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func storing(rack string) []string {
	var out []string
	for i := range 6 {
		out = append(out, fmt.Sprintf("%s-%d", rack, i))
	}
	return out
}

// A machine on which others keep their disks may fail by itself, and they answer; or take them with it, which have
// power: then it is in one class with their switch, unless that tells otherwise.
func TestAMachineThatServesOthersFailsWithThemOrWithoutThem(t *testing.T) {
	inv := stores(t, false)
	k1 := append([]string{"k1-nas"}, storing("k1")...)
	const up, down, lost = topology.Up, topology.Down, topology.Unknown
	for _, tt := range []struct {
		name        string
		silent      []string
		power       topology.Result // of the one that serves
		of          topology.Result // of the others that are silent
		equipment   []topology.Observation
		named       string
		class       []string
		unexplained int
	}{
		{"it is off, and the others answer", k1[:1], down, up, nil, "k1-nas", nil, 0},
		{"it hangs, and the others answer", k1[:1], up, up, nil, "k1-nas", nil, 0},
		{"it is off, and the others hang", k1, down, up, nil, "k1-nas", nil, 0},
		{"all hang", k1, up, up, nil, "k1-sw", []string{"k1-nas"}, 0},
		{"all hang, and the switch answers", k1, up, up, []topology.Observation{at("k1-sw", topology.ProbeTCP, "v", up, minute(1))}, "k1-nas", nil, 0},
		{"all are dark", k1, lost, lost, nil, "k1", []string{"k1-a", "k1-b", "k1-sw"}, 0},
		{"another one hangs", k1[3:4], up, up, nil, "k1-2", nil, 0},
	} {
		var rows, before []topology.Observation
		for _, id := range inv.Servers() {
			r, power := up, up
			if slices.Contains(tt.silent, id) {
				if r, power = down, tt.of; id == "k1-nas" {
					power = tt.power
				}
			}
			for k := range 2 {
				rows = append(rows, at(id, topology.ProbeTCP, "v", r, minute(k)), at(id, topology.ProbePower, "v", power, minute(k)))
			}
			before = append(before, at(id, topology.ProbeTCP, "v", up, noon.Add(-24*time.Hour)))
		}
		inf := sifted(inv, append(rows, tt.equipment...), before)
		if got := named(inf); !slices.Equal(got, []string{tt.named}) || !slices.Equal(inf.Findings[0].AmbiguousWith, tt.class) {
			t.Errorf("%s: want %s, or %v: %s", tt.name, tt.named, tt.class, story(&inf))
		}
	}
}

// What takes the machine on which others keep their disks may take these, too, or not: that they answer says nothing against it.
func TestWhatTakesAMachineThatServesOthersTakesThemOrNot(t *testing.T) {
	inv := stores(t, true)
	rack := append([]string{"k0-nas"}, storing("k0")...)
	others := slices.Concat(storing("k1"), storing("k2"))
	for _, tt := range []struct {
		name     string
		hang     bool            // the others do
		power    topology.Result // in the rack
		named    string
		class    []string
		explains int
	}{
		{"its switch is lost, and the others answer", false, topology.Up, "k0-sw", nil, 7},
		{"its switch is lost, and the others hang", true, topology.Up, "k0-sw", nil, 19},
		{"its rack is dark, and the others answer", false, topology.Unknown, "k0", []string{"k0-a", "k0-b", "k0-sw"}, 7},
		{"its rack is dark, and the others hang", true, topology.Unknown, "k0", []string{"k0-a", "k0-b", "k0-sw"}, 19},
	} {
		var rows, before []topology.Observation
		for _, id := range inv.Servers() {
			r, power := topology.Up, topology.Up
			switch here := slices.Contains(rack, id); {
			case here:
				r, power = topology.Down, tt.power
			case tt.hang && slices.Contains(others, id):
				r = topology.Down
			}
			for k := range 2 {
				rows = append(rows, at(id, topology.ProbeTCP, "v", r, minute(k)), at(id, topology.ProbePower, "v", power, minute(k)))
			}
			before = append(before, at(id, topology.ProbeTCP, "v", topology.Up, noon.Add(-24*time.Hour)))
		}
		for k := range 2 {
			rows = append(rows, at("s-up", topology.ProbeTCP, "v", topology.Up, minute(k)))
		}
		inf := sifted(inv, rows, before)
		if got := named(inf); !slices.Equal(got, []string{tt.named}) || !slices.Equal(inf.Findings[0].AmbiguousWith, tt.class) || len(inf.Findings[0].Explains) != tt.explains {
			t.Errorf("%s: want %s, or %v, of which %d: %s", tt.name, tt.named, tt.class, tt.explains, story(&inf))
		}
	}
}

// A rack heats, and its machines go one after another: that the one on which they keep their disks went among them is not why.
func TestAMachineThatServesOthersTakesThemAtOnce(t *testing.T) {
	inv := stores(t, false)
	gone := map[string]int{"k1-0": 1, "k1-1": 2, "k1-nas": 3, "k1-2": 4, "k1-3": 5, "k1-4": 6}
	var rows []topology.Observation
	for k := range 8 {
		for _, id := range inv.Servers() {
			r := topology.Up
			if from, goes := gone[id]; goes && k >= from {
				r = topology.Down
			}
			rows = append(rows, at(id, topology.ProbeTCP, "v", r, minute(2*k)), at(id, topology.ProbeICMP, "v", r, minute(2*k)), at(id, topology.ProbePower, "v", topology.Up, minute(2*k)))
		}
	}
	inf := sifted(inv, rows, nil)
	if got := named(inf); !slices.Equal(got, []string{"k1"}) || inf.Findings[0].Mode != topology.Heating {
		t.Errorf("want k1, which heats: %s", story(&inf))
	}
}

// Where the switch takes all that the machine serves anyway, whether these would hang without it is nothing that makes the switch likelier.
func TestASwitchIsNotCountedTwiceForWhatItsMachineServes(t *testing.T) {
	inv := stores(t, false)
	var rows, before []topology.Observation
	for _, id := range inv.Servers() {
		r := topology.Up
		if strings.HasPrefix(id, "k1") {
			r = topology.Down
		}
		rows = append(rows, at(id, topology.ProbeTCP, "v", r, noon), at(id, topology.ProbeTCP, "v", r, minute(1)))
		before = append(before, at(id, topology.ProbeTCP, "v", topology.Up, noon.Add(-24*time.Hour)))
	}
	inf := sifted(inv, rows, before)
	if f := inf.Findings; len(f) != 1 || len(f[0].Alternatives) == 0 || f[0].Probability < f[0].Alternatives[0].Probability {
		t.Errorf("want the likeliest of the class: %s", story(&inf))
	}
}
