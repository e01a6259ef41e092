package estate

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"

	"vakhta/internal/inventory"
)

const (
	racksPerRoom = 6
	unitsPerRack = 40

	lastOnA    = 24 // units 1…24 hang on pdu-a alone
	lastDouble = 32 // 25…32 on both, the rest on pdu-b alone

	// Romashka is the client with 500 servers over both sites.
	Romashka      = "romashka"
	romashkaInMSK = 300
	romashkaInSPB = 200

	// pduRack's pdu-a alone feeds pduServers servers of pduClients clients.
	pduRack           = "msk-r2-k04"
	pduClients        = 9
	romashkaOnThatPDU = 8 // each of the others has two machines there
)

type sitePlan struct {
	id       string
	name     inventory.Text
	timezone string
	octet    int // 127.<octet>.…: servers; octet+1: what is managed
	letter   string
	rooms    int
	uplinks  int
	romashka int
}

var sitePlans = []sitePlan{
	{
		id: "msk", name: inventory.Text{inventory.Russian: "Москва", inventory.English: "Moscow"},
		timezone: "Europe/Moscow", octet: 10, letter: "m", rooms: 3, uplinks: 2, romashka: romashkaInMSK,
	},
	{
		id: "spb", name: inventory.Text{inventory.Russian: "Санкт-Петербург", inventory.English: "St Petersburg"},
		timezone: "Europe/Moscow", octet: 20, letter: "s", rooms: 2, uplinks: 1, romashka: romashkaInSPB,
	},
}

// plan is the estate before it is written down.
type plan struct {
	sites      []inventory.Site
	components []inventory.Component
	clients    []inventory.Client
	teams      []inventory.Team
}

func makePlan(o Options) plan {
	p := plan{clients: makeClients(), teams: makeTeams(o)}
	rng := rand.New(rand.NewPCG(uint64(o.Seed), 0x76616b687461)) //nolint:gosec // a reproducible estate, not a secret
	for i, s := range sitePlans {
		// Both vantages see the sites from outside: the lab has one network, so
		// that a lost uplink cuts a site off from whoever looks.
		first, second := Vantages[i%2], Vantages[(i+1)%2]
		p.sites = append(p.sites, inventory.Site{ID: s.id, TimeZone: s.timezone, Vantages: []string{first, second}, Support: support(s.id)})
		p.addSite(o, s, dealClients(s, p.clients, rng))
	}
	for i, c := range p.components {
		if slices.Contains(o.Bare, c.In) {
			p.components[i].Probe.BMC, p.components[i].Probe.SNMP = inventory.BMC{}, nil
			if c.Kind != inventory.KindServer {
				p.components[i].Probe = inventory.Profile{}
			}
		}
	}
	return p
}

// addSite adds the site from its uplinks down to its servers; owners holds the
// client of every server, rack by rack, from the bottom unit up.
func (p *plan) addSite(o Options, s sitePlan, owners []string) {
	p.add(inventory.Component{ID: s.id, Kind: inventory.KindSite, Name: s.name})
	var uplinks []string
	for n := 1; n <= s.uplinks; n++ {
		id := fmt.Sprintf("%s-uplink-%d", s.id, n)
		uplinks = append(uplinks, id)
		p.add(inventory.Component{
			ID: id, Kind: inventory.KindUplink, In: s.id,
			Name:  inventory.Text{inventory.Russian: fmt.Sprintf("магистральный канал %d", n), inventory.English: fmt.Sprintf("uplink %d", n)},
			Probe: managed(o, s, 0, n),
		})
	}
	rack := 0
	for r := 1; r <= s.rooms; r++ {
		room := fmt.Sprintf("%s-r%d", s.id, r)
		p.add(inventory.Component{
			ID: room, Kind: inventory.KindRoom, In: s.id,
			Name: inventory.Text{inventory.Russian: fmt.Sprintf("зал %d", r), inventory.English: fmt.Sprintf("room %d", r)},
		})
		for _, side := range []string{"a", "b"} {
			p.add(inventory.Component{
				ID: room + "-feed-" + side, Kind: inventory.KindFeed, In: room,
				Name: inventory.Text{inventory.Russian: "ввод " + strings.ToUpper(side), inventory.English: "power feed " + strings.ToUpper(side)},
			})
		}
		for k := 1; k <= racksPerRoom; k++ {
			rack++
			at := rackAt{plan: s, number: rack, room: room, roomNo: r, rackNo: k, uplinks: uplinks}
			p.addRack(o, at, owners[(rack-1)*unitsPerRack:rack*unitsPerRack])
		}
	}
}

type rackAt struct {
	plan           sitePlan
	number         int // within the site, from 1
	room           string
	roomNo, rackNo int
	uplinks        []string
}

