package topology

import (
	"slices"

	"vakhta/internal/inventory"
)

// mostParts is how many parts of a site are worth naming in its place.
const mostParts = 6

// inParts is the explanation that not the site h is lost, whose own vantage tells
// something, but all that it consists of: its rooms and its uplinks. Nobody who looks can tell the
// two apart, and that the vantage has power speaks for the parts.
func (s *search) inParts(h int32, best []int32) (alternative, bool) {
	id := s.global[h]
	if s.g.nodes[id].c.Kind != inventory.KindSite || !slices.Contains(s.heard, id) {
		return alternative{}, false
	}
	var parts []int32
	for _, u := range s.g.nodes[id].users {
		kind, l := s.g.nodes[u].c.Kind, s.local[u]
		if kind != inventory.KindRoom && kind != inventory.KindUplink || l == noNode {
			continue
		}
		parts = append(parts, l)
	}
	if len(parts) == 0 || len(parts) > mostParts {
		return alternative{}, false
	}
	flips := []int32{h}
	for _, l := range parts {
		if _, had := slices.BinarySearch(best, l); !had {
			flips = append(flips, l)
		}
	}
	delta, _ := s.apply(flips)
	s.restore(best)
	slices.Sort(parts)
	return alternative{adds: parts, delta: delta, prior: s.surprise(best, flips), parts: true}, true
}
