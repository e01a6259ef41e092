package labtest

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
)

// seedVariable repeats a run: the tests that throw dice print their seed.
const seedVariable = "VAKHTA_SEED"

// Dice are seeded by VAKHTA_SEED, else by the clock; the seed is printed.
func Dice(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if given := os.Getenv(seedVariable); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("%s: %v", seedVariable, err)
		}
	}
	t.Logf("repeat with %s=%d", seedVariable, seed)
	return rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // reproducible dice, not a secret
}

// SeparateOutages are n outages of one machine each, of n clients who can
// write to us, so that none has to do with another.
func (l *Lab) SeparateOutages(n int, dice *rand.Rand) []*Outage {
	inv := l.Estate.Inventory()
	clients := inv.Clients()
	dice.Shuffle(len(clients), func(i, j int) { clients[i], clients[j] = clients[j], clients[i] })
	var out []*Outage
	for _, c := range clients {
		servers := inv.ServersOf(c.ID)
		if len(out) == n || len(servers) == 0 || c.Contacts[0].Addresses[inventory.Telegram] == "" {
			continue
		}
		out = append(out, l.Outage(servers[dice.IntN(len(servers))], estate.Off, c.Contacts[0].ID))
	}
	return out
}

// killing serializes kills: each must hit a worker that was started again.
var killing sync.Mutex

// KillWorker ends the worker as a power cut would and waits until its
// supervisor has started it again.
func (l *Lab) KillWorker(ctx context.Context) error {
	killing.Lock()
	defer killing.Unlock()
	starts := l.Worker.Starts()
	if err := l.Worker.Kill(false); err != nil {
		return err
	}
	return Until(ctx, "the worker to be started again", func() (bool, error) { return l.Worker.Starts() > starts, nil })
}
