package oncall

import "time"

// turn is when the k-th turn begins.
//
// Days and weeks go by the calendar. So do hours that divide a day: the
// handover keeps its hour on the clock. Other hours are hours that pass.
func (l *Layer) turn(k int) time.Time {
	switch {
	case l.Unit == Week:
		return l.Start.plus(7*l.Length*k, 0).In(l.Zone)
	case l.Unit == Day:
		return l.Start.plus(l.Length*k, 0).In(l.Zone)
	case 24%l.Length == 0:
		return l.Start.plus(0, 60*l.Length*k).In(l.Zone)
	}
	return l.Start.In(l.Zone).Add(time.Duration(k*l.Length) * time.Hour)
}

// about is the usual length of a turn.
func (l *Layer) about() time.Duration {
	hours := map[Unit]int{Hour: 1, Day: 24, Week: 168}[l.Unit]
	return time.Duration(hours*l.Length) * time.Hour
}

// turnAt is the number of the turn at t: the last that has begun.
func (l *Layer) turnAt(t time.Time) int {
	k := int(t.Sub(l.turn(0)) / l.about())
	for l.turn(k).After(t) {
		k--
	}
	for !l.turn(k + 1).After(t) {
		k++
	}
	return k
}

// spans are the layer's own, in order, with holes where it says nothing.
func (l *Layer) spans(a, b time.Time, h Holidays) []Span {
	if start := l.turn(0); a.Before(start) {
		a = start
	}
	if l.End != (Wall{}) {
		if end := l.End.In(l.Zone); b.After(end) {
			b = end
		}
	}
	if !a.Before(b) || len(l.People) == 0 {
		return nil
	}
	open := within(l.During, l.Zone, a, b)
	switch l.Feasts {
	case SkipHolidays:
		open = meet(open, without(interval{a, b}, h.between(a, b)))
	case OnlyHolidays:
		open = meet(open, h.between(a, b))
	case AnyDay:
	}
	var out []Span
	k := l.turnAt(a)
	begin, end := l.turn(k), l.turn(k+1)
	for _, o := range open {
		for !end.After(o.from) {
			k++
			begin, end = end, l.turn(k+1)
		}
		for {
			if part, ok := (interval{begin, end}).cut(o.from, o.to); ok {
				out = append(out, Span{From: part.from, To: part.to, Person: l.People[k%len(l.People)]})
			}
			if !end.Before(o.to) {
				break
			}
			k++
			begin, end = end, l.turn(k+1)
		}
	}
	return out
}
