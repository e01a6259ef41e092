package topology

import (
	"slices"

	"vakhta/internal/inventory"
)

// refills is how many additions may take the place of one part.
const refills = 8

// replaceOne takes a part of the hypothesis out and fills the gap anew without it (a site that fell for
// two of its rooms would only come back); it keeps
// the first change that improves the score, and goes on from there when it is called again.
func (s *search) replaceOne() bool {
	list := slices.Clone(s.chosen)
	from, _ := slices.BinarySearch(list, s.turn)
	var whole [][]int32 // with all that is beneath: as wide and the same for each of a pair
	for _, h := range slices.Concat(list[from:], list[:from]) {
		s.turn = h
		same := func(n int32) bool { return n == h }
		scope := s.g.scope[s.global[h]]
		wide := func(n int32) bool { return s.g.scope[s.global[n]] >= scope }
		parts := s.parts(h)
		for i, part := range append(parts, s.withBeneath(h)) {
			barred := same
			if i == len(parts) { // what is as wide would only come back in its place
				barred = wide
				if whole = append(whole, append(slices.Clone(part), scope)); slices.ContainsFunc(whole[:len(whole)-1], func(had []int32) bool { return slices.Equal(had, whole[len(whole)-1]) }) {
					break
				}
			}
			if s.replacePart(part, barred, s.refilled(h)) {
				return true
			}
		}
	}
	return false
}

// firstRefills is how many ways to begin are tried: what brings most by itself may be worse than two others together.
// Where it came to a score that is worse by farOff (natural log), other ways will, too.
const (
	firstRefills = 4
	farOff       = 40.0
)

// refilled is in how many ways the place of h is filled: of what stands outside of racks there is little.
func (s *search) refilled(h int32) int {
	if c := s.t.nodes[h].c; s.t.nodes[h].server || c.Rack != "" || c.Kind == inventory.KindRack {
		return 1
	}
	return firstRefills
}

// replacePart takes the part out of the hypothesis and fills the gap without what is barred, in so many ways, until one
// improves the score; where none does, all is as before.
func (s *search) replacePart(part []int32, barred func(int32) bool, ways int) (better bool) {
	before := slices.Clone(s.chosen)
	s.lost.stay()
	delta, touched := s.commit(part...)
	without, flips := slices.Clone(s.chosen), len(s.lost.flips)
	var tried []int32
	for way := range ways {
		first, now := s.fill(delta, touched, before, barred, tried)
		if now > tie {
			return true
		}
		if first == nil || way == ways-1 || now < -farOff {
			break
		}
		tried = append(tried, first...)
		s.restore(without)
		s.lost.backTo(flips)
	}
	s.restore(before)
	s.lost.goHome()
	return false
}

// fill fills a gap that has cost delta without what is barred, nor with what was tried to begin with. It says what
// it took first, and how much the score has changed since before.
func (s *search) fill(delta float64, touched, before []int32, barred func(int32) bool, tried []int32) (first []int32, now float64) {
	for left := float64(refills); left > 0; left-- {
		if delta > tie || slices.Equal(s.chosen, before) {
			break
		}
		// Later ones bring less than earlier ones: one that brings too little won't make it up.
		m, ok := s.best(touched, func(n int32) bool { return barred(n) || first == nil && slices.Contains(tried, n) }, max(tie, -delta/left))
		if !ok {
			break
		}
		if first == nil {
			first = slices.Clone(m.flip)
		}
		d, more := s.commit(m.flip...)
		delta += d
		touched = merge(touched, more)
	}
	return first, delta
}

// parts are the ways to take h out of the hypothesis: alone, and with each of its chosen partners.
func (s *search) parts(h int32) [][]int32 {
	out := [][]int32{{h}}
	for _, i := range s.ofPairs[h] {
		p := s.pairs[i]
		var part []int32
		for _, n := range p {
			if s.t.failed[n] {
				part = append(part, n)
			}
		}
		if len(part) > 1 && !slices.ContainsFunc(out, func(o []int32) bool { return slices.Equal(o, part) }) {
			out = append(out, part)
		}
	}
	return out
}

// withBeneath is h with its chosen partners, and with all that was chosen
// beneath them: it may make sense only with them.
func (s *search) withBeneath(h int32) []int32 {
	out := []int32{h}
	for _, part := range s.parts(h) {
		out = merge(out, part)
	}
	top := len(out)
	for _, n := range s.chosen {
		above := s.ancestors(n)
		if !slices.Contains(out, n) && slices.ContainsFunc(out[:top], func(m int32) bool { return slices.Contains(above, m) }) {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return out
}

// insteadOfAll is the move without those parts of the hypothesis beneath it that it makes needless, and what that brings: both
// uplinks stand for a dark room and for a dead core beside it, and are no worse an explanation for having taken the place of one of them first.
func (s *search) insteadOfAll(m *move) (flips []int32, delta float64) {
	flips, delta = m.flip, m.delta
	for _, c := range s.chosen {
		if !s.isFailure(c) {
			continue
		}
		above := s.ancestors(c)
		if !slices.ContainsFunc(m.flip, func(n int32) bool { return n != c && slices.Contains(above, n) }) {
			continue
		}
		fewer := append(slices.Clone(flips), c)
		if d := s.weigh(fewer...); d > delta+tie {
			flips, delta = fewer, d
		}
	}
	return flips, delta
}
