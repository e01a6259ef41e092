package oncall

import (
	"slices"
	"time"
)

// interval is a half-open stretch of time.
type interval struct{ from, to time.Time }

// cut is the part of it within [from, to).
func (i interval) cut(from, to time.Time) (interval, bool) {
	if i.from.Before(from) {
		i.from = from
	}
	if i.to.After(to) {
		i.to = to
	}
	return i, i.from.Before(i.to)
}

// merged orders intervals and joins those that overlap or touch.
func merged(in []interval) []interval {
	slices.SortFunc(in, func(a, b interval) int { return a.from.Compare(b.from) })
	out := in[:0]
	for _, i := range in {
		if n := len(out); n > 0 && !out[n-1].to.Before(i.from) {
			if i.to.After(out[n-1].to) {
				out[n-1].to = i.to
			}
			continue
		}
		out = append(out, i)
	}
	return out
}

// meet are the parts that two ordered lists have in common.
func meet(a, b []interval) []interval {
	var out []interval
	for i, j := 0, 0; i < len(a) && j < len(b); {
		if part, ok := a[i].cut(b[j].from, b[j].to); ok {
			out = append(out, part)
		}
		if a[i].to.Before(b[j].to) {
			i++
		} else {
			j++
		}
	}
	return out
}

// without are the parts of the whole that an ordered list leaves out.
func without(whole interval, taken []interval) []interval {
	var out []interval
	at := whole.from
	for _, t := range taken {
		if part, ok := (interval{at, t.from}).cut(whole.from, whole.to); ok {
			out = append(out, part)
		}
		if t.to.After(at) {
			at = t.to
		}
	}
	if part, ok := (interval{at, whole.to}).cut(whole.from, whole.to); ok {
		out = append(out, part)
	}
	return out
}

// Common are the stretches that two ordered lists have in common, with the
// people of the first.
func Common(a, b []Span) []Span {
	var free []interval
	for _, s := range b {
		free = append(free, interval{s.From, s.To})
	}
	out, _ := given(free, a)
	return out
}