func (p *plan) addRack(o Options, at rackAt, owners []string) {
	rack := fmt.Sprintf("%s-k%02d", at.room, at.rackNo)
	pduA, pduB, sw := rack+"-pdu-a", rack+"-pdu-b", rack+"-sw"
	p.add(inventory.Component{
		ID: rack, Kind: inventory.KindRack, In: at.room,
		Name: inventory.Text{
			inventory.Russian: fmt.Sprintf("стойка %d.%02d", at.roomNo, at.rackNo),
			inventory.English: fmt.Sprintf("rack %d.%02d", at.roomNo, at.rackNo),
		},
	})
	for n, side := range []string{"a", "b"} {
		profile := managed(o, at.plan, at.number, n+1)
		profile.SNMP = o.agent(profile.Address)
		profile.SNMP.Outlets = at.outlets(sw, n)
		profile.SNMP.Feeds = map[string]string{"1": at.room + "-feed-" + side}
		p.add(inventory.Component{
			ID: rack + "-pdu-" + side, Kind: inventory.KindPDU, In: rack,
			Name:  inventory.Text{inventory.Russian: "PDU " + strings.ToUpper(side), inventory.English: "PDU " + strings.ToUpper(side)},
			Needs: []inventory.Group{{Name: "power", Members: []string{at.room + "-feed-" + side}}},
			Probe: profile,
		})
	}
	profile := managed(o, at.plan, at.number, 3)
	profile.SNMP = o.agent(profile.Address)
	profile.SNMP.Ports = at.ports()
	p.add(inventory.Component{
		ID: sw, Kind: inventory.KindSwitch, In: rack, Unit: unitsPerRack + 2,
		Name: inventory.Text{inventory.Russian: "коммутатор", inventory.English: "switch"},
		Needs: []inventory.Group{
			{Name: "network", Members: at.uplinks},
			{Name: "power", Members: []string{pduA, pduB}},
		},
		Probe: profile,
	})
	for i, client := range owners {
		unit := i + 1
		address := fmt.Sprintf("127.%d.%d.%d", at.plan.octet, at.number, unit)
		power := cords(unit, pduA, pduB)
		p.add(inventory.Component{
			ID:   at.server(unit),
			Kind: inventory.KindServer, In: rack, Unit: unit, Client: client,
			Label: fmt.Sprintf("VK-%s%d%02d%02d", strings.ToUpper(at.plan.letter), at.roomNo, at.rackNo, unit),
			Needs: []inventory.Group{
				{Name: "network", Members: []string{sw}},
				{Name: "power", Members: power},
			},
			Probe: inventory.Profile{
				Address: address, TCP: []int{o.serverPort()},
				BMC: inventory.BMC{
					URL: fmt.Sprintf("http://%s:%d", address, o.bmcPort()), Credentials: o.Credentials, Supplies: supplies(power),
				},
			},
		})
	}
}

// server is the id of the machine at the unit.
func (at rackAt) server(unit int) string {
	return fmt.Sprintf("%s%d-%02d%02d", at.plan.letter, at.roomNo, at.rackNo, unit)
}

// ports says what is plugged into the rack's switch: a machine each, and the uplinks.
func (at rackAt) ports() map[string]string {
	out := map[string]string{}
	for unit := 1; unit <= unitsPerRack; unit++ {
		out[fmt.Sprintf("Gi1/0/%d", unit)] = at.server(unit)
	}
	for n, uplink := range at.uplinks {
		out[fmt.Sprintf("Te1/1/%d", n+1)] = uplink
	}
	return out
}

// outlets says what hangs on the PDU of the side (0 is A): the machine at the
// unit with the outlet's number, and the switch behind them.
func (at rackAt) outlets(sw string, side int) map[string]string {
	out := map[string]string{strconv.Itoa(unitsPerRack + 1): sw}
	for unit := 1; unit <= unitsPerRack; unit++ {
		if onA, onB := unit <= lastDouble, unit > lastOnA; side == 0 && onA || side == 1 && onB {
			out[strconv.Itoa(unit)] = at.server(unit)
		}
	}
	return out
}

// agent is the SNMP agent at the address.
func (o Options) agent(address string) *inventory.SNMP {
	return &inventory.SNMP{Address: fmt.Sprintf("%s:%d", address, o.snmpPort()), Credentials: DefaultSNMPCredentials}
}

func cords(unit int, pduA, pduB string) []string {
	switch {
	case unit <= lastOnA:
		return []string{pduA}
	case unit <= lastDouble:
		return []string{pduA, pduB}
	}
	return []string{pduB}
}

// supplyName is what a BMC calls its n-th power supply, from 0.
func supplyName(n int) string { return "PSU " + string(rune('A'+n)) }

// supplies says which supply hangs on which of the PDUs.
func supplies(pdus []string) map[string]string {
	out := map[string]string{}
	for n, pdu := range pdus {
		out[supplyName(n)] = pdu
	}
	return out
}

// managed is the profile of a device with a management port.
func managed(o Options, s sitePlan, rack, n int) inventory.Profile {
	return inventory.Profile{
		Address: fmt.Sprintf("127.%d.%d.%d", s.octet+1, rack, n),
		TCP:     []int{o.managementPort()},
	}
}

func (p *plan) add(c inventory.Component) { p.components = append(p.components, c) }
