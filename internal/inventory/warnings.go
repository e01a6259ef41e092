package inventory

import (
	"fmt"
	"slices"
	"strings"
)

// mostWarned is how many warnings of one kind, and ids in one of them, are spelled out.
const mostWarned = 20

// Warnings are what is in order by the rules and is most probably a mistake all the same, one
// sentence each, without addresses: things that share what tells one from another, and servers
// that no probe ever sees.
func (inv *Inventory) Warnings() []string {
	doors, bmcs := map[string][]string{}, map[string][]string{}
	var unseen []string
	for _, c := range inv.components {
		p := &c.Probe
		if p.Address != "" {
			if p.ICMP {
				doors[p.Address+" ping"] = append(doors[p.Address+" ping"], c.ID)
			}
			for _, port := range p.TCP {
				door := fmt.Sprint(p.Address, " ", port)
				doors[door] = append(doors[door], c.ID)
			}
		}
		if bmc := p.BMC.URL + p.BMC.IPMI; bmc != "" {
			bmcs[bmc] = append(bmcs[bmc], c.ID)
		}
		if c.Kind == KindServer && p.Address == "" && !inv.toldBeside(c) {
			unseen = append(unseen, c.ID)
		}
	}
	out := shared(doors, "%s are probed by the same address and port: what answers for one answers for the others, so that none is seen to be down; give each its own")
	out = append(out, shared(bmcs, "%s have the same BMC: its word on one is taken for the others'; give each its own")...)
	if len(unseen) > 0 {
		out = append(out, fmt.Sprintf("no probe can ask anything of %d of %d servers, so that they are never seen to be down: %s; give them an address and what answers there", len(unseen), len(inv.servers), some(unseen)))
	}
	return out
}

// toldBeside says that the server has a BMC, or that a hypervisor tells of it.
func (inv *Inventory) toldBeside(server *Component) bool {
	if server.Probe.BMC.Given() {
		return true
	}
	return slices.ContainsFunc(inv.Beside(server.ID), func(b Beside) bool { return b.Probe == "guest" })
}

// shared words each group of two and more, once however much its members share.
func shared(groups map[string][]string, text string) []string {
	var out []string
	for _, ids := range groups {
		if ids = slices.Compact(slices.Sorted(slices.Values(ids))); len(ids) > 1 {
			out = append(out, fmt.Sprintf(text, some(ids)))
		}
	}
	slices.Sort(out)
	out = slices.Compact(out)
	if n := len(out) - mostWarned; n > 0 {
		out = append(out[:mostWarned], fmt.Sprintf("and %d more such groups", n))
	}
	return out
}

func some(ids []string) string {
	if n := len(ids) - mostWarned; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(ids[:mostWarned], ", "), n)
	}
	return strings.Join(ids, ", ")
}
