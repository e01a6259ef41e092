package topology_test

import (
	"math/rand/v2"
	"sync"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// large has 100,000 servers at two sites.
var large = sync.OnceValues(func() (*inventory.Inventory, error) {
	e := estate{sites: 2, rooms: 5, racks: 250, servers: 40, single: 4, feeds: true, management: true, clients: 18000}
	return inventory.Load(inventory.Document{Name: "large", Data: []byte(e.yaml())})
})

func largeGraph(b *testing.B) (*inventory.Inventory, *topology.Graph) {
	b.Helper()
	inv, err := large()
	if err != nil {
		b.Fatal(err)
	}
	return inv, topology.New(inv)
}

func BenchmarkNew100k(b *testing.B) {
	inv, _ := largeGraph(b)
	for b.Loop() {
		topology.New(inv)
	}
}

func BenchmarkBlast100k(b *testing.B) {
	_, g := largeGraph(b)
	for _, c := range []struct{ name, id string }{{"rack", "s0-r0-k01"}, {"room", "s0-r0"}, {"site", "s0"}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				g.Blast(c.id)
			}
		})
	}
}

func BenchmarkInfer100k(b *testing.B) {
	inv, g := largeGraph(b)
	for _, c := range []struct {
		name   string
		broken []string
		noise  float64
	}{
		{"well", nil, 0},
		{"pdu", []string{"s0-r0-k01-pdu-a"}, 0},
		{"five faults", []string{"s0-r0-k01-pdu-a", "s0-r0-k02-sw", "s0-r3-k07", "s1-r2-k07-sw", "s1-r2-feed-a"}, 0},
		{"five faults, 1% noise", []string{"s0-r0-k01-pdu-a", "s0-r0-k02-sw", "s0-r3-k07", "s1-r2-k07-sw", "s1-r2-feed-a"}, .01},
		{"room", []string{"s1-r2"}, 0},
		{"uplinks", []string{"s1-up0", "s1-up1"}, 0},
		{"site", []string{"s1"}, 0},
	} {
		obs := newWorld(inv, c.broken...).look(nil)
		r := rand.New(rand.NewPCG(1, 2))
		for i := range obs {
			if obs[i].Probe == topology.ProbeTCP && r.Float64() < c.noise {
				obs[i].Result = topology.Down
			}
		}
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				g.Infer(obs)
			}
		})
	}
}

// BenchmarkInferClient is the usual question: one client's 500 servers, one of them off.
func BenchmarkInferClient(b *testing.B) {
	inv, g := largeGraph(b)
	mine := map[string]bool{}
	for i, id := range inv.Servers() {
		if i%200 == 0 {
			mine[id] = true
		}
	}
	w := newWorld(inv)
	w.off["srv-000200"] = true
	obs := w.look(func(c *inventory.Component) bool { return mine[c.ID] })
	for b.Loop() {
		g.Infer(obs)
	}
}
