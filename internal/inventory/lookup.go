package inventory

import (
	"net/netip"
	"slices"
	"strings"
)

// Inventory is a loaded and checked inventory. It never changes, and is safe
// for concurrent use; callers must not write to what it returns.
type Inventory struct {
	revision   string
	components []*Component
	component  map[string]*Component
	sites      []Site
	vantages   []string
	site       map[string]Site
	clients    []*Client
	client     map[string]*Client
	contact    map[string]*Contact
	byAddress  map[address]*Contact // nil where several clients share it
	teams      []*Team
	team       map[string]*Team
	room       map[string]*Room
	roomAt     map[address]*Room
	ruled      bool // a member has a role: roles hold
	servers    []string
	serversOf  map[string][]string
	serversAt  map[string][]string
	byIP       map[netip.Addr]*Component // nil where several components share it
}

// address is a way to write to somebody, in the form in which such are compared.
type address struct {
	channel Channel
	normal  string
}

// Address is where a contact is reached by a channel at present; empty where he isn't.
func (inv *Inventory) Address(contact string, ch Channel) string {
	if r, ok := inv.RoomContact(contact); ok && r.Channel == ch {
		return r.Address
	}
	if c := inv.contact[contact]; c != nil {
		return c.Addresses[ch]
	}
	return ""
}

// Revision is the SHA-256, in hex, of the documents that it was loaded from.
func (inv *Inventory) Revision() string { return inv.revision }

// Components returns all components by id, sites included.
func (inv *Inventory) Components() []*Component { return slices.Clone(inv.components) }

// Component returns the component with the id.
func (inv *Inventory) Component(id string) (*Component, bool) {
	c, ok := inv.component[id]
	return c, ok
}

// ComponentByAddress returns the component whose probe address is the IP; not
// found when several components share it.
func (inv *Inventory) ComponentByAddress(ip string) (*Component, bool) {
	a, err := netip.ParseAddr(strings.TrimSpace(ip))
	if err != nil {
		return nil, false
	}
	c := inv.byIP[a.Unmap()]
	return c, c != nil
}

// Vantages are those that stand outside of all sites, best first.
func (inv *Inventory) Vantages() []string { return slices.Clone(inv.vantages) }

// Sites returns the sites by id.
func (inv *Inventory) Sites() []Site { return slices.Clone(inv.sites) }

// Site returns the site with the id.
func (inv *Inventory) Site(id string) (Site, bool) {
	s, ok := inv.site[id]
	return s, ok
}

// Clients returns the clients by id.
func (inv *Inventory) Clients() []*Client { return slices.Clone(inv.clients) }

// Client returns the client with the id.
func (inv *Inventory) Client(id string) (*Client, bool) {
	c, ok := inv.client[id]
	return c, ok
}

// Contact returns the contact with the id, a client's or a team's.
func (inv *Inventory) Contact(id string) (*Contact, bool) {
	c, ok := inv.contact[id]
	return c, ok
}

// ContactByAddress returns the contact who has the address at the channel:
// phones are compared as numbers, mail addresses without case. When several
// contacts of one client share it, it is the first; when several clients do,
// none, since nobody can say who wrote.
func (inv *Inventory) ContactByAddress(ch Channel, addr string) (*Contact, bool) {
	normal := normalAddress(ch, addr)
	if normal == "" {
		return nil, false
	}
	c := inv.byAddress[address{ch, normal}]
	return c, c != nil
}

// Teams returns the teams by id.
func (inv *Inventory) Teams() []*Team { return slices.Clone(inv.teams) }

// Team returns the team with the id.
func (inv *Inventory) Team(id string) (*Team, bool) {
	t, ok := inv.team[id]
	return t, ok
}

// Servers returns the ids of all servers, in order.
func (inv *Inventory) Servers() []string { return slices.Clone(inv.servers) }

// ServersOf returns the ids of the client's servers, in order.
func (inv *Inventory) ServersOf(client string) []string { return slices.Clone(inv.serversOf[client]) }

// ServersAt returns the ids of the site's servers, in order.
func (inv *Inventory) ServersAt(site string) []string { return slices.Clone(inv.serversAt[site]) }
