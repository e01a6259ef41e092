package topology_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// A switch that comes and goes takes a hypervisor, its guests and the management of PDUs with it: one
// finding, whether it is there just now or not (then the PDUs' management tells it from its rack).
func TestWhatComesAndGoesWithASwitchIsNotNamedBesideIt(t *testing.T) {
	inv := hall(t)
	behind := func(id string) bool { return strings.HasPrefix(id, "s-k0-") }
	for _, now := range []string{"there", "gone"} {
		t.Run(now, func(t *testing.T) {
			var rows []topology.Observation
			for k := range 9 {
				out := (k%2 == 1) == (now == "there")
				rows = append(rows, pings(inv, "s-in", noon.Add(time.Duration(k)*time.Minute), in("s"), func(id string) bool {
					return !out || !behind(id) || now == "gone" && strings.Contains(id, "pdu")
				})...)
			}
			inf := topology.New(inv).Infer(rows)
			if len(inf.Findings) != 1 || inf.Findings[0].Mode != topology.Flapping ||
				!slices.Contains(append([]string{inf.Findings[0].Component}, inf.Findings[0].AmbiguousWith...), "s-k0-sw") {
				t.Errorf("want s-k0-sw alone, flapping: %s", story(&inf))
			}
		})
	}
}

// Of two switches that come and go each is named, and nothing behind them.
func TestEachOfTwoSwitchesThatComeAndGoIsNamed(t *testing.T) {
	inv := wired(t, 12)
	var rows []topology.Observation
	for k := range 9 {
		out := map[string]bool{"s-sw1": k%4 > 1, "u-sw2": k%3 == 1}
		rows = append(rows, looked(inv, minute(k), func(id string) bool { return !out[id[:5]] })...)
	}
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) != 2 || inf.Findings[0].Kind == inventory.KindServer || inf.Findings[1].Kind == inventory.KindServer {
		t.Errorf("want s-sw1 and u-sw2, flapping: %s", story(&inf))
	}
}

// Machines that never answer, and those asked too seldom to show it, are no evidence against their switch's coming and going.
func TestMachinesThatSayNothingDoNotHideASwitchThatComesAndGoes(t *testing.T) {
	inv := wired(t, 12)
	never := []string{"s-sw1-a-003", "s-sw1-b-005"}
	var rows []topology.Observation
	for k := range 9 {
		rows = append(rows, looked(inv, minute(k), func(id string) bool {
			return !slices.Contains(never, id) && (k%4 < 2 || !strings.HasPrefix(id, "s-sw1"))
		})...)
	}
	rows = slices.DeleteFunc(rows, func(o topology.Observation) bool {
		return strings.HasPrefix(o.Component, "s-sw1") && o.Component[10] > '5' && !o.At.Before(minute(2)) && o.At.Before(minute(6))
	})
	inf := topology.New(inv).Infer(rows)
	if len(inf.Findings) == 0 || inf.Findings[0].Mode != topology.Flapping || slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool { return f.Kind == inventory.KindServer && f.Mode == topology.Flapping }) {
		t.Errorf("want s-sw1 alone, flapping: %s", story(&inf))
	}
}

// looked is what one vantage outside hears of all servers by ping, at one look.
func looked(inv *inventory.Inventory, when time.Time, up func(id string) bool) []topology.Observation {
	var out []topology.Observation
	for _, id := range inv.Servers() {
		o := topology.Observation{Component: id, Probe: topology.ProbeICMP, Vantage: "o1", At: when, Result: topology.Down}
		if up(id) {
			o.Result = topology.Up
		}
		out = append(out, o)
	}
	return out
}
