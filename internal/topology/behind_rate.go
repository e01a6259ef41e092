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

// cutRack is a rack as its machines and PDUs show it.
type cutRack struct {
	room                  string
	silent, answers, lost int // machines that are silent, less those that answer; of the silent those whose BMC answers, and does not
	asked, mute           int // PDUs' own addresses
	switches, deaf        int // its switches' own, and those that are silent
}

// clear says that its management does not hang on its switch, dark that it may: power is on, or may be.
func (r *cutRack) clear() bool {
	return r.cut() && r.answers >= leastBMCs && r.answers > r.lost && r.mute == 0
}

func (r *cutRack) dark() bool {
	return r.cut() && (r.lost >= leastBMCs && r.lost > 4*r.answers || r.answers > r.lost && r.asked > 0 && r.mute == r.asked)
}

func (r *cutRack) cut() bool { return r.silent >= leastBMCs }

// inBandBeyond is how often the management of a whole room hangs on the switches before its racks, where
// nothing tells: such a room is as dark as one without power.
const inBandBeyond = 0.12

// cutOffWeight is how many switches the usual share of those that answer though cut off is worth.
const cutOffWeight = 5

// inBand learns how often the management of a rack hangs on its own switch from the racks that
// are cut off tonight: where the BMCs of a hundred of them answer, and their PDUs, those of the one that don't
// have rather lost their power; and so it is of their switches' own addresses. Rooms in which none answer
// count for nothing: it may be the power.
func (s *search) inBand(seen []*sighting) {
	type room struct{ clear, dark, switches, deaf int }
	rooms := map[string]*room{}
	for _, r := range s.cutRacks(seen) {
		of := rooms[r.room]
		if of == nil {
			of = &room{}
			rooms[r.room] = of
		}
		switch {
		case r.clear():
			of.clear++
			of.switches, of.deaf = of.switches+r.switches, of.deaf+r.deaf
		case r.dark():
			of.dark++
			of.switches += r.switches - r.deaf // why the others are silent is not known
		}
	}
	var all room
	for _, r := range rooms {
		if r.clear >= leastClear && 3*r.clear >= r.dark {
			all.clear, all.dark = all.clear+r.clear, all.dark+r.dark
			all.switches, all.deaf = all.switches+r.switches, all.deaf+r.deaf
		}
	}
	s.inBandShare = inBandRate(float64(max(0, all.dark-1)), float64(all.clear)) // by the others
	s.inBandBeyond = s.inBandShare
	if all.clear == 0 {
		s.inBandBeyond = max(s.inBandShare, inBandBeyond)
	}
	s.switchCutOff = (managedCutOff*cutOffWeight + float64(all.switches-all.deaf)) / float64(cutOffWeight+all.switches)
}

func (s *search) cutRacks(seen []*sighting) []cutRack {
	racks := make([]cutRack, s.g.hoods)
	named := map[string]int32{}
	for _, n := range s.servers {
		hood, sight := s.g.hood[n], seen[n]
		if hood == noNode {
			continue
		}
		r, c := &racks[hood], s.g.nodes[n].c
		if r.room == "" {
			named[c.Rack] = hood
			if r.room = c.Room; r.room == "" {
				r.room = c.Site
			}
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
	for _, n := range s.global {
		c := s.g.nodes[n].c
		hood, known := named[c.Rack]
		sight := seen[n]
		if c.Rack == "" || !known || sight == nil || len(sight.reach) == 0 {
			continue
		}
		r, mute := &racks[hood], 0
		if sight.silent() {
			mute = 1
		}
		switch c.Kind {
		case inventory.KindPDU:
			r.asked, r.mute = r.asked+1, r.mute+mute
		case inventory.KindSwitch:
			r.switches, r.deaf = r.switches+1, r.deaf+mute
		}
	}
	return racks
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

// hangsOn is how often management hangs on a component; 0: never.
func (s *search) hangsOn(c *inventory.Component) float64 {
	switch c.Kind {
	case inventory.KindSwitch, inventory.KindCard:
		if c.Rack == "" {
			return s.inBandBeyond
		}
		return s.inBandShare
	case inventory.KindUplink:
		return behindUplink
	}
	return 0
}
