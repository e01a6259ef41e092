package topology_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/faultgen"
	"vakhta/internal/topology"
)

// film is a series of looks at an estate, a minute apart, from within each site
// and from outside.
type film struct {
	inv   *inventory.Inventory
	r     *rand.Rand
	looks int
	noise float64
	// answers says whether a machine answers at a look, to a vantage.
	answers func(c *inventory.Component, look int, inside bool) bool
	power   func(c *inventory.Component, look int) topology.Result
}

func (f film) shoot() []topology.Observation {
	var out []topology.Observation
	for look := range f.looks {
		for i, c := range f.inv.Components() {
			when := noon.Add(time.Duration(look)*time.Minute + time.Duration(i%3000)*time.Millisecond)
			if len(c.Probe.TCP) > 0 {
				for _, v := range []string{c.Site + "-in", "outside"} {
					for _, p := range []topology.Probe{topology.ProbeTCP, topology.ProbeICMP} {
						r := topology.Up
						if !f.answers(c, look, v != "outside") || f.r.Float64() < f.noise {
							r = topology.Down
						}
						out = append(out, topology.Observation{Component: c.ID, Probe: p, Vantage: v, At: when, Result: r})
					}
				}
			}
			if c.Probe.BMC.URL != "" && look == f.looks-1 {
				r := topology.Up
				if f.power != nil {
					r = f.power(c, look)
				}
				out = append(out, topology.Observation{Component: c.ID, Probe: topology.ProbePower, Vantage: c.Site + "-in", At: when, Result: r})
			}
		}
	}
	return out
}

func modesEstate(t testing.TB) *inventory.Inventory {
	t.Helper()
	return estate{sites: 2, rooms: 2, racks: 5, servers: 20, single: 12, management: true, clients: 3, within: true}.load(t)
}

func isServer(c *inventory.Component) bool { return c.Kind == inventory.KindServer }

