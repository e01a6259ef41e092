package topology_test

import (
	"slices"
	"strings"
	"testing"
	"time"

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
