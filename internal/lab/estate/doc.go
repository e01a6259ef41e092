// Package estate is a simulated hosting provider on 127.0.0.0/8: two sites,
// 1,200 servers of 40 clients, with real TCP listeners, BMCs that speak
// Redfish, and switches and PDUs that speak SNMP. [Generate] makes its inventory; [Open] or [Start] brings it to life;
// faults are put on any component through Go ([Lab.SetFault]) or HTTP
// ([Lab.Handler]), and what follows from them (a PDU dies, 24 machines lose
// power, their listeners close and their BMCs fall silent) follows from the
// inventory's own dependency groups.
//
//	lab, err := estate.Open(ctx, estate.Options{Seed: 1})
//	defer lab.Close()
//	pdu, _ := estate.Scenario("pdu")
//	err = lab.SetFault(pdu, estate.Fault{Mode: estate.Down})
//
// It is for development, demonstrations and tests; nothing but the two mains
// and tests import it.
package estate

import "time"

// Defaults of [Options].
const (
	DefaultBasePort    = 10000
	DefaultAckWithin   = 2 * time.Minute
	DefaultBMCUser     = "vakhta"
	DefaultBMCPassword = "lab-only"
	// DefaultCredentials is the reference that the inventory holds for every
	// BMC: the environment variable that must hold "user:password".
	DefaultCredentials = "env:VAKHTA_LAB_BMC"
	// DefaultSNMPCommunity is what the agents of switches and PDUs ask for, and
	// DefaultSNMPCredentials the reference to it in the inventory.
	DefaultSNMPCommunity   = "lab-only"
	DefaultSNMPCredentials = "env:VAKHTA_LAB_SNMP"
)

// Options says how the estate is made and how it behaves.
type Options struct {
	// Seed decides which client's machine stands where. The shape of the
	// estate (sites, racks, clients, counts) is the same for every seed.
	Seed int64
	// BasePort is where the ports start: servers accept on BasePort+22, BMCs on
	// BasePort+443, SNMP agents (UDP) on BasePort+161, the management of PDUs, switches and uplinks on BasePort+23.
	// 0 is DefaultBasePort. Open moves it when one of the ports is taken.
	BasePort int
	// AckWithin is how long a team's first level has to acknowledge; 0 is
	// DefaultAckWithin.
	AckWithin time.Duration
	// BootDelay is how long a server takes from power to its first accepted
	// connection, after an outage; 0 is at once.
	BootDelay time.Duration
	// Bare are racks whose equipment has no management: no BMC, no SNMP, no
	// address of PDU and switch. What has failed there only people can tell.
	Bare []string
	// Rooms gives the teams rooms: topics in Telegram, a channel in Slack, one in Mattermost.
	Rooms bool
	// BMCUser and BMCPassword are what every BMC asks for; empty means the defaults.
	BMCUser, BMCPassword string
	// Credentials is the reference to them in the inventory; empty is DefaultCredentials.
	Credentials string
}

func (o Options) withDefaults() Options {
	if o.BasePort == 0 {
		o.BasePort = DefaultBasePort
	}
	if o.AckWithin == 0 {
		o.AckWithin = DefaultAckWithin
	}
	if o.BMCUser == "" {
		o.BMCUser = DefaultBMCUser
	}
	if o.BMCPassword == "" {
		o.BMCPassword = DefaultBMCPassword
	}
	if o.Credentials == "" {
		o.Credentials = DefaultCredentials
	}
	return o
}

func (o Options) serverPort() int     { return o.BasePort + 22 }
func (o Options) managementPort() int { return o.BasePort + 23 }
func (o Options) snmpPort() int       { return o.BasePort + 161 }
func (o Options) bmcPort() int        { return o.BasePort + 443 }
