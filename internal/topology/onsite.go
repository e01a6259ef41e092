package topology

import (
	"fmt"
	"slices"

	"vakhta/internal/inventory"
)

// tellSupplies hands on that somebody saw a lamp lit: what a thing, or all that stands in a rack, gets
// its power from alone delivers; of several, one does.
func (v *view) tellSupplies(g *Graph, all []sighting) {
	for n := range all {
		if v.seen[n] == nil {
			continue
		}
		for _, d := range all[n].power {
			if !d.hands || d.result != isUp {
				continue
			}
			d.peer = int32(n)
			about, ask := g.poweredBy(int32(n))
			if d.ask = ask; about == noNode {
				continue
			}
			all[about].about = append(slices.Clip(all[about].about), d)
			v.seen[about] = &all[about]
		}
	}
}

// poweredBy is about what a lamp that is lit on the node, or in that rack, speaks, and what it answers: the one PDU
// or feed that feeds all of it, or else a machine that hangs on all that do, and has power while one of them
// delivers. noNode: there is none, or the inventory doesn't say of everything what feeds it.
func (g *Graph) poweredBy(n int32) (about int32, answers ask) {
	var supplies []int32
	var stands []int32
	if g.nodes[n].c.Kind == inventory.KindRack {
		for i := range g.nodes {
			if c := g.nodes[i].c; int32(i) != n && c.Rack == g.id(n) && c.Kind != inventory.KindPDU && c.Kind != inventory.KindPhase {
				stands = append(stands, int32(i))
			}
		}
	} else {
		stands = []int32{n}
	}
	for _, i := range stands {
		of, lamps := g.suppliesOf(i)
		switch {
		case !lamps:
		case len(of) == 0:
			return noNode, askPSU
		default:
			supplies = merge(supplies, of)
		}
	}
	if len(supplies) == 1 {
		return supplies[0], askPSU
	}
	for _, i := range stands {
		if of, _ := g.suppliesOf(i); len(supplies) > 0 && len(stands) > 1 && g.server[i] && slices.Equal(of, supplies) {
			return i, askFeed
		}
	}
	return noNode, askPSU
}

// suppliesOf are what feeds a node in one group, each enough, in order, and whether it has lamps: a guest has none.
func (g *Graph) suppliesOf(n int32) (supplies []int32, lamps bool) {
	for i := range g.nodes[n].groups {
		grp := &g.nodes[n].groups[i]
		if g.nodes[grp.members[0]].c.Kind == inventory.KindHypervisor {
			return nil, false
		}
		if grp.power && supplies != nil {
			return nil, true // it needs several at once
		}
		if grp.power {
			supplies = slices.Sorted(slices.Values(grp.members))
		}
	}
	return supplies, true
}

// mostOnSite is how many answers of people on site a finding's evidence holds.
const mostOnSite = 5

// onSiteEvidence says what people saw who were sent to look: at h, at what it broke, and at what feeds
// and houses it, which may have been suspected in its place.
func (r *reporter) onSiteEvidence(h int32, broken []int32) []Evidence {
	hands, looked := slices.BinarySearch(r.table.vantages, Hands)
	if !looked {
		return nil
	}
	nodes := slices.Clone(broken)
	for _, n := range r.ancestors(h) {
		if !r.isFailure(n) {
			continue // it stands for what management hangs on
		}
		nodes = append(nodes, r.global[n])
	}
	slices.Sort(nodes)
	var out []Evidence
	for _, n := range slices.Compact(nodes) {
		rows := r.table.of(n)
		for i := range rows {
			if int(rows[i].vantage) != hands || i > 0 && sameQuestion(&rows[i], &rows[i-1]) || rows[i].result == isUnknown {
				continue
			}
			if len(out) == mostOnSite {
				return out
			}
			out = append(out, r.seenBy(n, &rows[i]))
		}
	}
	return out
}

// seenBy is what somebody saw who looked at n.
func (r *reporter) seenBy(n int32, row *row) Evidence {
	e := Evidence{Component: r.g.id(n), Probe: probes[row.ask], Result: results[row.result], Hands: true}
	what, peer := e.Component, ""
	about := n
	if row.peer != noNode {
		peer = r.g.id(row.peer)
		if row.ask == askPSU {
			about = row.peer
		}
	}
	up := row.result == isUp
	var text string
	switch row.ask {
	case askPSU:
		text = fmt.Sprintf("saw the lamp of %s's supply on %s %s", what, peer, either(up, "lit", "dark"))
	case askPort:
		text = fmt.Sprintf("saw the lamp of %s's port to %s %s", what, peer, either(up, "lit", "dark"))
	case askOutlet:
		text = fmt.Sprintf("found the outlet of %s that feeds %s %s", what, peer, either(up, "on", "off"))
	case askFeed:
		text = fmt.Sprintf("found %s at the input of %s", either(up, "power", "no power"), what)
	case askPower:
		text = "saw " + either(up, "a lamp", "no lamp") + " lit " + either(isPlace(r.g.nodes[n].c.Kind), "in ", "on ") + what
	default:
		text = fmt.Sprintf("say that %s is %s by %s", what, e.Result, e.Probe)
	}
	e.Text = either(up && r.without(about), "against it: ", "") + "people on site " + text
	return e
}

// without says that by the hypothesis the node has no power or does not work.
func (r *reporter) without(n int32) bool {
	l := r.local[n]
	return l != noNode && r.t.state[l] >= powerless && r.g.nodes[n].c.Kind != inventory.KindSwitch
}

func either(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}