// inOrder is where a server stands among those of its kind, from 0.
func inOrder(t testing.TB, id string) int {
	t.Helper()
	var n int
	if _, err := fmt.Sscanf(id, "srv-%d", &n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFailuresInPartHaveNames(t *testing.T) {
	inv := modesEstate(t)
	g := topology.New(inv)
	const rack, sw, pdu, uplink, room = "s0-r0-k01", "s0-r0-k01-sw", "s0-r0-k01-pdu-a", "s1-up1", "s0-r1"
	behind := func(c *inventory.Component) bool { return isServer(c) && c.Rack == rack }
	always := func(*inventory.Component, int, bool) bool { return true }
	for _, tt := range []struct {
		name     string
		looks    int
		answers  func(r *rand.Rand) func(*inventory.Component, int, bool) bool
		power    func(*inventory.Component, int) topology.Result
		want     string
		mode     topology.Mode
		explains int // at least
		since    time.Duration
	}{
		{
			name: "a machine that answers now and then", looks: 8, want: "srv-000007", mode: topology.Flapping, explains: 1, since: -1,
			answers: func(*rand.Rand) func(*inventory.Component, int, bool) bool {
				return func(c *inventory.Component, look int, _ bool) bool { return c.ID != "srv-000007" || look%3 == 1 }
			},
		},
		{
			name: "a switch that comes and goes", looks: 8, want: sw, mode: topology.Flapping, explains: 18, since: -1,
			answers: func(*rand.Rand) func(*inventory.Component, int, bool) bool {
				return func(c *inventory.Component, look int, _ bool) bool { return !behind(c) || look%2 == 1 }
			},
		},
		{
			name: "a switch that loses a third", looks: 2, want: sw, mode: topology.Lossy, explains: 12, since: -1,
			answers: func(r *rand.Rand) func(*inventory.Component, int, bool) bool {
				return func(c *inventory.Component, _ int, _ bool) bool { return !behind(c) || r.Float64() > .33 }
			},
		},
		{
			name: "an uplink that loses a third", looks: 1, mode: topology.Lossy, want: uplink, explains: 40, since: -1,
			answers: func(r *rand.Rand) func(*inventory.Component, int, bool) bool {
				return func(c *inventory.Component, _ int, inside bool) bool {
					crosses := c.ID == uplink || isServer(c) && c.Site == "s1" && inOrder(t, c.ID)%2 == 0 // the other half goes by the other
					return inside || !crosses || r.Float64() > .33
				}
			},
		},
		{
			name: "a room that heats", looks: 9, want: room, mode: topology.Heating, explains: 20, since: 2 * time.Minute,
			answers: func(*rand.Rand) func(*inventory.Component, int, bool) bool {
				return func(c *inventory.Component, look int, _ bool) bool {
					n := 0
					if isServer(c) {
						n = inOrder(t, c.ID)
					}
					return !isServer(c) || c.Room != room || n%4 != 0 || look < 2+n/4%7
				}
			},
			power: func(c *inventory.Component, _ int) topology.Result {
				if n := inOrder(t, c.ID); c.Room == room && n%4 == 0 {
					return topology.Down // it protected itself
				}
				return topology.Up
			},
		},
		{
			name: "a phase of a PDU", looks: 2, want: pdu, mode: topology.Partial, explains: 4, since: time.Minute,
			answers: func(*rand.Rand) func(*inventory.Component, int, bool) bool {
				return func(c *inventory.Component, look int, _ bool) bool {
					return !behind(c) || look < 1 || c.Unit > 12 || c.Unit%3 != 0
				}
			},
			power: func(c *inventory.Component, _ int) topology.Result {
				if behind(c) && c.Unit <= 12 && c.Unit%3 == 0 {
					return topology.Unknown
				}
				return topology.Up
			},
		},
		{
			name: "a line card of a switch", looks: 1, want: sw, mode: topology.Partial, explains: 8,
			answers: func(*rand.Rand) func(*inventory.Component, int, bool) bool {
				return func(c *inventory.Component, _ int, _ bool) bool { return !behind(c) || c.Unit > 8 }
			},
		},
		{name: "nothing", looks: 8, answers: func(*rand.Rand) func(*inventory.Component, int, bool) bool { return always }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for seed := range uint64(10) {
				r := rand.New(rand.NewPCG(seed, 5))
				obs := film{inv: inv, r: r, looks: tt.looks, noise: .01, answers: tt.answers(r), power: tt.power}.shoot()
				sifted := g.Sift(obs, nil)
				inf := g.InferAfter(sifted.Observations, sifted.Past)
				if tt.want == "" {
					if len(inf.Findings) > 0 {
						t.Fatalf("seed %d: %+v; want nothing", seed, inf.Findings)
					}
					continue
				}
				if len(inf.Findings) != 1 {
					t.Fatalf("seed %d: %d findings; want one:\n%s", seed, len(inf.Findings), findings(inf))
				}
				f := inf.Findings[0]
				if f.Component != tt.want && !slices.Contains(f.AmbiguousWith, tt.want) || f.Mode != tt.mode || len(f.Explains) < tt.explains || len(f.Evidence) == 0 {
					t.Errorf("seed %d: want %s %s\n%s", seed, tt.want, tt.mode, findings(inf))
				}
				if since := f.Since.Sub(noon).Truncate(time.Minute); tt.since >= 0 && since != tt.since {
					t.Errorf("seed %d: since %s, want %s", seed, f.Since.Sub(noon), tt.since)
				}
			}
		})
	}
}

func findings(inf topology.Inference) string {
	out := fmt.Sprintf("unexplained %v, blind %v\n", inf.Unexplained, inf.Blind)
	for _, f := range inf.Findings {
		out += fmt.Sprintf("  %s %q %.3f (%.1f) explains %d, against %d, or %v: %+v\n", f.Component, f.Mode, f.Confidence, f.LogOdds, len(f.Explains), len(f.Contradicts), f.AmbiguousWith, f.Evidence)
	}
	return out
}

func TestFailuresInPartAreTheSameInAnyOrder(t *testing.T) {
	inv := modesEstate(t)
	g := topology.New(inv)
	r := rand.New(rand.NewPCG(3, 5))
	obs := film{inv: inv, r: r, looks: 14, noise: .01, answers: func(c *inventory.Component, look int, inside bool) bool {
		switch {
		case c.ID == "srv-000107":
			return look%2 == 0
		case isServer(c) && c.Rack == "s0-r0-k01":
			return r.Float64() > .33
		case isServer(c) && c.Rack == "s1-r0-k02":
			return look < c.Unit
		}
		return true
	}}.shoot()
	var want []byte
	for seed := range uint64(8) {
		sifted := g.Sift(shuffled(obs, seed), nil)
		inf := g.InferAfter(sifted.Observations, sifted.Past)
		got, err := json.Marshal(inf)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = got
			if len(inf.Findings) != 3 {
				t.Errorf("want three findings:\n%s", findings(inf))
			}
		} else if !bytes.Equal(got, want) {
			t.Fatalf("another order gave\n%s\nwant\n%s", got, want)
		}
	}
}

