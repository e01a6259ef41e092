package topology_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"vakhta/internal/inventory"
)

// hosts is a site of three racks with two hypervisors each, on each of which run six guests, written down so.
func hosts(t *testing.T, guest string) *inventory.Inventory {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nvantages: [o1, o2, o3]\nsites: [{id: s, timezone: UTC, vantages: [s-in]}]\n")
	b.WriteString("clients: [{id: c0, language: ru, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}]\ncomponents:\n")
	b.WriteString("  - {id: s-up1, kind: uplink, in: s}\n  - {id: s-up2, kind: uplink, in: s}\n")
	for k := range 3 {
		rack := fmt.Sprintf("k%d", k)
		fmt.Fprintf(&b, "  - {id: %[1]s, kind: rack, in: s}\n  - {id: %[1]s-sw, kind: switch, in: %[1]s, needs: {network: [s-up1, s-up2]}}\n", rack)
		for h := range 2 {
			host := fmt.Sprintf("%s-h%d", rack, h)
			fmt.Fprintf(&b, "  - {id: %s, kind: hypervisor, in: %s, needs: {network: [%s-sw]}}\n", host, rack, rack)
			for i := range 6 {
				written := strings.NewReplacer("HOST", host, "RACK", rack).Replace(guest)
				fmt.Fprintf(&b, "  - {id: %s-g%d, kind: server, client: c0, %s}\n", host, i, written)
			}
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "hosts", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// What guests are asked goes by their host, whichever way the inventory says that they run on it; and by one uplink of
// two, though it names their switch, too: it tells the same of the losses.
func TestLossesAreFoundByGuests(t *testing.T) {
	byOne := func(c *inventory.Component) bool { return strings.HasSuffix(c.ID, "2") || strings.HasSuffix(c.ID, "5") }
	for _, tt := range []struct {
		name  string
		lossy func(c *inventory.Component, vantage string) bool
		want  []string
	}{
		{"an uplink, by which each third guest goes", func(c *inventory.Component, v string) bool { return v != "s-in" && byOne(c) }, []string{"s-up1", "s-up2"}},
		{"a switch", func(c *inventory.Component, _ string) bool { return strings.HasPrefix(c.ID, "k1-") }, []string{"k1-sw"}},
	} {
		odds := map[float64]bool{}
		for _, written := range []string{
			"in: HOST", "in: HOST, needs: {network: [RACK-sw]}", "in: RACK, needs: {host: [HOST]}", "in: RACK, needs: {compute: [HOST]}",
		} {
			inv := hosts(t, written)
			inf := sifted(inv, watch(inv, 3, 3, append(slices.Clone(outside), "s-in"), .3, func(c *inventory.Component, v string) bool {
				return c.Kind == inventory.KindServer && tt.lossy(c, v)
			}), nil)
			if !slices.ContainsFunc(tt.want, func(id string) bool { return alone(&inf, id) }) {
				t.Errorf("guests are %q, and %s loses packets: %s", written, tt.name, story(&inf))
				continue
			}
			odds[inf.Findings[0].LogOdds] = true
		}
		if len(odds) > 1 {
			t.Errorf("%s loses packets: how sure that is depends on how guests are written down: %v", tt.name, odds)
		}
	}
}
