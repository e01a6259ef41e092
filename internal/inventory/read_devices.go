package inventory

import (
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

var (
	bmcFields     = []string{"url", "ipmi", "credentials", "supplies"}
	snmpFields    = []string{"address", "credentials", "ports", "outlets", "feeds", "outletState", "feedState"}
	columnFields  = []string{"oid", "on", "atLeast"}
	proxmoxFields = []string{"url", "node", "credentials", "guests"}
)

// Ports of the management protocols where the inventory names none.
const (
	ipmiPort = 623
	snmpPort = 161
)

func (d *decoder) bmc(n *yaml.Node) BMC {
	var b BMC
	d.fields(n, bmcFields, func(key string, value *yaml.Node) {
		switch key {
		case "url":
			b.URL = d.baseURL(value, "a BMC's base URL")
		case "ipmi":
			b.IPMI = d.addressPort(value, ipmiPort)
		case "credentials":
			b.Credentials = d.credentials(value)
		case "supplies":
			b.Supplies = d.ends(value)
		}
	})
	switch {
	case n.Kind != yaml.MappingNode:
	case firstKey(n, "url") == nil && firstKey(n, "ipmi") == nil:
		d.wrong(n, "url is missing; add it for Redfish, or ipmi: for a BMC that speaks only IPMI")
	case firstKey(n, "url") != nil && firstKey(n, "ipmi") != nil:
		d.wrong(n, "has both url and ipmi; keep one, url where the BMC speaks Redfish")
	}
	d.requiredIn(n, "credentials")
	return b
}

// snmp reads the agent's part; address is the profile's own, if it has one.
func (d *decoder) snmp(n *yaml.Node, address string) *SNMP {
	s := &SNMP{}
	d.fields(n, snmpFields, func(key string, value *yaml.Node) {
		switch key {
		case "address":
			s.Address = d.addressPort(value, snmpPort)
		case "credentials":
			s.Credentials = d.credentials(value)
		case "ports":
			s.Ports = d.ends(value)
		case "outlets":
			s.Outlets = d.indexed(value)
		case "feeds":
			s.Feeds = d.indexed(value)
		case "outletState":
			s.OutletState = d.column(value)
		case "feedState":
			s.FeedState = d.column(value)
		}
	})
	d.requiredIn(n, "credentials")
	if s.Address == "" && address != "" {
		s.Address = netip.AddrPortFrom(netip.MustParseAddr(address), snmpPort).String()
	}
	if s.Address == "" && n.Kind == yaml.MappingNode && firstKey(n, "address") == nil {
		d.wrong(n, "address is missing; add it here or to the probe")
	}
	return s
}

func (d *decoder) proxmox(n *yaml.Node) *Proxmox {
	p := &Proxmox{}
	d.fields(n, proxmoxFields, func(key string, value *yaml.Node) {
		switch key {
		case "url":
			p.URL = d.baseURL(value, "the base URL of the API")
		case "node":
			p.Node = d.id(value)
		case "credentials":
			p.Credentials = d.credentials(value)
		case "guests":
			p.Guests = d.indexed(value)
		}
	})
	d.requiredIn(n, "url", "node", "credentials", "guests")
	return p
}

// oid is dotted decimal with at least four arcs.
var oid = regexp.MustCompile(`^\.?[0-2](\.(0|[1-9][0-9]{0,9})){3,63}$`)

func (d *decoder) column(n *yaml.Node) *Column {
	c := &Column{}
	d.fields(n, columnFields, func(key string, value *yaml.Node) {
		switch key {
		case "oid":
			if c.OID = d.text(value); c.OID != "" && !oid.MatchString(c.OID) {
				d.wrong(value, "is not an OID; write it in numbers, such as 1.3.6.1.4.1.318.1.1.26.9.2.3.1.5")
			}
			c.OID = strings.TrimPrefix(c.OID, ".")
		case "on":
			d.items(value, func(item *yaml.Node) {
				if v, err := strconv.Atoi(item.Value); err != nil {
					d.wrong(item, "must be a whole number")
				} else {
					c.On = append(c.On, v)
				}
			})
		case "atLeast":
			c.AtLeast = d.number(value, 1, 1<<30)
		}
	})
	d.requiredIn(n, "oid")
	if n.Kind == yaml.MappingNode && (firstKey(n, "on") == nil) == (firstKey(n, "atLeast") == nil) {
		d.wrong(n, "needs one of on and atLeast; write on: [the values that mean on], or atLeast: the least value that does")
	}
	return c
}

// ends reads who is at the other end of what a device names: {name: component}.
func (d *decoder) ends(n *yaml.Node) map[string]string {
	out := map[string]string{}
	d.pairs(n, func(key, value *yaml.Node) {
		if key.Value == "" || len(key.Value) > 128 {
			d.wrong(key, "is no name; write it as the device has it, up to 128 characters")
		}
		if id := d.id(value); id != "" {
			out[key.Value] = id
		}
	})
	return out
}

// index is a row of a MIB's table or a VM's id.
var index = regexp.MustCompile(`^[0-9]{1,10}(\.[0-9]{1,10}){0,7}$`)

// indexed reads ends whose names are numbers.
func (d *decoder) indexed(n *yaml.Node) map[string]string {
	out := d.ends(n)
	for i := 0; n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if key := n.Content[i]; key.Kind == yaml.ScalarNode && !index.MatchString(key.Value) {
			d.wrong(key, "is not a number; write the index that the device has for it, such as 7")
		}
	}
	return out
}

