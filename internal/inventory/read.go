package inventory

import (
	"net/netip"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// What a document's mappings may hold, in the order in which a person writes them.
var (
	documentFields  = []string{"version", "vantages", "sites", "components", "clients", "teams"}
	siteFields      = []string{"id", "name", "timezone", "vantages", "support"}
	componentFields = []string{"id", "kind", "name", "in", "unit", "client", "label", "needs", "probe"}
	profileFields   = append([]string{"address", "tcp", "icmp", "bmc", "snmp", "proxmox"}, serviceFields...)
	clientFields    = []string{"id", "name", "language", "timezone", "quiet", "contacts"}
	contactFields   = []string{"id", "name", "language", "timezone", "addresses", "ladder", "quiet"}
	memberFields    = append([]string{"pages", "role"}, contactFields...)
	teamFields      = []string{"id", "name", "timezone", "members", "rotations", "hours", "holidays", "levels", "repeat", "policies", "fallback", "room"}
	roomFields      = []string{"telegram", "slack", "mattermost", "topics", "language"}
	levelFields     = []string{"members", "rotations", "everyone", "mode", "ladder", "ackWithin"}

	kindNames     = []string{"site", "room", "rack", "feed", "pdu", "phase", "uplink", "switch", "card", "hypervisor", "server"}
	channelNames  = []string{"telegram", "whatsapp", "slack", "mattermost", "sms", "call", "email", "sink"}
	languageNames = []string{"ru", "en"}
)

// locationGroup is the name of the group that containment stands for.
const locationGroup = "location"

// raw is what the documents say, before it is checked as a whole.
type raw struct {
	vantages   []rawItem[[]string]
	sites      []rawItem[Site]
	components []rawItem[Component]
	clients    []rawItem[Client]
	contacts   []rawItem[Contact] // those of clients and of teams
	teams      []rawItem[Team]
	zones      zones
}

// rawItem is a value with the place that it was read from.
type rawItem[T any] struct {
	value *T
	at    decoder
}

// document reads one YAML document.
func (r *raw) document(d *decoder, n *yaml.Node, list *long) (err error) {
	version := false
	d.fields(n, documentFields, func(key string, value *yaml.Node) {
		switch key {
		case "version":
			version = true
			if value.Value != "1" {
				d.wrong(value, "must be 1, the only version that there is")
			}
		case "vantages":
			ids := d.ids(value)
			r.vantages = append(r.vantages, rawItem[[]string]{&ids, decoder{entry: entry{file: d.file, doc: d.doc, index: -1, node: value}, problems: d.problems}})
		case "sites":
			section(d, key, value, r.site)
		case "components":
			if list == nil {
				section(d, key, value, r.component)
			} else {
				err = list.each(func(index int, item *yaml.Node) { one(d, key, index, item, list, r.component) })
			}
		case "clients":
			section(d, key, value, r.client)
		case "teams":
			section(d, key, value, r.team)
		}
	})
	if !version && n.Kind == yaml.MappingNode {
		d.wrong(n, "version is missing; begin the document with version: 1")
	}
	return err
}

// section reads each item of a top-level list with a decoder of its own.
func section(d *decoder, name string, list *yaml.Node, read func(*decoder)) {
	if list.Kind == yaml.ScalarNode && list.ShortTag() == "!!null" {
		return // "clients:" with nothing below it
	}
	index := 0
	d.items(list, func(item *yaml.Node) {
		one(d, name, index, item, nil, read)
		index++
	})
}

// one reads an item of a section; from is the long list that it is in, or nil.
func one(d *decoder, name string, index int, item *yaml.Node, from *long, read func(*decoder)) {
	if from != nil && !d.plain(item) {
		return
	}
	e := entry{file: d.file, doc: d.doc, section: name, index: index, node: item, long: from}
	if id := child(item, "id"); id != item && id.Kind == yaml.ScalarNode && isID(id.Value) {
		e.id = id.Value
	}
	read(&decoder{entry: e, problems: d.problems})
}

func (r *raw) site(d *decoder) {
	s := &Site{ID: d.entry.id}
	c := &Component{ID: s.ID, Kind: KindSite}
	d.fields(d.root(), siteFields, func(key string, value *yaml.Node) {
		switch key {
		case "id":
			d.id(value)
		case "name":
			c.Name = d.name(value)
		case "timezone":
			s.TimeZone = r.zones.read(d, value)
		case "vantages":
			s.Vantages = d.ids(value)
		case "support":
			s.Support = d.id(value)
		}
	})
	d.required("id", "timezone")
	if d.entry.id == "" {
		return
	}
	r.sites = append(r.sites, rawItem[Site]{s, *d})
	r.components = append(r.components, rawItem[Component]{c, *d})
}

func (r *raw) component(d *decoder) {
	c := &Component{ID: d.entry.id}
	d.fields(d.root(), componentFields, func(key string, value *yaml.Node) {
		switch key {
		case "id":
			d.id(value)
		case "kind":
			c.Kind = Kind(d.oneOf(value, kindNames))
			if c.Kind == KindSite {
				d.wrong(value, "a site is listed under sites; move it there")
			}
		case "name":
			c.Name = d.name(value)
		case "in":
			c.In = d.id(value)
		case "unit":
			c.Unit = d.number(value, 1, 100)
		case "client":
			c.Client = d.id(value)
		case "label":
			c.Label = d.text(value)
		case "needs":
			c.Needs = d.groups(value)
		case "probe":
			c.Probe = d.profile(value)
		}
	})
	d.required("id", "kind", "in")
	if d.entry.id != "" {
		r.components = append(r.components, rawItem[Component]{c, d.light()})
	}
}

// groups reads dependency groups, ordered by name.
func (d *decoder) groups(n *yaml.Node) []Group {
	if len(n.Content) > 2*64 {
		d.wrong(n, "has more than 64 groups; merge some")
		return nil
	}
	out := make([]Group, 0, len(n.Content)/2+1) // where it stands is one more
	d.pairs(n, func(key, value *yaml.Node) {
		switch {
		case !isID(key.Value):
			d.wrong(key, "is not a group's name; use letters, digits and '-'")
		case key.Value == locationGroup:
			d.wrong(key, "is a reserved group; say where the component stands with in: …")
		default:
			g := Group{Name: key.Value, Members: d.ids(value)}
			if value.Kind == yaml.SequenceNode && len(value.Content) == 0 {
				d.wrong(value, "has no members, so nothing could satisfy it; name one or remove the group")
			}
			if len(g.Members) > 0 {
				out = append(out, g)
			}
		}
	})
	if len(out) == 0 {
		return nil
	}
	slices.SortFunc(out, func(a, b Group) int { return strings.Compare(a.Name, b.Name) })
	return out
}

func (d *decoder) profile(n *yaml.Node) Profile {
	var p Profile
	var agent *yaml.Node
	d.fields(n, profileFields, func(key string, value *yaml.Node) {
		switch key {
		case "address":
			if s := d.text(value); s != "" {
				ip, err := netip.ParseAddr(s)
				switch {
				case err != nil || ip.Zone() != "":
					d.wrong(value, "is not an IP address; write IPv4 or IPv6 without port, mask or zone")
				case !d.ofOne(value, ip):
				default:
					p.Address = ip.Unmap().String()
				}
			}
		case "tcp":
			d.items(value, func(item *yaml.Node) {
				if port := d.number(item, 1, 65535); port != 0 {
					p.TCP = append(p.TCP, port)
				}
			})
		case "icmp":
			p.ICMP = d.boolean(value)
		case "bmc":
			p.BMC = d.bmc(value)
		case "snmp":
			agent = value
		case "proxmox":
			p.Proxmox = d.proxmox(value)
		default:
			d.services(&p.Services, key, value)
		}
	})
	if agent != nil { // last: its address may be the probe's
		p.SNMP = d.snmp(agent, p.Address)
	}
	if p.Address == "" && (len(p.TCP) > 0 || p.ICMP || !p.Services.empty()) {
		d.wrong(n, "asks for probes but has no address; add address: or remove tcp, icmp and what is served")
	}
	return p
}

// oneOf reads one of the allowed words.
func (d *decoder) oneOf(n *yaml.Node, allowed []string) string {
	s := d.text(n)
	if s == "" && !isEmpty(n) || slices.Contains(allowed, s) {
		return s
	}
	d.wrong(n, "unknown value; %s", didYouMean(s, allowed, "use one of "+strings.Join(allowed, ", ")))
	return ""
}

// required reports the fields that the entry lacks.
func (d *decoder) required(names ...string) { d.requiredIn(d.root(), names...) }

func (d *decoder) requiredIn(n *yaml.Node, names ...string) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for _, name := range names {
		if firstKey(n, name) == nil {
			d.wrong(n, "%s is missing; add it", name)
		}
	}
}

// zones remembers which time zones exist, since loading one reads a file.
type zones map[string]bool

func (z zones) read(d *decoder, n *yaml.Node) string {
	s := d.text(n)
	if s == "" {
		return ""
	}
	ok, seen := z[s]
	if !seen {
		_, err := time.LoadLocation(s)
		ok = err == nil && s != "Local"
		z[s] = ok
	}
	if !ok {
		d.wrong(n, "is not a time zone; write an IANA name such as Europe/Moscow")
		return ""
	}
	return s
}
