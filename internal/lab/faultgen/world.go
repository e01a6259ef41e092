package faultgen

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// ownFault is what can ail a server by itself.
type ownFault uint8

const (
	healthy ownFault = iota
	hung             // powered, mute
	off              // switched off; its BMC says so
	dead             // its power supply is gone, its BMC with it
)

// world is how things really are: what is broken, where machines really stand.
type world struct {
	e      *Estate
	broken []bool
	own    []ownFault // by thing
	stands []int      // whose place and cables a thing really has; mostly its own
}

func newWorld(e *Estate) *world {
	w := &world{e: e, broken: make([]bool, len(e.things)), own: make([]ownFault, len(e.things)), stands: make([]int, len(e.things))}
	for i := range w.stands {
		w.stands[i] = i
	}
	return w
}

// how says how the things fare, computed afresh for a world.
type how struct {
	fed      []bool // has electricity
	forwards []bool // carries others: power for feeds and PDUs, packets for switches and uplinks
	outward  []bool // by site: some uplink works
}

// lay follows the cables from the sites down.
func (w *world) lay() *how {
	e := w.e
	h := &how{fed: make([]bool, len(e.things)), forwards: make([]bool, len(e.things)), outward: make([]bool, len(e.sites))}
	for i := range e.things {
		if w.stands[i] == i {
			w.layOne(h, i)
		}
	}
	for i := range e.things { // by cables that were laid above
		if w.stands[i] != i {
			w.layOne(h, i)
		}
	}
	for s := range h.outward {
		if e.Style.Literal || len(e.uplinks[s]) == 0 {
			h.outward[s] = true // what forwards says it all
		}
	}
	return h
}

func (w *world) layOne(h *how, i int) {
	e, t := w.e, &w.e.things[w.stands[i]]
	fed := len(t.power) == 0 || anyOf(t.power, h.forwards)
	for _, in := range t.in {
		fed = fed && h.fed[in]
	}
	if t.host >= 0 {
		fed = fed && h.fed[t.host] && !w.broken[t.host]
	}
	switch t.kind {
	case "site", "room", "rack":
		fed = fed && !w.broken[i]
	case "uplink":
		h.outward[t.site] = h.outward[t.site] || fed && !w.broken[i]
	}
	h.fed[i] = fed
	h.forwards[i] = fed && !w.broken[i]
	if t.kind == "switch" {
		// Within the site an aggregation switch goes on without uplinks, unless somebody takes the graph at its word.
		up := len(t.network) == 0 || e.things[t.network[0]].kind == "uplink" && !e.Style.Literal || anyOf(t.network, h.forwards)
		h.forwards[i] = h.forwards[i] && up
	}
}

func anyOf(list []int, ok []bool) bool {
	return slices.ContainsFunc(list, func(i int) bool { return ok[i] })
}

// linked says whether thing i has its network.
func (w *world) linked(h *how, i int) bool {
	t := &w.e.things[w.stands[i]]
	if t.host >= 0 {
		t = &w.e.things[t.host]
	}
	return len(t.network) == 0 || anyOf(t.network, h.forwards)
}

// managed says whether the management of thing i can be reached within its site.
func (w *world) managed(h *how, i int) bool {
	t := &w.e.things[w.stands[i]]
	return !t.inBand || w.managedInBand(h, i)
}

// managedInBand says whether it could be if it hung on its rack's switch.
func (w *world) managedInBand(h *how, i int) bool {
	t := &w.e.things[w.stands[i]]
	return len(t.tor) == 0 || anyOf(t.tor, h.forwards)
}

// answers says whether the address of thing i would answer within its site.
func (w *world) answers(h *how, i int) bool {
	t := &w.e.things[i]
	switch {
	case t.kind == "server":
		return h.fed[i] && w.linked(h, i) && w.own[i] == healthy
	case w.e.Style.Literal && t.kind == "switch":
		return h.forwards[i]
	case t.kind == "switch" || t.kind == "hypervisor":
		return h.fed[i] && !w.broken[i] && (t.kind != "hypervisor" || w.linked(h, i))
	}
	return h.fed[i] && !w.broken[i] && w.managed(h, i)
}

