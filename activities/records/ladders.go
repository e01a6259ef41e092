package records

import (
	"cmp"
	"slices"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// ladderFor is the first ladder for an event and a client; nil: his own.
func (a *Activities) ladderFor(event, client string) []ledger.Rung {
	for i := range a.opts.Ladders {
		l := &a.opts.Ladders[i]
		if l.Fits(event) && (len(l.Clients) == 0 || slices.Contains(l.Clients, client)) {
			return l.Rungs
		}
	}
	return nil
}

// openings are the rungs of an event's ladders, as they open.
func (a *Activities) openings(event string) []ledger.Rung {
	var out []ledger.Rung
	for i := range a.opts.Ladders {
		if l := &a.opts.Ladders[i]; l.Fits(event) {
			out = append(out, l.Rungs...)
		}
	}
	slices.SortStableFunc(out, func(x, y ledger.Rung) int {
		return cmp.Or(cmp.Compare(y.Before, x.Before), cmp.Compare(x.After, y.After), cmp.Compare(x.Channel, y.Channel))
	})
	return slices.Compact(out)
}

// channels are those of a ladder that the contact has, in its order.
func channels(c *inventory.Contact, rungs []ledger.Rung) []inventory.Channel {
	var out []inventory.Channel
	for _, r := range rungs {
		if c.Addresses[r.Channel] != "" {
			out = append(out, r.Channel)
		}
	}
	return out
}
