// Package faultgen draws estates, faults and what probes would see of them,
// from how hosting works and not from how inference thinks: cables, standby power,
// management networks, machines that are not where the inventory has them.
// It shares nothing with package topology, so that it can't share its mistakes.
// A seed gives the same estate, faults and rows every time.
package faultgen

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"vakhta/internal/inventory"
)

// Estate is an inventory together with the things that it describes.
type Estate struct {
	Style     Style
	Inventory *inventory.Inventory

	things  []thing // what is needed stands before what needs it
	sites   []int
	uplinks [][]int // by site
	servers []int
}

// thing is a component as it really is.
type thing struct {
	id, kind string
	site     int // which site, not a thing
	in       []int
	power    []int // of these one must deliver; none: it is fed by where it stands
	network  []int // of these one must forward
	host     int   // a guest's hypervisor, or -1
	tor      []int // the switches that carry its management, where that is in-band
	inBand   bool
	gear     bool
	tcp      bool
	icmp     bool
	bmc      bool
}

// Build draws an estate of about that many servers.
func Build(style *Style, servers int, seed uint64) (*Estate, error) {
	b := &builder{r: rand.New(rand.NewPCG(seed, 0x657374617465)), e: &Estate{Style: *style}}
	perRack := (style.ServersPerRack[0] + style.ServersPerRack[1]) / 2
	racks := max(2*style.Sites, (servers+perRack-1)/perRack)
	rooms := max(2*style.Sites, (racks+style.RacksPerRoom-1)/style.RacksPerRoom)
	if style.Flat {
		rooms = max(style.Sites, (racks+style.RacksPerRoom-1)/style.RacksPerRoom)
	}
	for s := range style.Sites {
		b.site(s)
	}
	for i := range rooms {
		b.room(i, i%style.Sites)
	}
	for i := range racks {
		b.rack(i, &b.rooms[i%rooms])
	}
	inv, err := inventory.Load(inventory.Document{Name: "generated", Data: []byte(b.e.YAML())})
	if err != nil {
		return nil, fmt.Errorf("load the generated estate %q: %w", style.Name, err)
	}
	b.e.Inventory = inv
	return b.e, nil
}

// builder puts things up, the wider first.
type builder struct {
	r     *rand.Rand
	e     *Estate
	rooms []room
}

type room struct {
	site        int
	in          []int
	feeds, aggs []int
}

func (b *builder) add(t *thing) int {
	t.host = -1
	b.e.things = append(b.e.things, *t)
	return len(b.e.things) - 1
}

func (b *builder) site(s int) {
	id := fmt.Sprintf("site%d", s)
	site := b.add(&thing{id: id, kind: "site", site: s})
	b.e.sites = append(b.e.sites, site)
	var up []int
	for i := range b.e.Style.Uplinks {
		up = append(up, b.add(&thing{id: fmt.Sprintf("%s-up-%c", id, 'a'+i), kind: "uplink", site: s, in: []int{site}, gear: true}))
	}
	b.e.uplinks = append(b.e.uplinks, up)
}

func (b *builder) room(i, s int) {
	m := room{site: s, in: []int{b.e.sites[s]}}
	id := fmt.Sprintf("room%02d", i)
	if !b.e.Style.Flat {
		m.in = []int{b.add(&thing{id: id, kind: "room", site: s, in: m.in})}
	}
	for k := range b.e.Style.Feeds {
		m.feeds = append(m.feeds, b.add(&thing{id: fmt.Sprintf("%s-feed-%c", id, 'a'+k), kind: "feed", site: s, in: m.in}))
	}
	for k := range b.e.Style.Aggs {
		m.aggs = append(m.aggs, b.add(&thing{
			id: fmt.Sprintf("%s-agg-%c", id, 'a'+k), kind: "switch", site: s, in: m.in, power: m.feeds, network: b.e.uplinks[s], gear: true,
		}))
	}
	b.rooms = append(b.rooms, m)
}

func (b *builder) rack(i int, m *room) {
	st, id := &b.e.Style, fmt.Sprintf("rack%04d", i)
	in, inBand := m.in, b.r.Float64() < st.InBand
	if !st.Flat {
		in = []int{b.add(&thing{id: id, kind: "rack", site: m.site, in: m.in})}
	}
	first := len(b.e.things)
	var pdus, tors []int
	for k := range st.PDUs {
		t := &thing{id: fmt.Sprintf("%s-pdu-%c", id, 'a'+k), kind: "pdu", site: m.site, in: in, gear: true, inBand: inBand}
		if len(m.feeds) > 0 {
			t.power = []int{m.feeds[k%len(m.feeds)]}
		}
		pdus = append(pdus, b.add(t))
	}
	cords := pdus
	if b.r.Float64() < st.OneSided {
		cords = pdus[:1]
	}
	for k := range st.Switches {
		tors = append(tors, b.add(&thing{
			id: fmt.Sprintf("%s-sw-%d", id, k+1), kind: "switch", site: m.site, in: in, power: cords, network: m.aggs, gear: true,
		}))
	}
	if b.r.Float64() < st.Hypervisors {
		b.hosts(id, m.site, in, pdus, tors)
	} else {
		b.machines(m.site, in, pdus, tors, inBand)
	}
	for k := first; k < len(b.e.things); k++ {
		b.e.things[k].tor = tors
	}
}

