package topology

import (
	"math"

	"vakhta/internal/inventory"
)

const (
	inBandEstates = 0.3  // so many providers reach the management of some racks by these racks' own switches,
	inBandFew     = 1.0  // and how many racks it is there is anything, rather few than all:
	inBandMany    = 4.0  // a beta distribution with these, its mean .2
	lostAnyway    = 1e-3 // a rack that is cut off has lost its power as well
	leastClear    = 3    // racks of a room that are cut off while their BMCs answer: its power is on
	leastBMCs     = 3    // of a rack: fewer say nothing
)

// inBand is how often the management of a rack hangs on its own switch, as learned from the racks that
// are cut off tonight: where the BMCs of a hundred of them answer, those of the one that don't
// have rather lost their power. Rooms in which none answer count for nothing: it may be the power.
func (s *search) inBand(seen []*sighting) float64 {
	type room struct{ clear, dark int }
	type rack struct {
		silent, answers, lost int
		room                  string
	}
	racks := make([]rack, s.g.hoods)
	for _, n := range s.servers {
		hood, sight := s.g.hood[n], seen[n]
		if hood == noNode {
			continue
		}
		r, c := &racks[hood], s.g.nodes[n].c
		if r.room = c.Room; r.room == "" {
			r.room = c.Site
		}
		switch {
		case !sight.silent():
			r.silent--
		case sight.powerIs(isUp):
			r.silent++
			r.answers++
		case sight.powerIs(isUnknown):
			r.silent++
			r.lost++
		}
	}
	rooms := map[string]*room{}
	for i := range racks {
		r := &racks[i]
		if r.silent < leastBMCs {
			continue
		}
		if rooms[r.room] == nil {
			rooms[r.room] = &room{}
		}
		switch {
		case r.answers >= leastBMCs && r.answers > r.lost:
			rooms[r.room].clear++
		case r.lost >= leastBMCs && r.lost > 4*r.answers:
			rooms[r.room].dark++
		}
	}
	clear, dark := 0, 0
	for _, r := range rooms {
		if r.clear >= leastClear && 3*r.clear >= r.dark {
			clear, dark = clear+r.clear, dark+r.dark
		}
	}
	return inBandRate(float64(dark), float64(clear))
}

// inBandRate is the probability that the next such rack is managed by its own switch.
func inBandRate(dark, clear float64) float64 {
	beta := func(a, b float64) float64 {
		x, _ := math.Lgamma(a)
		y, _ := math.Lgamma(b)
		z, _ := math.Lgamma(a + b)
		return x + y - z
	}
	some := math.Log(inBandEstates) + beta(inBandFew+dark, inBandMany+clear) - beta(inBandFew, inBandMany)
	none := math.Log(1-inBandEstates) + dark*math.Log(lostAnyway)
	share := 1 / (1 + math.Exp(none-some))
	return share * (inBandFew + dark) / (inBandFew + inBandMany + dark + clear)
}

// hangsOn is how often management hangs on a component of the kind; 0: never.
func (s *search) hangsOn(kind inventory.Kind) float64 {
	switch kind {
	case inventory.KindSwitch, inventory.KindCard:
		return s.inBandShare
	case inventory.KindUplink:
		return behindUplink
	}
	return 0
}