func TestNoiseAloneIsNoFailureOfEquipment(t *testing.T) {
	estate, err := faultgen.Build(&faultgen.Styles[0], 1600, 11)
	if err != nil {
		t.Fatal(err)
	}
	g := topology.New(estate.Inventory)
	nights := 60
	if testing.Short() {
		nights = 20
	}
	for _, tt := range []struct {
		name  string
		noise faultgen.Noise
		whole bool // machines switched off by half racks, and equipment seen by ping alone, may look like a whole failure
	}{{"ordinary", faultgen.NoiseA, false}, {"harsh", faultgen.Harsh, true}, {"ping only", faultgen.PingOnly, true}} {
		t.Run(tt.name, func(t *testing.T) {
			wrong := 0
			for seed := range uint64(nights) {
				night := estate.Case(seed, 0, tt.noise)
				sifted := g.Sift(generated(night.Rows), generated(night.Earlier))
				inf := g.InferAfter(sifted.Observations, sifted.Past)
				for _, f := range inf.Findings {
					if f.Mode != "" || f.Kind != inventory.KindServer && !tt.whole {
						wrong++
						t.Logf("seed %d:\n%s", seed, findings(topology.Inference{Findings: []topology.Finding{f}}))
					}
				}
			}
			if most := 1 + nights/100; wrong > most {
				t.Errorf("%d findings in %d nights in which nothing shared was broken, want at most %d", wrong, nights, most)
			}
		})
	}
}

func generated(rows []faultgen.Row) []topology.Observation {
	out := make([]topology.Observation, len(rows))
	for i, r := range rows {
		out[i] = topology.Observation{Component: r.Component, Probe: topology.Probe(r.Probe), Vantage: r.Vantage, At: r.At, Result: topology.Result(r.Result)}
	}
	return out
}

// Three of twelve machines that hang on the same and went at once may be a part of it.
func TestAPartOfWhatTheyHangOnIsInTheClassOfMachinesThatWentAtOnce(t *testing.T) {
	inv := estate{sites: 1, rooms: 1, racks: 8, servers: 12, single: 12, clients: 1}.load(t)
	gone := map[string]int{"srv-000014": 1, "srv-000017": 1, "srv-000020": 1}
	inf := sifted(inv, shots(inv, 3, 2*time.Minute, gone), nil)
	if len(inf.Findings) != 3 {
		t.Fatal(story(&inf))
	}
	for _, f := range inf.Findings {
		likelier := slices.ContainsFunc(f.Alternatives, func(a topology.Alternative) bool { return a.Probability >= f.Probability })
		if !slices.Contains(f.AmbiguousWith, "s0-r0-k01-pdu-a") || likelier {
			t.Errorf("want %s before all others, and its PDU in the class: %s", f.Component, story(&inf))
		}
	}
}
