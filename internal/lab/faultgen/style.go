package faultgen

// Style is how somebody builds, writes down and watches an estate. Shares are
// between 0 and 1; a pair of numbers is the least and the most.
type Style struct {
	Name string

	Sites          int
	RacksPerRoom   int
	ServersPerRack [2]int
	Feeds          int  // per room: 2, 1, or 0 where the PDUs hang on nothing that is known
	PDUs           int  // per rack: 2 or 1
	Switches       int  // per rack: 1, or 2 that back each other up
	Aggs, Uplinks  int  // per room, per site: 2 or 1
	Flat           bool // no rooms and racks are written down, only what depends on what

	OneSided    float64 // racks whose switch hangs on one PDU
	SingleCords float64 // machines on one PDU, on average; it differs from rack to rack
	Hypervisors float64 // racks of hosts and their guests
	InBand      float64 // racks whose BMCs and management addresses hang on their own switch

	TCP, ICMP, BMC float64  // machines that are asked so; each is asked by something
	Gear           []string // how PDUs, switches and uplinks are asked; none: they are not
	GearTwice      bool     // a minute apart
	Beside         bool     // supplies, ports and feeds are asked, too
	Outside        []string // vantages outside of all sites, which the inventory does not know
	Inside         bool     // a vantage in each site
	Literal        bool     // a probe answers where all groups have a working member, whoever asks
}

// Styles are the estates that are measured, each as another author might draw
// them from the same description. The first is the one that is measured large.
var Styles = []Style{
	{
		Name: "provider", Sites: 2, RacksPerRoom: 125, ServersPerRack: [2]int{40, 40}, Feeds: 2, PDUs: 2, Switches: 1, Aggs: 2, Uplinks: 2,
		OneSided: .15, SingleCords: .24, Hypervisors: .06, InBand: .1, TCP: .85, ICMP: .85, BMC: .9,
		Gear: []string{"tcp", "icmp"}, Outside: []string{"outside"}, Inside: true,
	},
	{
		Name: "by the book", Sites: 2, RacksPerRoom: 20, ServersPerRack: [2]int{20, 40}, Feeds: 2, PDUs: 2, Switches: 1, Aggs: 2, Uplinks: 2,
		SingleCords: .3, Hypervisors: .1, TCP: 1, ICMP: 1, BMC: 1,
		Gear: []string{"icmp", "snmp"}, Outside: []string{"outside"}, Inside: true, Literal: true,
	},
	{
		Name: "servers alone", Sites: 2, RacksPerRoom: 20, ServersPerRack: [2]int{16, 40}, Feeds: 2, PDUs: 2, Switches: 1, Aggs: 2, Uplinks: 2,
		OneSided: .2, SingleCords: .4, TCP: 1, ICMP: 1, BMC: 1, Outside: []string{"outside"}, Inside: true,
	},
	{
		Name: "in-band", Sites: 2, RacksPerRoom: 25, ServersPerRack: [2]int{20, 40}, Feeds: 2, PDUs: 2, Switches: 1, Aggs: 2, Uplinks: 2,
		SingleCords: .3, InBand: .6, TCP: 1, ICMP: 1, BMC: 1, Gear: []string{"tcp", "icmp"}, Outside: []string{"outside"}, Inside: true,
	},
	{
		Name: "one of each", Sites: 3, RacksPerRoom: 20, ServersPerRack: [2]int{8, 16}, Feeds: 1, PDUs: 1, Switches: 1, Aggs: 1, Uplinks: 1,
		TCP: .9, ICMP: .9, BMC: .8, Gear: []string{"icmp"}, GearTwice: true, Outside: []string{"v1"}, Inside: true,
	},
	{
		Name: "six sites, stacks", Sites: 6, RacksPerRoom: 12, ServersPerRack: [2]int{24, 48}, Feeds: 2, PDUs: 2, Switches: 2, Aggs: 2, Uplinks: 2,
		SingleCords: .3, Hypervisors: .1, TCP: 1, ICMP: .9, BMC: .9, Gear: []string{"tcp", "icmp"}, Outside: []string{"outside"}, Inside: true,
	},
	{
		Name: "flat", Sites: 1, RacksPerRoom: 20, ServersPerRack: [2]int{20, 40}, Feeds: 2, PDUs: 2, Switches: 1, Aggs: 2, Uplinks: 2, Flat: true,
		SingleCords: .4, TCP: 1, ICMP: 1, BMC: .9, Gear: []string{"tcp", "icmp"}, Outside: []string{"outside"}, Inside: true,
	},
	{
		Name: "no BMCs", Sites: 2, RacksPerRoom: 20, ServersPerRack: [2]int{20, 40}, Feeds: 2, PDUs: 2, Switches: 1, Aggs: 2, Uplinks: 2,
		OneSided: .1, SingleCords: .3, TCP: 1, ICMP: 1, Gear: []string{"tcp", "icmp"}, Outside: []string{"outside"}, Inside: true,
	},
	{
		Name: "one vantage", Sites: 2, RacksPerRoom: 20, ServersPerRack: [2]int{20, 40}, Feeds: 2, PDUs: 2, Switches: 1, Aggs: 2, Uplinks: 2,
		SingleCords: .3, TCP: 1, ICMP: 1, BMC: .95, Gear: []string{"tcp", "icmp"}, GearTwice: true, Outside: []string{"probe-1"},
	},
	{
		Name: "two vantages outside", Sites: 2, RacksPerRoom: 20, ServersPerRack: [2]int{20, 40}, Feeds: 2, PDUs: 2, Switches: 1, Aggs: 2, Uplinks: 2,
		SingleCords: .3, TCP: .9, ICMP: .9, BMC: .95, Gear: []string{"tcp", "icmp"}, Outside: []string{"v1", "v2"},
	},
	{
		Name: "evidence from beside", Sites: 2, RacksPerRoom: 20, ServersPerRack: [2]int{20, 40}, Feeds: 2, PDUs: 2, Switches: 1, Aggs: 2, Uplinks: 2,
		OneSided: .1, SingleCords: .3, Hypervisors: .1, TCP: 1, ICMP: 1, BMC: .95, Gear: []string{"snmp"}, Beside: true, Outside: []string{"outside"}, Inside: true,
	},
}
