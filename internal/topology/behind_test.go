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

func TestInferNamesUplinksWithoutWhichASiteIsDarkWithinToo(t *testing.T) {
	inv := estate{sites: 2, rooms: 2, racks: 4, servers: 20, single: 6, feeds: true, management: true, within: true, clients: 1}.load(t)
	// By the inventory's word nothing behind the uplinks works without them, whoever asks.
	var obs []topology.Observation
	for _, vantage := range []string{"outside", "s0-in"} {
		for _, o := range newWorld(inv, "s0-up0", "s0-up1").look(nil) {
			c, _ := inv.Component(o.Component)
			if vantage != "outside" && c.Site != "s0" {
				continue
			}
			o.Vantage = vantage
			obs = append(obs, o)
		}
	}
	inf := topology.New(inv).Infer(obs)
	if got := named(inf); !slices.Equal(got, []string{"s0-up0", "s0-up1"}) {
		t.Errorf("named %v, want the uplinks of s0", got)
	}
	if len(inf.Blind) > 0 {
		t.Errorf("blind %v: it saw what still answers", inf.Blind)
	}
}

// Behind aggregation switches that are lost, whether the silence of a rack's own switch says anything is told by those of the other racks.
func TestASwitchThatIsSilentWhereAllOthersAnswerThoughCutOffTellsOfItsRack(t *testing.T) {
	b := behindAggs(t)
	if got := b.named(true, "rack003", "rack011", "rack023"); len(got) != 1 || !strings.HasPrefix(got[0], "rack007") {
		t.Errorf("named %v beside the aggregation switches, want the one of which nothing answers, not even its switch", got)
	}
	if got := b.named(false, "rack003", "rack011", "rack023"); len(got) > 0 {
		t.Errorf("named %v, though no switch answers behind the aggregation switches", got)
	}
}

// Where the BMCs of all other racks answer though cut off, those of one that don't have no power: that one is no
// sign that racks of this estate are managed by their own switches.
func TestOneRackWhoseBMCsAloneAreSilentBehindLostSwitchesIsDark(t *testing.T) {
	if got := behindAggs(t).named(false); len(got) != 1 || !strings.HasPrefix(got[0], "rack007") {
		t.Errorf("named %v beside the aggregation switches, want rack007 or its PDU", got)
	}
}

// cutRoom is a room behind a pair of aggregation switches that are lost, and whose rack007 is dark.
type cutRoom struct {
	inv *inventory.Inventory
	g   *topology.Graph
}

func behindAggs(t *testing.T) cutRoom {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nsites: [{id: s0, timezone: UTC, vantages: [in]}]\n")
	b.WriteString("clients: [{id: c0, language: ru, timezone: UTC, contacts: [{id: duty, addresses: {telegram: \"1\"}}]}]\ncomponents:\n")
	n := 0
	probe := func() string { n++; return fmt.Sprintf("probe: {address: 10.0.%d.%d, icmp: true", n>>8, n&255) }
	b.WriteString("  - {id: room, kind: room, in: s0}\n")
	for _, side := range []string{"a", "b"} {
		fmt.Fprintf(&b, "  - {id: agg-%s, kind: switch, in: room, %s}}\n", side, probe())
	}
	for k := range 100 {
		rack := fmt.Sprintf("rack%03d", k)
		fmt.Fprintf(&b, "  - {id: %s, kind: rack, in: room}\n  - {id: %s-pdu, kind: pdu, in: %s}\n", rack, rack, rack)
		fmt.Fprintf(&b, "  - {id: %s-sw, kind: switch, in: %s, needs: {power: [%s-pdu], network: [agg-a, agg-b]}, %s}}\n", rack, rack, rack, probe())
		for i := range 6 {
			fmt.Fprintf(&b, "  - {id: %s-m%d, kind: server, in: %s, client: c0, needs: {power: [%s-pdu], network: [%s-sw]}, %s, bmc: {url: \"http://10.1.1.1:443\", credentials: \"env:X\"}}}\n",
				rack, i, rack, rack, rack, probe())
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "estate", Data: []byte(b.String())})
	if err != nil {
		t.Fatal(err)
	}
	return cutRoom{inv, topology.New(inv)}
}

// named is what is named beside the aggregation switches, where the switches of lit racks answer, or none does, and
// where these racks are managed by their own switches.
func (r cutRoom) named(switchesAnswer bool, inBand ...string) []string {
	var rows []topology.Observation
	for _, c := range r.inv.Components() {
		rack := c.Rack
		dark := rack == "rack007"
		result := topology.Down
		if c.Kind == inventory.KindSwitch && rack != "" && switchesAnswer && !dark {
			result = topology.Up
		}
		if c.Probe.ICMP {
			rows = append(rows, topology.Observation{Component: c.ID, Probe: topology.ProbeICMP, Vantage: "in", At: noon, Result: result})
		}
		if c.Kind == inventory.KindServer {
			power := topology.Up
			if dark || slices.Contains(inBand, rack) {
				power = topology.Unknown
			}
			rows = append(rows, topology.Observation{Component: c.ID, Probe: topology.ProbePower, Vantage: "in", At: noon, Result: power})
		}
	}
	return slices.DeleteFunc(named(r.g.Infer(rows)), func(id string) bool { return strings.HasPrefix(id, "agg-") })
}

// Where PDUs of one room answer though the uplink is lost that the others' management may hang on, the switches before that
// room have not failed for it: they could only have taken more away.
func TestSwitchesAreNotNamedForPDUsThatAnswerBehindALostUplink(t *testing.T) {
	inv := spared(t, 12, 1, 2)
	answers := func(id string) bool { return strings.HasPrefix(id, "s-r2-") && strings.HasSuffix(id, "-pdu") }
	rows := slices.Concat(pings(inv, "out", noon, in("s"), answers), pings(inv, "out", noon, in("z"), all))
	inf := topology.New(inv).InferAfter(rows, pings(inv, "out", noon.Add(-2*time.Hour), all, all))
	got := named(inf)
	if !slices.Contains(got, "s-up1") || slices.ContainsFunc(got, func(id string) bool { return strings.Contains(id, "-agg") }) {
		t.Errorf("named %v: %s", got, story(&inf))
	}
}
