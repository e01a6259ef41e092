package inventory

// BMC is the machine's baseboard management controller, asked over Redfish or
// over IPMI 2.0 (exactly one of the two).
type BMC struct {
	URL         string `json:"url,omitempty"`         // Redfish: http(s)://host:port, no path
	IPMI        string `json:"ipmi,omitempty"`        // IPMI: address:port
	Credentials string `json:"credentials,omitempty"` // reference, never the secret: env:NAME or file:PATH, holding user:password
	// Supplies says on which PDU, phase or feed each power supply hangs, by the
	// supply's name as the BMC has it. Without it, what a supply says of its input
	// is told of the machine alone, unless all of them hang on the same.
	Supplies map[string]string `json:"supplies,omitempty"`
}

// Given says that there is a BMC to ask.
func (b BMC) Given() bool { return b.URL != "" || b.IPMI != "" }

// SNMP is the agent of a switch or a PDU, asked over SNMP v2c or v3.
type SNMP struct {
	Address     string `json:"address"`     // address:port
	Credentials string `json:"credentials"` // reference, as a BMC's; see docs/inventory.md for what it holds
	// Ports of a switch, by ifName, ifDescr or ifAlias (IF-MIB): the component at the other end.
	Ports map[string]string `json:"ports,omitempty"`
	// Outlets of a PDU, by their index in the PDU's table: the component that hangs on it.
	Outlets map[string]string `json:"outlets,omitempty"`
	// Feeds of a PDU (inputs or phases), by their index in the PDU's table: the component behind it.
	Feeds map[string]string `json:"feeds,omitempty"`
	// OutletState and FeedState are where a PDU of another make than those that
	// Vakhta knows keeps its state; nil: as its sysObjectID says.
	OutletState *Column `json:"outletState,omitempty"`
	FeedState   *Column `json:"feedState,omitempty"`
}

// Column is a column of whole numbers in a MIB's table, and what they mean:
// one of On, or at least AtLeast, is on; everything else is off.
type Column struct {
	OID     string `json:"oid"` // of the column, without the index: 1.3.6.1.4.1.…
	On      []int  `json:"on,omitempty"`
	AtLeast int    `json:"atLeast,omitempty"`
}

// Proxmox is the API of the Proxmox VE that a hypervisor runs.
type Proxmox struct {
	URL         string `json:"url"`         // https://host:8006, no path
	Node        string `json:"node"`        // the hypervisor's name in its cluster
	Credentials string `json:"credentials"` // reference to an API token: USER@REALM!TOKENID=SECRET
	// Guests are the servers that run on it, by VM id.
	Guests map[string]string `json:"guests"`
}

// CanAsk says that the profile gives an address for the probe, by its name in
// package topology, and, for probes from beside the machine, names who is at the other end.
func (c *Component) CanAsk(probe string) bool {
	p, snmp := &c.Probe, c.Probe.SNMP
	switch probe {
	case "tcp":
		return p.Address != "" && len(p.TCP) > 0
	case "icmp":
		return p.Address != "" && p.ICMP
	case "power":
		return p.BMC.Given()
	case "psu":
		return p.BMC.Given()
	case "snmp":
		return snmp != nil
	case "port":
		return snmp != nil && len(snmp.Ports) > 0
	case "outlet":
		return snmp != nil && len(snmp.Outlets) > 0
	case "feed":
		return snmp != nil && c.Kind == KindPDU
	case "guest":
		return p.Proxmox != nil && len(p.Proxmox.Guests) > 0
	}
	return false
}

// Beside is a device that tells of a component: a hypervisor, whether it runs ("guest"), a switch, whether
// its port has link ("port"), a PDU, whether its outlet is on ("outlet").
type Beside struct {
	Device string
	Probe  string // by its name in package topology
}

// Beside lists what tells of a component from beside it: what it needs and whose profile names it, in that order.
func (inv *Inventory) Beside(id string) []Beside {
	c, ok := inv.component[id]
	if !ok {
		return nil
	}
	var out []Beside
	add := func(device, probe string, ends map[string]string) {
		for _, end := range ends {
			if end == id {
				out = append(out, Beside{device, probe})
				return
			}
		}
	}
	for _, g := range c.Needs {
		for _, m := range g.Members {
			switch device := inv.component[m]; {
			case device.Probe.Proxmox != nil:
				add(m, "guest", device.Probe.Proxmox.Guests)
			case device.Probe.SNMP == nil:
			case device.Kind == KindSwitch:
				add(m, "port", device.Probe.SNMP.Ports)
			case device.Kind == KindPDU:
				add(m, "outlet", device.Probe.SNMP.Outlets)
			}
		}
	}
	return out
}
