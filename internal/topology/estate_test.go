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

var noon = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// estate describes an inventory to generate: every rack has two PDUs, one
// switch, and servers of which the first ones hang on one PDU only.
type estate struct {
	sites, rooms, racks, servers int
	single                       int  // servers of each rack on PDU A alone
	feeds                        bool // two power feeds per room
	management                   bool // PDUs, switches and uplinks have addresses
	clients                      int
	within                       bool // a vantage stands in each site
}

func (e estate) yaml() string {
	var b strings.Builder
	b.WriteString("version: 1\nsites:\n")
	for s := range e.sites {
		vantages := ""
		if e.within {
			vantages = fmt.Sprintf(", vantages: [s%d-in]", s)
		}
		fmt.Fprintf(&b, "  - {id: s%d, timezone: Europe/Moscow%s}\n", s, vantages)
	}
	b.WriteString("components:\n")
	n, m := 0, 0
	address := func() string {
		if !e.management {
			return ""
		}
		m++
		return fmt.Sprintf(", probe: {address: 10.%d.%d.%d, tcp: [22]}", 200+m>>16, m>>8&255, m&255)
	}
	for s := range e.sites {
		for u := range 2 {
			fmt.Fprintf(&b, "  - {id: s%d-up%d, kind: uplink, in: s%d%s}\n", s, u, s, address())
		}
		for r := range e.rooms {
			room := fmt.Sprintf("s%d-r%d", s, r)
			fmt.Fprintf(&b, "  - {id: %s, kind: room, in: s%d}\n", room, s)
			if e.feeds {
				fmt.Fprintf(&b, "  - {id: %s-feed-a, kind: feed, in: %s}\n  - {id: %s-feed-b, kind: feed, in: %s}\n", room, room, room, room)
			}
			for k := range e.racks {
				n = e.rack(&b, fmt.Sprintf("%s-k%02d", room, k), room, s, n, address)
			}
		}
	}
	b.WriteString("clients:\n")
	for c := range max(e.clients, 1) {
		fmt.Fprintf(&b, "  - {id: c%d, language: ru, timezone: Europe/Moscow, contacts: [{id: c%d-duty, addresses: {telegram: \"%d\"}}]}\n", c, c, c+1)
	}
	return b.String()
}

func (e estate) rack(b *strings.Builder, rack, room string, site, n int, address func() string) int {
	fmt.Fprintf(b, "  - {id: %s, kind: rack, in: %s}\n", rack, room)
	for _, side := range []string{"a", "b"} {
		needs := ""
		if e.feeds {
			needs = fmt.Sprintf(", needs: {power: [%s-feed-%s]}", room, side)
		}
		fmt.Fprintf(b, "  - {id: %s-pdu-%s, kind: pdu, in: %s%s%s}\n", rack, side, rack, needs, address())
	}
	fmt.Fprintf(b, "  - {id: %s-sw, kind: switch, in: %s, needs: {power: [%s-pdu-a, %s-pdu-b], network: [s%d-up0, s%d-up1]}%s}\n",
		rack, rack, rack, rack, site, site, address())
	for u := range e.servers {
		power := fmt.Sprintf("%s-pdu-a, %s-pdu-b", rack, rack)
		if u < e.single {
			power = rack + "-pdu-a"
		}
		fmt.Fprintf(b, "  - {id: srv-%06d, kind: server, in: %s, unit: %d, client: c%d, needs: {power: [%s], network: [%s-sw]}, probe: {address: 10.%d.%d.%d, tcp: [22], bmc: {url: \"http://10.1.1.1:443\", credentials: \"env:X\"}}}\n",
			n, rack, u+1, n%max(e.clients, 1), power, rack, n>>16, n>>8&255, n&255)
		n++
	}
	return n
}

func (e estate) load(t testing.TB) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Load(inventory.Document{Name: "estate", Data: []byte(e.yaml())})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// world is what really is: it evaluates the dependency groups naively, apart
// from the code under test.
type world struct {
	inv    *inventory.Inventory
	broken map[string]bool
	off    map[string]bool // servers that are switched off
	hung   map[string]bool // servers whose power is on
	memo   map[string]bool
}

func newWorld(inv *inventory.Inventory, broken ...string) *world {
	w := &world{inv: inv, broken: map[string]bool{}, off: map[string]bool{}, hung: map[string]bool{}, memo: map[string]bool{}}
	for _, id := range broken {
		w.broken[id] = true
	}
	return w
}

func (w *world) works(id string) bool {
	if ok, known := w.memo[id]; known {
		return ok
	}
	ok := !w.broken[id] && w.has(id, func(string) bool { return true })
	w.memo[id] = ok
	return ok
}

// has says whether each wanted group of the component has a working member.
func (w *world) has(id string, wanted func(group string) bool) bool {
	c, _ := w.inv.Component(id)
	for _, g := range c.Needs {
		if wanted(g.Name) && !slices.ContainsFunc(g.Members, w.works) {
			return false
		}
	}
	return true
}

func (w *world) powered(id string) bool {
	return w.has(id, func(group string) bool { return group != "network" })
}

// look makes every probe of the components that the filter lets through.
func (w *world) look(filter func(*inventory.Component) bool) []topology.Observation {
	var out []topology.Observation
	note := func(id string, p topology.Probe, r topology.Result) {
		out = append(out, topology.Observation{Component: id, Probe: p, Vantage: "v", At: noon, Result: r})
	}
	for _, c := range w.inv.Components() {
		if filter != nil && !filter(c) {
			continue
		}
		if len(c.Probe.TCP) > 0 {
			up := w.works(c.ID) && !w.off[c.ID] && !w.hung[c.ID]
			if c.Kind != inventory.KindServer { // a management network of its own
				up = w.powered(c.ID) && !w.broken[c.ID]
			}
			r := topology.Down
			if up {
				r = topology.Up
			}
			note(c.ID, topology.ProbeTCP, r)
		}
		if c.Probe.BMC.URL != "" {
			switch {
			case !w.powered(c.ID):
				note(c.ID, topology.ProbePower, topology.Unknown)
			case w.off[c.ID]:
				note(c.ID, topology.ProbePower, topology.Down)
			default:
				note(c.ID, topology.ProbePower, topology.Up)
			}
		}
	}
	return out
}

func servers(c *inventory.Component) bool { return c.Kind == inventory.KindServer }

func shuffled(obs []topology.Observation, seed uint64) []topology.Observation {
	out := slices.Clone(obs)
	r := rand.New(rand.NewPCG(seed, 1))
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

func named(inf topology.Inference) []string {
	var out []string
	for _, f := range inf.Findings {
		out = append(out, f.Component)
	}
	slices.Sort(out)
	return out
}
