package estate

import (
	"math/rand/v2"

	"vakhta/internal/inventory"
)

// dealClients says who owns each of the site's servers, rack by rack from the
// bottom unit up. Counts are the same for every seed; places are not, except
// that the bottom of pduRack always holds pduClients clients.
func dealClients(s sitePlan, clients []inventory.Client, rng *rand.Rand) []string {
	total := s.rooms * racksPerRoom * unitsPerRack
	counts := siteCounts(s, clients, total)
	owners := make([]string, total)
	if s.id == pduRack[:3] {
		placePDURack(owners, counts, clients)
	}
	free := make([]int, 0, total)
	for i, o := range owners {
		if o == "" {
			free = append(free, i)
		}
	}
	// Clients rent in small runs of neighbouring units.
	var runs []run
	for _, c := range clients {
		for left := counts[c.ID]; left > 0; {
			n := min(left, 1+rng.IntN(8))
			runs = append(runs, run{c.ID, n})
			left -= n
		}
	}
	rng.Shuffle(len(runs), func(i, j int) { runs[i], runs[j] = runs[j], runs[i] })
	for _, r := range runs {
		for range r.n {
			owners[free[0]] = r.client
			free = free[1:]
		}
	}
	return owners
}

type run struct {
	client string
	n      int
}

// siteCounts says how many servers each client has at the site: romashka her
// share, the rest in a long tail of unequal tenants, two at least.
func siteCounts(s sitePlan, clients []inventory.Client, total int) map[string]int {
	counts := map[string]int{Romashka: s.romashka}
	left := total - s.romashka
	var here []string
	var weight, sum float64
	for i, c := range clients {
		if c.ID != Romashka && hasServersAt(i, s.id) {
			here = append(here, c.ID)
			sum += 1 / float64(len(here)+3)
		}
	}
	spare := left - 2*len(here)
	for i, id := range here {
		weight = 1 / float64(i+4)
		n := int(float64(spare) * weight / sum)
		counts[id] = 2 + n
		left -= 2 + n
	}
	for i := 0; left > 0; i++ {
		counts[here[i%len(here)]]++
		left--
	}
	return counts
}

// hasServersAt spreads the clients over the sites: of four, two are at the
// first site only, one at the second only, one at both.
func hasServersAt(i int, site string) bool {
	switch i % 4 {
	case 0, 2:
		return site == sitePlans[0].id
	case 1:
		return site == sitePlans[1].id
	}
	return true
}

// placePDURack fills the units that hang on the designated PDU alone.
func placePDURack(owners []string, counts map[string]int, clients []inventory.Client) {
	base := (1*racksPerRoom + 3) * unitsPerRack // pduRack: room 2, rack 4
	unit := 0
	put := func(client string, n int) {
		for range n {
			owners[base+unit] = client
			counts[client]--
			unit++
		}
	}
	put(Romashka, romashkaOnThatPDU/2)
	others := 0
	for _, c := range clients {
		if c.ID == Romashka || counts[c.ID] < 2 || others == pduClients-1 {
			continue
		}
		put(c.ID, 2)
		others++
	}
	put(Romashka, romashkaOnThatPDU-romashkaOnThatPDU/2)
}
