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
	if s.t.nodes[h].uplink {
		return s.withRooms(h, best)
	}
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

// withRooms are the explanations that not only the uplinks are lost of a site that is dark for its own
// vantage, too, but its rooms as well.
func (s *search) withRooms(h int32, best []int32) []alternative {
	number := s.g.siteNumber[s.global[h]]
	if core := s.t.nodes[h].core; number == noNode || core == 0 || !s.t.failed[core-1] || !slices.Contains(s.heard, s.g.sites[number]) {
		return nil
	}
	var rooms, feeds []int32
	for _, u := range s.g.nodes[s.g.sites[number]].users {
		if l := s.local[u]; s.g.nodes[u].c.Kind == inventory.KindRoom && l != noNode && !s.t.failed[l] {
			rooms, feeds = append(rooms, l), append(feeds, s.feedsOf(l)...)
		}
	}
	if len(rooms) == 0 || len(rooms) > mostParts {
		return nil
	}
	out := []alternative{s.besides(rooms, best)}
	if len(feeds) > 0 {
		out = append(out, s.besides(feeds, best))
	}
	return out
}

// besides is the explanation that those have failed, too.
func (s *search) besides(those, best []int32) alternative {
	delta, _ := s.apply(those)
	s.restore(best)
	slices.Sort(those)
	return alternative{adds: those, delta: delta, prior: s.surprise(best, those), parts: true}
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
