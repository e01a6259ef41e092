package probe

import (
	"context"
	"time"
)

// Habits knows how hosts answered in earlier sweeps.
type Habits interface {
	// UsualRTTs returns the usual round trip of those of the components that have
	// answered often enough for it to be known, seen from the vantage: of their
	// slower answers (the 95th percentile or so), over all probes of the component
	// itself. Components that are missing in the answer get the default spacing.
	// It is asked once per sweep activity, for at most MaxSweep components.
	UsualRTTs(ctx context.Context, vantage string, components []string) (map[string]time.Duration, error)
}
