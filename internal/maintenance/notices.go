package maintenance

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Impact is what a work does to a component, or to a client's machines, in the
// words of MAINTNOTE.
type Impact string

// The impacts, the worst first.
const (
	Outage            Impact = "outage"             // it goes off
	Degraded          Impact = "degraded"           // it works, worse
	ReducedRedundancy Impact = "reduced-redundancy" // it, or one of the two that carry it, goes; the other carries on
	NoImpact          Impact = "no-impact"
)

// Impacts are all of them, the worst first.
var Impacts = []Impact{Outage, Degraded, ReducedRedundancy, NoImpact}

// MustConfirm says whether a client whom it befalls has to say that he knows.
func (i Impact) MustConfirm() bool { return i == Outage }

// Policy is how long before the start clients are told, by what befalls them:
// the longest is the announcement, the others are reminders. Whom it has no
// line for is told nothing.
type Policy map[Impact][]time.Duration

const day = 24 * time.Hour

// DefaultPolicy is used where the document gives none.
func DefaultPolicy() Policy {
	return Policy{Outage: {14 * day, 3 * day, day, time.Hour}, Degraded: {3 * day, day}}
}

// policy is the work's own, else the usual one: an import of an earlier release has none.
func (w *Work) policy() Policy {
	if w.Notices == nil {
		return DefaultPolicy()
	}
	return w.Notices
}

// Told are the impacts whose clients are told, the worst first.
func (w *Work) Told() []Impact {
	var out []Impact
	for _, i := range Impacts {
		if len(w.policy()[i]) > 0 {
			out = append(out, i)
		}
	}
	return out
}

// AnnounceAt is when those are first told whom an impact befalls.
func (w *Work) AnnounceAt(i Impact) time.Time {
	return w.StartsAt.Add(-slices.Max(w.policy()[i]))
}

// NextReminder is the first reminder after an instant; false: none is left.
func (w *Work) NextReminder(i Impact, after time.Time) (time.Time, bool) {
	var next time.Time
	for _, d := range w.policy()[i] {
		if at := w.StartsAt.Add(-d); at.After(after) && (next.IsZero() || at.Before(next)) {
			next = at
		}
	}
	return next, !next.IsZero()
}

// Before reads a time before the start: 14d, 72h, 90m.
func Before(text string) (time.Duration, error) {
	d, err := time.ParseDuration(text)
	if days, isDays := strings.CutSuffix(text, "d"); isDays {
		var n int
		n, err = strconv.Atoi(days)
		d = time.Duration(n) * day
	}
	if err != nil || d <= 0 || d > 366*day {
		return 0, fmt.Errorf("%q is no time before the start; write 14d, 72h or 90m", text)
	}
	return d, nil
}
