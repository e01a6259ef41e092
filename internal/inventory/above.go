package inventory

import "slices"

// Above are the components whose failure could be why a component fails, by
// id, itself among them: what contains it, powers it, connects it, and so on
// up. Of things that back each other up all are named. Sites are not: whole
// sites fail by what stands in them.
func (inv *Inventory) Above(id string) []string {
	seen := map[string]bool{}
	var climb func(id string)
	climb = func(id string) {
		c, ok := inv.component[id]
		if !ok || seen[id] || c.Kind == KindSite {
			return
		}
		seen[id] = true
		for _, g := range c.Needs {
			for _, m := range g.Members {
				climb(m)
			}
		}
	}
	climb(id)
	out := make([]string, 0, len(seen))
	for id := range seen {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
