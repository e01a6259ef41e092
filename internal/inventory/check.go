package inventory

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// containers says in what a component of each kind may stand.
var containers = map[Kind][]Kind{
	KindRoom:       {KindSite},
	KindRack:       {KindRoom, KindSite},
	KindFeed:       {KindRoom, KindSite, KindRack},
	KindPDU:        {KindRack, KindRoom, KindSite},
	KindPhase:      {KindPDU},
	KindUplink:     {KindSite, KindRoom, KindRack},
	KindSwitch:     {KindRack, KindRoom, KindSite},
	KindCard:       {KindSwitch},
	KindHypervisor: {KindRack, KindRoom, KindSite},
	KindServer:     {KindRack, KindHypervisor, KindRoom, KindSite},
}

// index checks what the documents say as a whole and builds the look-ups.
func (inv *Inventory) index(r *raw, p *problems) {
	byID := func(a, b *Component) int { return strings.Compare(a.ID, b.ID) }
	at := make(map[string]*decoder, len(r.components))
	inv.component = make(map[string]*Component, len(r.components))
	for i := range r.components {
		c := &r.components[i]
		if unique(at, c.value.ID, &c.at) {
			inv.component[c.value.ID] = c.value
			inv.components = append(inv.components, c.value)
		}
	}
	slices.SortFunc(inv.components, byID)
	inv.people(r)
	inv.outside(r)
	known := &names{}
	for i := range r.components { // in the order of the documents, so that the first problems are the first listed
		inv.references(r.components[i].value, &r.components[i].at, known)
	}
	if len(p.list) > 0 {
		inv.cycles(at) // they can't be looked for in what derive makes of a broken graph
		return
	}
	needs := needs{}
	for _, c := range inv.components {
		if c.In != "" {
			c.Needs = append(c.Needs, Group{Name: locationGroup, Members: []string{c.In}})
			slices.SortFunc(c.Needs, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
			c.Needs = needs.shared(c.Needs)
			c.In = inv.component[c.In].ID
		}
		if c.Client != "" {
			c.Client = inv.client[c.Client].ID
		}
	}
	if inv.cycles(at); len(p.list) > 0 {
		return
	}
	inv.derive()
}

// needs are lists of groups, each once: the machines of a rack need the same, and
// those of a large estate are most of what it takes.
type needs map[string][]Group

func (n needs) shared(groups []Group) []Group {
	var key []byte
	for _, g := range groups {
		key = append(append(key, g.Name...), ':')
		for _, m := range g.Members { // ids hold neither ':' nor ',' nor ';'
			key = append(append(key, m...), ',')
		}
		key = append(key, ';')
	}
	known, ok := n[string(key)]
	if !ok {
		known = slices.Clip(groups)
		n[string(key)] = known
	}
	return known
}

// outside checks the vantages outside of all sites, and the sites' support.
func (inv *Inventory) outside(r *raw) {
	for i := range r.vantages {
		v := &r.vantages[i]
		for _, id := range *v.value {
			if at := slices.IndexFunc(inv.sites, func(s Site) bool { return slices.Contains(s.Vantages, id) }); at >= 0 {
				v.at.wrong(item(v.at.root(), id), "%s is listed under site %s, inside of which it would stand; list it in one place", id, inv.sites[at].ID)
			}
			if !slices.Contains(inv.vantages, id) {
				inv.vantages = append(inv.vantages, id)
			}
		}
	}
	for i := range r.sites {
		s := &r.sites[i]
		if id := s.value.Support; id != "" && inv.team[id] == nil {
			s.at.wrong(child(s.at.root(), "support"), "%s is unknown; %s", id, didYouMean(id, keys(inv.team), "add it under teams"))
		}
	}
}

// unique notes the place of an id and says whether it is new.
func unique(at map[string]*decoder, id string, d *decoder) bool {
	if first, ok := at[id]; ok {
		d.wrong(child(d.root(), "id"), "%s is already used at %s; ids are unique, rename one", id, first.where())
		return false
	}
	at[id] = d
	return true
}

// people checks and indexes clients, teams and their contacts.
func (inv *Inventory) people(r *raw) {
	inv.client = make(map[string]*Client, len(r.clients))
	clients, teams, contacts := map[string]*decoder{}, map[string]*decoder{}, map[string]*decoder{}
	for i := range r.clients {
		if c := &r.clients[i]; unique(clients, c.value.ID, &c.at) {
			inv.client[c.value.ID] = c.value
			inv.clients = append(inv.clients, c.value)
		}
	}
	inv.team = map[string]*Team{}
	for i := range r.teams {
		if t := &r.teams[i]; unique(teams, t.value.ID, &t.at) {
			inv.team[t.value.ID] = t.value
			inv.teams = append(inv.teams, t.value)
			inv.ruled = inv.ruled || slices.ContainsFunc(t.value.Members, func(m Contact) bool { return m.Role != "" })
		}
	}
	inv.rooms(r)
	inv.contact = make(map[string]*Contact, len(r.contacts))
	inv.byAddress = map[address]*Contact{}
	for i := range r.contacts {
		c := &r.contacts[i]
		if !unique(contacts, c.value.ID, &c.at) {
			continue
		}
		inv.contact[c.value.ID] = c.value
		for ch, s := range c.value.Addresses {
			key := address{ch, normalAddress(ch, s)}
			other, ok := inv.byAddress[key]
			switch {
			case !ok:
				inv.byAddress[key] = c.value
			case other != nil && other.Client != c.value.Client: // nil since the second of several clients
				inv.byAddress[key] = nil // who writes from it can't be told
			}
		}
	}
	for i := range r.teams {
		t := &r.teams[i]
		for _, id := range t.value.Fallback {
			if c := inv.contact[id]; c == nil || c.Client != "" {
				t.at.wrong(item(child(t.at.root(), "fallback"), id), "%s is a member of no team; name somebody who is", id)
			}
		}
	}
	slices.SortFunc(inv.clients, func(a, b *Client) int { return strings.Compare(a.ID, b.ID) })
	slices.SortFunc(inv.teams, func(a, b *Team) int { return strings.Compare(a.ID, b.ID) })
	for i := range r.sites {
		inv.sites = append(inv.sites, *r.sites[i].value)
	}
	slices.SortFunc(inv.sites, func(a, b Site) int { return strings.Compare(a.ID, b.ID) })
	inv.site = map[string]Site{}
	for _, s := range inv.sites {
		inv.site[s.ID] = s
	}
}

// names caches the lists that suggestions are drawn from.
type names struct{ components, clients []string }

// references checks what a component says of others.
func (inv *Inventory) references(c *Component, d *decoder, known *names) {
	if in, ok := inv.component[c.In]; c.In != "" && !ok {
		d.wrong(child(d.root(), "in"), "%s is unknown; %s", c.In, inv.meant(c.In, known))
	} else if c.In != "" && c.Kind != "" && c.Kind != KindSite && in.Kind != "" && !slices.Contains(containers[c.Kind], in.Kind) {
		d.wrong(child(d.root(), "in"), "%s is a %s, which can't hold a %s; use a %s",
			c.In, in.Kind, c.Kind, joinKinds(containers[c.Kind]))
	}
	for _, g := range c.Needs {
		for _, m := range g.Members {
			if _, ok := inv.component[m]; !ok {
				d.wrong(item(child(d.root(), "needs", g.Name), m), "%s is unknown; %s", m, inv.meant(m, known))
			}
		}
	}
	inv.devices(c, d, known)
	switch {
	case c.Kind == KindServer && c.Client == "":
		if firstKey(d.root(), "client") == nil {
			d.wrong(d.root(), "client is missing; say whose server it is")
		}
	case c.Kind != KindServer && c.Client != "":
		d.wrong(child(d.root(), "client"), "only servers belong to a client; remove it")
	case c.Client != "" && inv.client[c.Client] == nil:
		if known.clients == nil {
			known.clients = keys(inv.client)
		}
		d.wrong(child(d.root(), "client"), "%s is unknown; %s", c.Client,
			didYouMean(c.Client, known.clients, "add it under clients"))
	}
	if c.Unit > 0 && inv.component[c.In] != nil && inv.component[c.In].Kind != KindRack {
		d.wrong(child(d.root(), "unit"), "only what stands in a rack has a unit; remove it or say in which rack")
	}
}

func (inv *Inventory) meant(id string, known *names) string {
	if known.components == nil {
		known.components = keys(inv.component)
	}
	return didYouMean(id, known.components, "add it under components")
}

func joinKinds(kinds []Kind) string {
	out := make([]string, len(kinds))
	for i, k := range kinds {
		out[i] = string(k)
	}
	return strings.Join(out, " or ")
}

// cycles reports every component that comes to need itself, once per cycle found.
func (inv *Inventory) cycles(at map[string]*decoder) {
	const open, done = 1, 2
	state := make(map[string]int8, len(inv.components))
	type frame struct {
		c    *Component
		next []string
	}
	needs := func(c *Component) []string {
		var out []string
		for _, g := range c.Needs {
			out = append(out, g.Members...)
		}
		if c.In != "" {
			out = append(out, c.In)
		}
		return out
	}
	for _, root := range inv.components {
		if state[root.ID] != 0 {
			continue
		}
		state[root.ID] = open
		stack := []frame{{root, needs(root)}}
		for len(stack) > 0 {
			top := &stack[len(stack)-1]
			if len(top.next) == 0 {
				state[top.c.ID] = done
				stack = stack[:len(stack)-1]
				continue
			}
			id := top.next[0]
			top.next = top.next[1:]
			c := inv.component[id]
			switch {
			case c == nil || state[id] == done:
			case state[id] == open:
				path := []string{}
				for i := len(stack) - 1; i >= 0; i-- {
					path = append(path, stack[i].c.ID)
					if stack[i].c == c {
						break
					}
				}
				slices.Reverse(path)
				path = append(path, id)
				at[id].wrong(nil, "needs itself: %s; break the cycle", chain(path))
			default:
				state[id] = open
				stack = append(stack, frame{c, needs(c)})
			}
		}
	}
}

// derive fills in what follows from the rest: places and look-ups.
func (inv *Inventory) derive() {
	inv.byIP = make(map[netip.Addr]*Component, len(inv.components))
	inv.serversOf = make(map[string][]string, len(inv.clients))
	inv.serversAt = make(map[string][]string, len(inv.sites))
	for _, c := range inv.components {
		for up := c; up != nil; up = inv.component[up.In] {
			switch up.Kind {
			case KindSite:
				c.Site = up.ID
			case KindRoom:
				c.Room = up.ID
			case KindRack:
				c.Rack = up.ID
			}
		}
		if c.Kind == KindServer {
			inv.servers = append(inv.servers, c.ID)
			inv.serversOf[c.Client] = append(inv.serversOf[c.Client], c.ID)
			inv.serversAt[c.Site] = append(inv.serversAt[c.Site], c.ID)
		}
		if c.Probe.Address != "" {
			ip := netip.MustParseAddr(c.Probe.Address)
			if _, taken := inv.byIP[ip]; taken {
				inv.byIP[ip] = nil // shared: nobody can say whose it is
			} else {
				inv.byIP[ip] = c
			}
		}
	}
}

// mostLinks is how many links of a cycle are written out.
const mostLinks = 12

// chain writes a cycle, the middle of a long one left out.
func chain(path []string) string {
	if more := len(path) - mostLinks; more > 0 {
		path = slices.Concat(path[:mostLinks/2], []string{fmt.Sprintf("… %d more …", more)}, path[len(path)-mostLinks/2:])
	}
	return strings.Join(path, " → ")
}