// baseURL reads http(s)://host:port.
func (d *decoder) baseURL(n *yaml.Node, what string) string {
	s := d.text(n)
	u, err := url.Parse(s)
	if s != "" && (err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" ||
		u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || !validPort(u.Port())) {
		d.wrong(n, "is not %s; write http(s)://host:port without user, path or query", what)
		return ""
	}
	if s == "" {
		return ""
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil && !d.ofOne(n, ip) {
		return ""
	}
	return strings.TrimRight(s, "/")
}

// addressPort reads an IP address with or without a port.
func (d *decoder) addressPort(n *yaml.Node, port uint16) string {
	s := d.text(n)
	if s == "" {
		return ""
	}
	at, err := netip.ParseAddrPort(s)
	if ip, alone := netip.ParseAddr(s); alone == nil {
		at, err = netip.AddrPortFrom(ip, port), nil
	}
	switch {
	case err != nil || at.Addr().Zone() != "" || at.Port() == 0:
		d.wrong(n, "is not an IP address; write 192.0.2.7, 192.0.2.7:%d or [2001:db8::7]:%d", port, port)
		return ""
	case !d.ofOne(n, at.Addr()):
		return ""
	}
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port()).String()
}

// ofOne says that an address may be one machine's own. Of the others some make
// this machine answer (0.0.0.0), some a whole network.
func (d *decoder) ofOne(n *yaml.Node, ip netip.Addr) bool {
	ip = ip.Unmap()
	if ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		d.wrong(n, "is the address of no single machine (unspecified, multicast or broadcast); write the component's own, or leave it out")
		return false
	}
	return true
}

// credentials reads a reference to a secret.
func (d *decoder) credentials(n *yaml.Node) string {
	s := d.text(n)
	scheme, rest, ok := strings.Cut(s, ":")
	if s != "" && (!ok || rest == "" || scheme != "env" && scheme != "file") {
		d.wrong(n, "must be a reference, never the secret; write env:NAME or file:PATH")
		return ""
	}
	return s
}

func validPort(s string) bool {
	if s == "" {
		return true
	}
	ap, err := netip.ParseAddrPort("127.0.0.1:" + s)
	return err == nil && ap.Port() != 0
}

// devices checks what a profile says of the components at other ends.
func (inv *Inventory) devices(c *Component, d *decoder, known *names) {
	bmc, snmp, px := c.Probe.BMC, c.Probe.SNMP, c.Probe.Proxmox
	inv.others(d, known, bmc.Supplies, []string{"probe", "bmc", "supplies"}, func(peer *Component) string {
		for _, g := range c.Needs {
			if g.Name == "power" && slices.Contains(g.Members, peer.ID) {
				return ""
			}
		}
		return peer.ID + " is not what the machine takes its power from; add it to needs.power, or mend this"
	})
	if snmp != nil {
		inv.others(d, known, snmp.Ports, []string{"probe", "snmp", "ports"}, nil)
		inv.others(d, known, snmp.Outlets, []string{"probe", "snmp", "outlets"}, nil)
		inv.others(d, known, snmp.Feeds, []string{"probe", "snmp", "feeds"}, nil)
		for key, wrong := range map[string]bool{
			"outlets": c.Kind != KindPDU && snmp.Outlets != nil, "feeds": c.Kind != KindPDU && snmp.Feeds != nil,
			"ports": c.Kind == KindPDU && snmp.Ports != nil,
		} {
			if wrong {
				d.wrong(child(d.root(), "probe", "snmp", key), "a %s has none; PDUs have outlets and feeds, switches have ports", c.Kind)
			}
		}
	}
	if px != nil {
		inv.others(d, known, px.Guests, []string{"probe", "proxmox", "guests"}, func(peer *Component) string {
			if peer.Kind != KindServer {
				return peer.ID + " is a " + string(peer.Kind) + "; guests are servers"
			}
			return ""
		})
		if c.Kind != KindHypervisor {
			d.wrong(child(d.root(), "probe", "proxmox"), "is for hypervisors; move it to the one that runs this")
		}
	}
}

// others checks each component at another end; wrong may say what is wrong with one.
func (inv *Inventory) others(d *decoder, known *names, ends map[string]string, path []string, wrong func(*Component) string) {
	for name, id := range ends {
		text := ""
		if peer, ok := inv.component[id]; !ok {
			text = id + " is unknown; " + inv.meant(id, known)
		} else if wrong != nil {
			text = wrong(peer)
		}
		if text != "" {
			d.wrong(child(child(d.root(), path...), name), "%s", text)
		}
	}
}
