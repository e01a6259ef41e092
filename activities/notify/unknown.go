package notify

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"vakhta/internal/ledger"
)

// SettleUnknownParams names notifications that SendBatch returned as unknown.
// Ask some seconds after they became so: a callback is the best witness.
type SettleUnknownParams struct {
	IDs []string `json:"ids"`
	// Final lets the policy decide where the look-up itself fails, too.
	Final bool `json:"final,omitempty"`
}

// SettleUnknownResult says what became of each: every id is in one list.
type SettleUnknownResult struct {
	Settled []string `json:"settled,omitempty"` // no longer unknown: a callback told, or somebody by hand
	Found   []string `json:"found,omitempty"`   // the provider has it: accepted
	Resend  []string `json:"resend,omitempty"`  // critical: queued once more as a marked repeat; SendBatch it
	GaveUp  []string `json:"gaveUp,omitempty"`  // refused: the next rung may be tried
	Open    []string `json:"open,omitempty"`    // the look-up failed; ask again later
}

// SettleUnknown settles notifications of which nobody knows whether they were
// sent: by what a callback has told meanwhile, then by a look-up at the
// provider, and only then by policy. A critical one is sent once more, marked
// as a repeat; an informational one is given up.
func (a *Activities) SettleUnknown(ctx context.Context, p SettleUnknownParams) (SettleUnknownResult, error) {
	if err := a.checkIDs(p.IDs); err != nil {
		return SettleUnknownResult{}, err
	}
	t := &tally{}
	stop := a.beat(ctx, t)
	defer stop()

	fates := make([]fate, len(p.IDs))
	group, gctx := errgroup.WithContext(ctx)
	group.SetLimit(a.opts.Concurrency)
	for i, id := range p.IDs {
		group.Go(func() (err error) {
			fates[i], err = a.settleUnknown(gctx, id, p.Final)
			t.wait([]string{id}, time.Time{})
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return SettleUnknownResult{}, err
	}
	var r SettleUnknownResult
	lists := map[fate]*[]string{settled: &r.Settled, found: &r.Found, resend: &r.Resend, gaveUp: &r.GaveUp, open: &r.Open}
	for i, id := range p.IDs {
		*lists[fates[i]] = append(*lists[fates[i]], id)
	}
	for _, ids := range lists {
		slices.Sort(*ids)
	}
	return r, nil
}

// fate is what became of an unknown.
type fate int

const (
	settled fate = iota
	found
	resend
	gaveUp
	open
)

func (a *Activities) settleUnknown(ctx context.Context, id string, final bool) (fate, error) {
	n, err := a.store.Notification(ctx, id)
	if err != nil {
		return open, fmt.Errorf("read notification %s: %w", id, err)
	}
	if n.State != ledger.Unknown {
		return settled, nil
	}
	if !n.AcknowledgedAt.IsZero() {
		return a.resolve(ctx, n, ledger.Found, "", "") // who answered it has got it
	}
	provider, providerID, err := a.lookUp(ctx, n)
	switch {
	case err == nil && provider != "":
		return a.resolve(ctx, n, ledger.Found, provider, providerID)
	case err != nil && !errors.Is(err, ErrNoLookUp) && !final:
		log(ctx).Warn("look-up failed", "notification", id, "channel", n.Channel, "error", err.Error())
		return open, nil
	case n.Critical && !n.Repeat:
		return a.resolve(ctx, n, ledger.Resend, "", "")
	case errors.Is(err, ErrNoLookUp) && a.mayHear(n):
		return open, nil
	case n.MayRepeat():
		return a.resolve(ctx, n, ledger.Resend, "", "")
	default:
		return a.resolve(ctx, n, ledger.GiveUp, "", "")
	}
}

// mayHear says that a callback may still tell what nobody can be asked, and
// that nobody is paged later for waiting.
func (a *Activities) mayHear(n ledger.Notification) bool {
	receipts := slices.ContainsFunc(a.routes[n.Channel], func(l *lane) bool { return l.Channel.Capabilities().Receipts })
	return receipts && !n.Critical && a.opts.Now().Sub(n.UpdatedAt) < a.opts.ReceiptsWithin
}

func (a *Activities) resolve(ctx context.Context, n ledger.Notification, r ledger.Resolution, provider, providerID string) (fate, error) {
	state, err := a.store.ResolveUnknown(ctx, n.ID, r, provider, providerID, a.opts.Now())
	if err != nil {
		return open, fmt.Errorf("resolve notification %s as %s: %w", n.ID, r, err)
	}
	switch {
	case r == ledger.Found:
		return found, nil
	case r == ledger.Resend && state == ledger.Queued:
		return resend, nil
	case r == ledger.GiveUp && state == ledger.Refused:
		return gaveUp, nil
	default: // a callback came between the look and the word
		return settled, nil
	}
}
