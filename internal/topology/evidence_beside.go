package topology

import (
	"fmt"
	"slices"
	"strings"

	"vakhta/internal/inventory"
)

const (
	// mostBeside is how many devices beside a machine its evidence quotes.
	mostBeside = 6
	// shutByHand ends the detail of a port that somebody switched off (ifAdminStatus, RFC 2863), and the evidence of it.
	shutByHand = "is shut down by its configuration"
	// logMark begins a BMC's latest log lines within the detail of its answer about the power.
	logMark = "; log: "
)

// devicesOn says what devices beside a machine tell of it: its power supplies, its ports, its outlets, its host.
func (r *reporter) devicesOn(id int32) []Evidence {
	var out []Evidence
	add := func(v *verdict, dev int32, text string) {
		if len(out) < mostBeside {
			out = append(out, Evidence{Component: r.g.id(dev), Probe: probes[v.ask], Result: results[v.result], Text: text})
		}
	}
	sight := r.seen[id]
	for i := range sight.told {
		if v := &sight.told[i]; v.ask == askPSU && v.peer != noNode && quotable(v) {
			add(v, id, "its supply on "+r.g.id(v.peer)+" "+either(v.result == isUp, "has input", "has no input"))
		}
	}
	for i := range sight.about {
		v := &sight.about[i]
		if v.peer == noNode || v.peer == id || !quotable(v) {
			continue
		}
		dev, up := r.g.nodes[v.peer].c, v.result == isUp
		switch v.ask {
		case askPort:
			state := either(up, "has link", "has no link")
			if !up && strings.HasSuffix(r.table.obs[v.row].Detail, shutByHand) {
				state = shutByHand
			}
			add(v, v.peer, fmt.Sprintf("%s of %s to it %s", endOf(dev, "port", r.g.id(id)), dev.ID, state))
		case askOutlet:
			add(v, v.peer, fmt.Sprintf("%s of %s that feeds it is %s", endOf(dev, "outlet", r.g.id(id)), dev.ID, either(up, "on", "off")))
		case askGuest:
			add(v, v.peer, dev.ID+" says that it "+either(up, "runs", "is off"))
		}
	}
	return out
}

// quotable: a device told it, and neither people nor nobody.
func quotable(v *verdict) bool { return !v.hands && (v.result == isUp || v.result == isDown) }

// endOf names the port or outlet of a device that leads to the component, as the inventory has it.
func endOf(dev *inventory.Component, what, to string) string {
	if dev.Probe.SNMP == nil {
		return what
	}
	ends := dev.Probe.SNMP.Ports
	if what == "outlet" {
		ends = dev.Probe.SNMP.Outlets
	}
	var names []string
	for name, end := range ends {
		if end == to {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	if len(names) != 1 {
		return what // of several, the row says of them all
	}
	return what + " " + names[0]
}

// devicesOnShared says what devices around shared equipment tell of it and of what hangs on it.
func (r *reporter) devicesOnShared(id int32) []Evidence {
	sight := r.seen[id]
	if sight == nil {
		return nil
	}
	var of, tells [asks][isAlive + 1]int
	for i := range sight.about {
		if v := &sight.about[i]; v.peer != noNode && v.peer != id && quotable(v) {
			of[v.ask][v.result]++
		}
	}
	for i := range sight.told {
		if v := &sight.told[i]; v.peer != noNode && quotable(v) {
			tells[v.ask][v.result]++
		}
	}
	name := r.g.id(id)
	var out []Evidence
	say := func(a ask, result uint8, n int, text string) {
		out = append(out, Evidence{Component: name, Probe: probes[a], Result: results[result], Count: n, Text: text})
	}
	for _, t := range [...]struct {
		ask       ask
		what      string
		has, lost string
	}{
		{askPSU, "machine", "power at the supply on it", "no power at the supply on it"},
		{askFeed, "PDU", "power at the input from it", "no power at the input from it"},
		{askPort, "port", "link to it", "no link to it"},
	} {
		if n := of[t.ask][isDown]; n > 0 {
			say(t.ask, isDown, n, fmt.Sprintf("%s %s %s", count(n, t.what), verb(n, "has", "have"), t.lost))
		}
		if n := of[t.ask][isUp]; n > 0 {
			say(t.ask, isUp, n, fmt.Sprintf("against it: %s %s %s", count(n, t.what), verb(n, "has", "have"), t.has))
		}
	}
	for _, t := range [...]struct {
		ask  ask
		what string
		lost string
	}{{askPort, "port", "without link"}, {askOutlet, "outlet", "off"}, {askGuest, "guest", "off"}} {
		if down, all := tells[t.ask][isDown], tells[t.ask][isDown]+tells[t.ask][isUp]; down > 0 {
			say(t.ask, isDown, down, fmt.Sprintf("it says that %d of %s %s %s", down, count(all, t.what), verb(down, "is", "are"), t.lost))
		}
	}
	return out
}

// lastLog are the latest lines of the log of its BMC, where it told them.
func (r *reporter) lastLog(id int32) []Evidence {
	for _, v := range r.seen[id].power {
		if _, log, told := strings.Cut(r.table.obs[v.row].Detail, logMark); told && !v.hands {
			return []Evidence{{Component: r.g.id(id), Probe: ProbePower, Result: results[v.result], Text: "the log of its BMC ends with: " + log}}
		}
	}
	return nil
}

// ShutPort says that a machine does not answer since somebody shut the port that it is plugged into.
func (f *Finding) ShutPort() bool {
	return f.Kind == inventory.KindServer && slices.ContainsFunc(f.Evidence, func(e Evidence) bool {
		return e.Probe == ProbePort && e.Result == Down && strings.HasSuffix(e.Text, shutByHand)
	})
}
