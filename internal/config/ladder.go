package config

import (
	"errors"
	"fmt"
	"path"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// checkLadder holds a ladder against what there is.
func checkLadder(key string, l ledger.Ladder) error {
	if len(l.Events) == 0 {
		return fmt.Errorf("%s.events: empty; name events or patterns, such as incident.*", key)
	}
	for i, pattern := range l.Events {
		if _, err := path.Match(pattern, ""); err != nil || pattern == "" {
			return fmt.Errorf("%s.events[%d]: not a pattern; write an event's name, or one with *", key, i)
		}
	}
	if len(l.Rungs) == 0 {
		return fmt.Errorf("%s.rungs: empty; name a channel", key)
	}
	seen := map[inventory.Channel]bool{}
	last := time.Duration(0)
	for i, r := range l.Rungs {
		at := fmt.Sprintf("%s.rungs[%d]", key, i)
		switch _, known := defaultRates[r.Channel]; {
		case !known:
			return fmt.Errorf("%s.channel: no such channel; there are %s", at, listed(sortedKeys(defaultRates)))
		case seen[r.Channel]:
			return fmt.Errorf("%s.channel: %s is listed twice; remove one", at, r.Channel)
		case r.After != 0 && r.Before != 0:
			return fmt.Errorf("%s: has both after and before; keep one", at)
		case r.After < last && r.Before == 0:
			return fmt.Errorf("%s.after: opens before the rung above it; put the rungs in the order in which they open", at)
		}
		if err := errors.Join(within(at+".after", r.After, 0, 30*24*time.Hour), within(at+".before", r.Before, 0, 30*24*time.Hour)); err != nil {
			return err
		}
		seen[r.Channel], last = true, max(last, r.After)
	}
	return nil
}
