package records

import (
	"fmt"
	"strings"

	"vakhta/internal/inventory"
)

// sampleFrom is how large an estate is that is looked at by samples first:
// a smaller one is asked as a whole just as fast.
const sampleFrom = 3000

// samplesOfEach is how many machines stand for those that share everything
// with them: two, since one may be down by itself.
const samplesOfEach = 2

// samples picks some machines of each failure domain: those that stand in the
// same place and hang on the same supplies and switches share every cause that
// could take both down, so a few of each such class stand for it.
func (a *Activities) samples(servers []string) []string {
	taken := map[string]int{}
	var out []string
	for _, id := range servers {
		c, ok := a.inv.Component(id)
		if !ok || c.Probe.Address == "" {
			continue
		}
		class := domain(c)
		if taken[class] < samplesOfEach {
			taken[class]++
			out = append(out, id)
		}
	}
	return out
}

// domain names all that a component leans on.
func domain(c *inventory.Component) string {
	var b strings.Builder
	b.WriteString(c.In)
	for _, g := range c.Needs {
		fmt.Fprintf(&b, "|%s=%s", g.Name, strings.Join(g.Members, ","))
	}
	return b.String()
}

// equipment is everything but servers that has an address of its own.
func (a *Activities) equipment() []string {
	var out []string
	for _, c := range a.inv.Components() {
		if c.Kind != inventory.KindServer && c.Probe.Address != "" {
			out = append(out, c.ID)
		}
	}
	return out
}