// Kinds are the kinds of fault that are drawn, each as often as the others.
var Kinds = []string{"site", "room", "rack", "feed", "pdu", "switch", "agg", "agg pair", "uplink", "uplink pair", "pdu pair", "feed pair", "hypervisor", "server"}

// draw breaks so many things, none of which is without effect because of
// another. It returns the ids of the components broken, apart from servers.
func (w *world) draw(r *rand.Rand, faults int) []string {
	e := w.e
	byKind := map[string][]int{}
	for i := range e.things {
		kind := e.things[i].kind
		if kind == "switch" && len(e.things[i].tor) == 0 {
			kind = "agg"
		}
		byKind[kind] = append(byKind[kind], i)
	}
	var drawn [][]int
	sitesLost := 0
	for tries, n := 0, 0; n < faults && tries < 300; tries++ {
		kind := Kinds[r.IntN(len(Kinds))]
		from := byKind[kind]
		switch kind {
		case "agg pair":
			from = byKind["agg"]
		case "uplink pair", "pdu pair", "feed pair":
			from = byKind[strings.TrimSuffix(kind, " pair")]
		}
		if len(from) == 0 || (kind == "site" || kind == "uplink pair") && sitesLost+1 >= max(2, len(e.sites)) {
			continue // a sweep that gets no answer at all says nothing
		}
		one := from[r.IntN(len(from))]
		set := []int{one}
		switch kind {
		case "server":
			w.own[one] = ownFault(1 + r.IntN(3))
			n++
			continue
		case "agg pair", "uplink pair", "pdu pair", "feed pair":
			set = w.siblings(one)
		}
		if w.matter(append(slices.Clone(drawn), set)) {
			drawn = append(drawn, set)
			n++
			if kind == "site" || kind == "uplink pair" {
				sitesLost++
			}
		}
	}
	for _, set := range drawn {
		for _, i := range set {
			w.broken[i] = true
		}
	}
	var out []string
	for i, broken := range w.broken {
		if broken {
			out = append(out, e.things[i].id)
		}
	}
	slices.Sort(out)
	return out
}

// siblings are the things that back each other up with this one.
func (w *world) siblings(one int) []int {
	out := []int{one}
	for i := range w.e.things {
		for _, group := range [][]int{w.e.things[i].network, w.e.things[i].power} {
			if len(group) > len(out) && slices.Contains(group, one) {
				out = group
			}
		}
	}
	return out
}

// matter says that each of the sets changes something that a probe can tell and
// that the others leave whole: a PDU in a rack that has lost its room is nobody's finding.
func (w *world) matter(sets [][]int) bool {
	was, own := w.broken, w.own
	defer func() { w.broken, w.own = was, own }()
	w.own = make([]ownFault, len(w.own))
	print := func(without, half int) string {
		w.broken = make([]bool, len(w.e.things))
		for k, set := range sets {
			for j, i := range set {
				if k != without || half >= 0 && j != half {
					w.broken[i] = true
				}
			}
		}
		return w.fingerprint()
	}
	all := print(-1, -1)
	for k, set := range sets {
		for j := range set { // each half of a pair, too
			if print(k, j) == all {
				return false
			}
		}
	}
	return true
}

// fingerprint is what a perfect sweep would see.
func (w *world) fingerprint() string {
	h := w.lay()
	out := make([]byte, 0, 2*len(w.e.things))
	for i := range w.e.things {
		t := &w.e.things[i]
		away := h.outward[t.site]
		mark := byte(0)
		if (t.gear && len(w.e.Style.Gear) > 0 || t.kind == "server") && w.answers(h, i) {
			if mark |= 1; away {
				mark |= 2
			}
		}
		if t.bmc && h.fed[i] && w.managed(h, i) {
			mark |= 4
		}
		out = append(out, mark)
	}
	return string(out)
}
