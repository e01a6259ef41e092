package records

import (
	"context"
	"slices"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// ways are the channels by which contacts may be told now: not by an address
// that is dead or whose owner has had enough, and in his quiet hours by none
// that makes a noise.
type ways struct {
	barred map[string][]ledger.Barred
	now    time.Time
}

func (a *Activities) newWays(ctx context.Context) (ways, error) {
	all, err := a.store.Barred(ctx, "")
	w := ways{barred: map[string][]ledger.Barred{}, now: a.now()}
	for _, b := range all {
		w.barred[b.Contact] = append(w.barred[b.Contact], b)
	}
	return w, err
}

// tone says how a message may come.
type tone struct {
	confirm bool          // it must be confirmed: the ladder goes on to the call
	loud    bool          // it is critical: quiet hours don't hold it back
	rungs   []ledger.Rung // the operator's ladder; nil: the contact's own
}

// of are the channels for a contact, fastest first. quiet says that he has
// channels, and that only his quiet hours close them.
func (w ways) of(c *inventory.Contact, t tone) (ladder []inventory.Channel, quiet bool) {
	ladder = c.Urgent()
	if own := channels(c, t.rungs); len(own) > 0 {
		ladder = own
	}
	if !t.confirm {
		ladder = uncalled(ladder)
	}
	ladder = slices.DeleteFunc(ladder, func(ch inventory.Channel) bool { return w.closed(c, ch) })
	if t.loud || !c.QuietAt(w.now) {
		return ladder, false
	}
	still := slices.DeleteFunc(slices.Clone(ladder), noisy)
	return still, len(still) == 0 && len(ladder) > 0
}

// closed says whether an address is barred; another one than what was barred is not.
func (w ways) closed(c *inventory.Contact, ch inventory.Channel) bool {
	return slices.ContainsFunc(w.barred[c.ID], func(b ledger.Barred) bool {
		return b.Channel == ch && b.Address == c.Addresses[ch]
	})
}

// noisy: a phone rings or buzzes, whatever we ask; WhatsApp knows no silent
// message. Other messengers do, and a mail waits.
func noisy(ch inventory.Channel) bool {
	return ch == inventory.SMS || ch == inventory.Call || ch == inventory.WhatsApp
}

// untried is the first channel of a ladder that is not among those tried.
func untried(ladder, tried []inventory.Channel) (inventory.Channel, bool) {
	for _, ch := range ladder {
		if !slices.Contains(tried, ch) {
			return ch, true
		}
	}
	return "", false
}

// uncalled leaves out the call, which is for what must be acknowledged, unless
// there is nothing else.
func uncalled(ladder []inventory.Channel) []inventory.Channel {
	rest := slices.DeleteFunc(slices.Clone(ladder), func(ch inventory.Channel) bool { return ch == inventory.Call })
	if len(rest) == 0 {
		return ladder
	}
	return rest
}

// informLadder is the contact's own ladder for what need not be acknowledged.
func informLadder(c *inventory.Contact) []inventory.Channel { return uncalled(c.Urgent()) }
