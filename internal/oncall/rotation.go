package oncall

import (
	"slices"
	"time"
)

// Unit is what the length of a turn is counted in.
type Unit string

// The units.
const (
	Hour Unit = "hour"
	Day  Unit = "day"
	Week Unit = "week"
)

// Feast says what holidays mean to a layer.
type Feast string

// What holidays mean: nothing, no duty, or the only duty.
const (
	AnyDay       Feast = ""
	SkipHolidays Feast = "skip"
	OnlyHolidays Feast = "only"
)

// Layer is people who take turns.
type Layer struct {
	Zone   *time.Location
	Unit   Unit
	Length int  // of a turn, in units
	Start  Wall // of the first person's first turn; before it nobody is on call
	End    Wall // zero: never
	People []string
	During []Window // empty: always
	Feasts Feast
}

// Rotation is a schedule: layers, each above those before it.
type Rotation struct {
	ID     string
	Name   string
	Layers []Layer
}

// Override puts a person in for a stretch of time, whoever would be on call.
// Of several that overlap the last one in the list counts.
type Override struct {
	Person   string
	From, To time.Time
}

// Span is a stretch of time with one person on call; nobody if Person is empty.
type Span struct {
	From, To time.Time
	Person   string
}

// Holidays are days by the calendar of a zone.
type Holidays struct {
	Zone *time.Location
	Days []Wall // their midnights, in order, each once
}

// between are the holidays within [from, to).
func (h Holidays) between(from, to time.Time) []interval {
	if h.Zone == nil {
		return nil
	}
	var out []interval
	first, _ := slices.BinarySearchFunc(h.Days, WallOf(from, h.Zone).plus(-1, 0), func(a, b Wall) int { return a.naive().Compare(b.naive()) })
	for _, d := range h.Days[first:] {
		begin := d.In(h.Zone)
		if !begin.Before(to) {
			break
		}
		if part, ok := (interval{begin, d.plus(1, 0).In(h.Zone)}).cut(from, to); ok {
			out = append(out, part)
		}
	}
	return merged(out)
}

// At says who is on call at t; empty if nobody is.
func (r *Rotation) At(t time.Time, overrides []Override, h Holidays) string {
	spans := r.Spans(t, t.Add(time.Nanosecond), overrides, h)
	return spans[0].Person
}

// Spans says who is on call from a to b: spans in order, without a hole between
// them, neighbours never the same. Stretches with nobody are spans too.
func (r *Rotation) Spans(a, b time.Time, overrides []Override, h Holidays) []Span {
	if !a.Before(b) {
		return nil
	}
	free := []interval{{a, b}}
	var out []Span
	take := func(spans []Span) {
		got, left := given(free, spans)
		out, free = append(out, got...), left
	}
	for _, o := range slices.Backward(overrides) {
		if part, ok := (interval{o.From, o.To}).cut(a, b); ok {
			take([]Span{{From: part.from, To: part.to, Person: o.Person}})
		}
	}
	for i := len(r.Layers) - 1; i >= 0 && len(free) > 0; i-- {
		take(r.Layers[i].spans(a, b, h))
	}
	for _, f := range free {
		out = append(out, Span{From: f.from, To: f.to})
	}
	return joined(out)
}

// given gives what is free to those of an ordered list of spans who ask for it,
// and says what is left. It walks both lists once.
func given(free []interval, spans []Span) (out []Span, left []interval) {
	var taken []interval
	for i, j := 0, 0; i < len(free) && j < len(spans); {
		if part, ok := free[i].cut(spans[j].From, spans[j].To); ok {
			out = append(out, Span{From: part.from, To: part.to, Person: spans[j].Person})
			taken = append(taken, part)
		}
		if free[i].to.Before(spans[j].To) {
			i++
		} else {
			j++
		}
	}
	j := 0
	for _, f := range free {
		first := j
		for j < len(taken) && taken[j].from.Before(f.to) {
			j++
		}
		left = append(left, without(f, taken[first:j])...)
	}
	return out, left
}

// joined orders spans and joins neighbours of the same person.
func joined(in []Span) []Span {
	slices.SortFunc(in, func(a, b Span) int { return a.From.Compare(b.From) })
	out := in[:0]
	for _, s := range in {
		if n := len(out); n > 0 && out[n-1].Person == s.Person && out[n-1].To.Equal(s.From) {
			out[n-1].To = s.To
			continue
		}
		out = append(out, s)
	}
	return out
}

// Gaps are the stretches between a and b when nobody of the rotations is on call.
func Gaps(a, b time.Time, spans ...[]Span) []Span {
	var held []interval
	for _, list := range spans {
		for _, s := range list {
			if s.Person != "" {
				held = append(held, interval{s.From, s.To})
			}
		}
	}
	var out []Span
	for _, g := range without(interval{a, b}, merged(held)) {
		out = append(out, Span{From: g.from, To: g.to})
	}
	return out
}
