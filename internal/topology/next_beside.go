package topology

import (
	"fmt"
	"slices"

	"vakhta/internal/inventory"
)

const maxHands = 3 // questions to people on site, for one finding

// besideOf asks what stands beside the machines that are down: the switch for their ports, the PDU for
// their outlets, the hypervisor for its guests, as far as the inventory says which these are.
func (r *reporter) besideOf(down []string) []ProbeRequest {
	var out []ProbeRequest
	for _, id := range down[:min(len(down), 2)] {
		for _, b := range r.g.inv.Beside(id) {
			if m := r.g.index[b.Device]; !r.toldOf(m, r.g.index[id]) && !r.agentSilent(m) {
				out = append(out, ProbeRequest{Component: b.Device, Probe: Probe(b.Probe), Peer: id, Why: askedBeside[Probe(b.Probe)]})
			}
		}
	}
	return out
}

var askedBeside = map[Probe]string{ProbePort: "is its link up?", ProbeOutlet: "is its outlet on?", ProbeGuest: "does it run?"}

// agentSilent says that the agent of n was asked, and tells nothing: it would tell nothing of what
// stands beside it either, and only people who look can.
func (r *reporter) agentSilent(n int32) bool {
	return r.seen[n] != nil && slices.ContainsFunc(r.seen[n].reach, func(v verdict) bool { return v.ask == askSNMP && v.result == isDown })
}

// toldOf says that n was asked of the peer already.
func (r *reporter) toldOf(n, peer int32) bool {
	return r.seen[n] != nil && slices.ContainsFunc(r.seen[n].told, func(v verdict) bool { return v.peer == peer })
}

// hands asks people on site, where no probe is left that would decide: is the
// lamp of a supply lit, is the device lit at all.
func (r *reporter) hands(class []int32, down []string) []ProbeRequest {
	var out []ProbeRequest
	for _, n := range class {
		if len(out) == maxHands {
			break
		}
		c := r.g.nodes[n].c
		ask := ProbeRequest{Component: c.ID, Probe: ProbePower, Vantage: Hands, Why: fmt.Sprintf("is %s lit?", c.ID)}
		switch c.Kind {
		case inventory.KindPDU, inventory.KindPhase, inventory.KindFeed:
			for _, id := range down {
				if fedBy := &r.g.nodes[r.g.index[id]]; slices.ContainsFunc(fedBy.groups, func(grp group) bool { return slices.Contains(grp.members, n) }) {
					ask = ProbeRequest{Component: id, Probe: ProbePSU, Peer: c.ID, Vantage: Hands, Why: fmt.Sprintf("is the lamp of its supply on %s lit?", c.ID)}
					break
				}
			}
		case inventory.KindSite, inventory.KindRoom, inventory.KindUplink:
			continue
		}
		if !r.lookedAt(n) {
			out = append(out, ask)
		}
	}
	return out
}

// lookedAt says that people told of the node already.
func (r *reporter) lookedAt(n int32) bool {
	s := r.seen[n]
	byHands := func(v verdict) bool { return v.hands }
	return s != nil && (slices.ContainsFunc(s.power, byHands) || slices.ContainsFunc(s.about, byHands))
}
