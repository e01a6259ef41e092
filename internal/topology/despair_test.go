package topology

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/inventory"
)

// TestDespairIsNeverTooDark tries additions, changes the hypothesis, and weighs them again: none brings more
// than was thought of it.
func TestDespairIsNeverTooDark(t *testing.T) {
	for seed := range uint64(80) {
		g, obs := smallCase(t, seed)
		s := newSearch(g, g.sightings(obs))
		r := rand.New(rand.NewPCG(seed, 3))
		var can []int32
		for n := range s.t.nodes {
			if !math.IsInf(s.prior[n], -1) {
				can = append(can, int32(n))
			}
		}
		s.despair()
		check := func() {
			for _, m := range s.hopes(nil, math.Inf(-1)) {
				bound, known := s.lost.bounds[m.which]
				if worth := s.weigh(m.flip...); known {
					require.LessOrEqual(t, worth, bound+s.driftAt(len(s.lost.flips)), "seed %d", seed)
				}
				if r.IntN(3) == 0 {
					s.lost.tried[m.which] = oftenLost
					s.gaveUp(&m, wideFrom)
				}
			}
		}
		for range 6 {
			s.commit(can[r.IntN(len(can))])
			s.lost.stay()
			check()
			home := append([]int32(nil), s.chosen...)
			for range 3 {
				s.commit(can[r.IntN(len(can))])
				check()
			}
			s.restore(home)
			s.lost.goHome()
			check()
		}
	}
}

// heatingRoomOf has two rooms of so many racks on one uplink, of which one heats while ten looks are made: as few hang on the same as
// can be, so that each failure that is taken back leaves room for many others.
func heatingRoomOf(t testing.TB, racks int) (*Graph, []Observation) {
	t.Helper()
	var b strings.Builder
	b.WriteString("version: 1\nsites: [{id: s, timezone: UTC}]\nclients: [{id: c, language: en, timezone: UTC, contacts: [{id: d, addresses: {telegram: 1}}]}]\ncomponents:\n  - {id: up, kind: uplink, in: s}\n")
	r := rand.New(rand.NewPCG(1, uint64(racks)))
	var servers []string
	for _, room := range []string{"a", "b"} {
		fmt.Fprintf(&b, "  - {id: %[1]s, kind: room, in: s}\n  - {id: %[1]s-g1, kind: switch, in: %[1]s, needs: {network: [up]}}\n  - {id: %[1]s-g2, kind: switch, in: %[1]s, needs: {network: [up]}}\n", room)
		for k := range racks {
			rack := fmt.Sprintf("%s-k%d", room, k)
			fmt.Fprintf(&b, "  - {id: %s, kind: rack, in: %s}\n", rack, room)
			for _, x := range []string{"1", "2"} {
				fmt.Fprintf(&b, "  - {id: %[1]s-p%[2]s, kind: pdu, in: %[1]s}\n", rack, x)
			}
			for _, x := range []string{"1", "2"} {
				fmt.Fprintf(&b, "  - {id: %[1]s-w%[2]s, kind: switch, in: %[1]s, needs: {power: [%[1]s-p1, %[1]s-p2], network: [%[3]s-g1, %[3]s-g2]}}\n", rack, x, room)
				for _, y := range []string{"1", "2"} {
					fmt.Fprintf(&b, "  - {id: %[1]s-w%[2]s-c%[3]s, kind: card, in: %[1]s-w%[2]s}\n", rack, x, y)
				}
			}
			for i := range 20 {
				id := fmt.Sprintf("%s-s%d", rack, i)
				power := []string{fmt.Sprintf("%[1]s-p1, %[1]s-p2", rack), rack + "-p1", rack + "-p2"}[max(0, r.IntN(6)-3)]
				fmt.Fprintf(&b, "  - {id: %s, kind: server, in: %s, client: c, needs: {power: [%s], network: [%s-w1-c%d, %s-w2-c%d]}}\n", id, rack, power, rack, 1+r.IntN(2), rack, 1+r.IntN(2))
				servers = append(servers, id)
			}
		}
	}
	inv, err := inventory.Load(inventory.Document{Name: "hot", Data: []byte(b.String())})
	require.NoError(t, err)
	gone := map[string]float64{}
	for _, id := range servers {
		if strings.HasPrefix(id, "a-") && r.IntN(7) > 0 {
			gone[id] = 1 + 7.8*r.Float64()
		}
	}
	var obs []Observation
	for look := range 10 {
		for _, id := range servers {
			at, hot := gone[id]
			o := Observation{Component: id, Probe: ProbeTCP, Vantage: "v", At: time.Date(2026, 3, 1, 12, look, 0, 0, time.UTC), Result: Up}
			if hot && at <= float64(look) || r.IntN(25) == 0 {
				o.Result = Down
			}
			if r.IntN(5) > 0 {
				obs = append(obs, o)
			}
		}
	}
	return New(inv), obs
}

// searchOf looks for whole failures, as [Graph.Infer] does.
func searchOf(g *Graph, obs []Observation) *search {
	v := g.look(obs)
	rows := &chronicle{g: g, obs: obs, table: v.table, sees: v.sight}
	rows.prepare(v.seen)
	s := searchFor(g, v)
	s.climb()
	s.oneAfterAnother(v.seen, rows)
	return s
}

// TestAHeatingRoomIsSearchedInBoundedWork counts the states that are worked out, for each machine: about as many whatever the size.
func TestAHeatingRoomIsSearchedInBoundedWork(t *testing.T) {
	for _, racks := range []int{20, 60} {
		g, obs := heatingRoomOf(t, racks)
		each := searchOf(g, obs).t.looked / (2 * racks * 20)
		require.Less(t, each, 3000, "%d racks", racks)
	}
}

func BenchmarkInferHeatingRoom(b *testing.B) {
	g, obs := heatingRoomOf(b, 125)
	for b.Loop() {
		g.Infer(obs)
	}
}