func (b *builder) machines(site int, in, pdus, tors []int, inBand bool) {
	st := &b.e.Style
	single := min(1, st.SingleCords*2*b.r.Float64())
	for range st.ServersPerRack[0] + b.r.IntN(st.ServersPerRack[1]-st.ServersPerRack[0]+1) {
		t := b.server(site, in)
		t.power, t.network, t.inBand, t.bmc = pdus, tors, inBand, b.r.Float64() < st.BMC
		if b.r.Float64() < single {
			k := b.r.IntN(len(pdus))
			t.power = pdus[k : k+1]
		}
		b.e.servers = append(b.e.servers, b.add(t))
	}
}

func (b *builder) hosts(rack string, site int, in, pdus, tors []int) {
	for h := range 4 {
		host := b.add(&thing{id: fmt.Sprintf("%s-hv%d", rack, h), kind: "hypervisor", site: site, in: in, power: pdus, network: tors, gear: true, inBand: true})
		for range 10 {
			n := b.add(b.server(site, in))
			b.e.things[n].host = host
			b.e.servers = append(b.e.servers, n)
		}
	}
}

func (b *builder) server(site int, in []int) *thing {
	st := &b.e.Style
	t := &thing{id: fmt.Sprintf("srv%06d", len(b.e.servers)), kind: "server", site: site, in: in}
	t.tcp, t.icmp = b.r.Float64() < st.TCP, b.r.Float64() < st.ICMP
	if !t.tcp && !t.icmp {
		t.tcp, t.icmp = st.TCP >= st.ICMP, st.ICMP > st.TCP
	}
	return t
}

// YAML is the inventory as its keeper would write it down.
func (e *Estate) YAML() string {
	var b strings.Builder
	b.WriteString("version: 1\nsites:\n")
	for _, s := range e.sites {
		fmt.Fprintf(&b, "  - {id: %s, timezone: Europe/Moscow", e.things[s].id)
		if e.Style.Inside {
			fmt.Fprintf(&b, ", vantages: [%s]", insideOf(e.things[s].id))
		}
		b.WriteString("}\n")
	}
	b.WriteString("clients:\n")
	for c := range clients {
		fmt.Fprintf(&b, "  - {id: client%d, language: ru, timezone: Europe/Moscow, contacts: [{id: client%d-duty, addresses: {telegram: \"%d\"}}]}\n", c, c, c+1)
	}
	b.WriteString("components:\n")
	for i := range e.things {
		if e.things[i].kind != "site" {
			e.write(&b, i)
		}
	}
	return b.String()
}

const clients = 100

func (e *Estate) write(b *strings.Builder, i int) {
	t := &e.things[i]
	fmt.Fprintf(b, "  - {id: %s, kind: %s, in: %s", t.id, t.kind, e.things[t.in[0]].id)
	if t.kind == "server" {
		fmt.Fprintf(b, ", client: client%d", i%clients)
	}
	var needs []string
	group := func(name string, members []int) {
		if len(members) > 0 {
			ids := make([]string, len(members))
			for k, m := range members {
				ids[k] = e.things[m].id
			}
			needs = append(needs, name+": ["+strings.Join(ids, ", ")+"]")
		}
	}
	group("power", t.power)
	group("network", t.network)
	if t.host >= 0 {
		group("host", []int{t.host})
	}
	if len(needs) > 0 {
		fmt.Fprintf(b, ", needs: {%s}", strings.Join(needs, ", "))
	}
	tcp := t.tcp || t.gear && slices.Contains(e.Style.Gear, "tcp")
	icmp := t.icmp || t.gear && slices.Contains(e.Style.Gear, "icmp")
	if tcp || icmp {
		fmt.Fprintf(b, ", probe: {address: 10.%d.%d.%d, icmp: %t", i>>16, i>>8&255, i&255, icmp)
		if tcp {
			b.WriteString(", tcp: [22]")
		}
		if t.bmc {
			fmt.Fprintf(b, ", bmc: {url: \"https://10.%d.%d.%d\", credentials: \"env:BMC\"}", 100+i>>16, i>>8&255, i&255)
		}
		b.WriteString("}")
	}
	b.WriteString("}\n")
}

func insideOf(site string) string { return site + "-inside" }

// Servers is how many servers there are.
func (e *Estate) Servers() int { return len(e.servers) }
