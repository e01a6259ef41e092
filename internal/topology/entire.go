package topology

import (
	"slices"

	"vakhta/internal/inventory"
)

// mostParts is how many parts of a site are worth naming in its place.
const mostParts = 6

// inParts are the explanations that not the site h is lost, whose own vantage tells
// something, but all that it consists of: its rooms and its uplinks; or, for one room at a time, what
// feeds it in its place. Nobody who looks can tell these
// apart, and that the vantage has power speaks for the parts.
func (s *search) inParts(h int32, best []int32) []alternative {
	id := s.global[h]
	if s.g.nodes[id].c.Kind != inventory.KindSite || !slices.Contains(s.heard, id) {
		return nil
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
		return nil
	}
	out := []alternative{s.instead(h, parts, best)}
	for i, room := range parts {
		if feeds := s.feedsOf(room); feeds != nil {
			out = append(out, s.instead(h, slices.Concat(parts[:i], parts[i+1:], feeds), best))
		}
	}
	return out
}

// feedsOf are the feeds in a room that back each other up, and so take it down together; nil: none.
func (s *search) feedsOf(room int32) []int32 {
	for _, u := range s.g.nodes[s.global[room]].users {
		l := s.local[u]
		if l == noNode || s.g.nodes[u].c.Kind != inventory.KindFeed || len(s.kin[l]) < 2 {
			continue
		}
		return s.kin[l]
	}
	return nil
}

// instead is the explanation that not h has failed but those.
func (s *search) instead(h int32, those, best []int32) alternative {
	flips := []int32{h}
	for _, l := range those {
		if _, had := slices.BinarySearch(best, l); !had {
			flips = append(flips, l)
		}
	}
	delta, _ := s.apply(flips)
	s.restore(best)
	those = slices.Clone(those)
	slices.Sort(those)
	return alternative{adds: those, delta: delta, prior: s.surprise(best, flips), parts: true}
}
