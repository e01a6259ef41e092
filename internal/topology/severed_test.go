package topology

import (
	"testing"

	"vakhta/internal/inventory"
)

// What fails behind an uplink that carried the management, too, leaves the management of what it carried as it was: to
// those outside it is lost, and those within reach it.
func TestWhatIsBehindADeadSwitchBehindALostUplinkIsManagedFromWithin(t *testing.T) {
	const uplink, outside, sw, inBand, pdu, server = 0, 1, 2, 3, 4, 5 // outside and inBand: management hangs on the uplink, on the switch
	network := func(n int32) group { return group{name: "network", network: true, members: []int32{n}} }
	nodes := []node{
		uplink: {uplink: true, behind: outside + 1}, outside: {},
		sw: {groups: []group{network(uplink)}, behind: inBand + 1}, inBand: {},
		pdu:    {via: []int32{sw}},
		server: {server: true, groups: []group{network(sw), {name: "power", power: true, members: []int32{pdu}}}},
	}
	linkUsers(nodes)
	nodes[sw].users = []int32{pdu, server}
	nodes[outside].users, nodes[inBand].users = nodes[uplink].users, nodes[sw].users
	for _, tt := range []struct {
		failed          []int32
		sw, pdu, server state
	}{
		{[]int32{sw}, failed, works, cutOff},
		{[]int32{sw, inBand}, failed, hidden, hidden},
		{[]int32{uplink}, isolated, works, isolated},
		{[]int32{uplink, outside}, remote, remote, remote},
		{[]int32{uplink, sw}, failed, works, cutOff},
		{[]int32{uplink, outside, sw}, adrift, remote, severed},
		{[]int32{sw, uplink, outside}, adrift, remote, severed},
		{[]int32{uplink, outside, sw, inBand}, adrift, hidden, hidden},
		{[]int32{uplink, outside, pdu}, remote, failed, powerless},
	} {
		truth := newTrial(nodes)
		for _, n := range tt.failed {
			truth.flip(n)
		}
		if truth.state[sw] != tt.sw || truth.state[pdu] != tt.pdu || truth.state[server] != tt.server {
			t.Errorf("%v failed: the switch is %d, the PDU %d, the server %d; want %d, %d, %d",
				tt.failed, truth.state[sw], truth.state[pdu], truth.state[server], tt.sw, tt.pdu, tt.server)
		}
	}
}

// Behind lost uplinks those outside hear nothing of the management of equipment, and those within hear it as ever.
func TestThoseWithinHearTheManagementThatHangsOnLostUplinks(t *testing.T) {
	seen := &sighting{site: noNode, power: []verdict{
		{ask: askPower, result: isUnknown, run: 1}, {ask: askPower, result: isUp, run: 1, inside: true}, {ask: askPower, result: isUp, run: 1, inside: true},
	}}
	l := usual().gear(inventory.KindHypervisor, seen)
	if l.log[remote] <= l.log[isolated] {
		t.Errorf("that it is reached by the uplinks weighs %f, that it is not %f", l.log[remote], l.log[isolated])
	}
	if l.log[severed] <= l.log[cutOff] {
		t.Errorf("cut off within its site, too: that it is reached by the uplinks weighs %f, that it is not %f", l.log[severed], l.log[cutOff])
	}
}
