package oncall

import (
	"fmt"
	"time"
)

// Wall is what a clock on the wall and the calendar beside it show.
type Wall struct {
	Year   int
	Month  time.Month
	Day    int
	Minute int // since midnight
}

// WallOf is what the clock of a zone shows at t.
func WallOf(t time.Time, zone *time.Location) Wall {
	t = t.In(zone)
	y, m, d := t.Date()
	return Wall{Year: y, Month: m, Day: d, Minute: t.Hour()*60 + t.Minute()}
}

// String writes it as documents do: 2026-11-02T09:00.
func (w Wall) String() string {
	return fmt.Sprintf("%04d-%02d-%02dT%02d:%02d", w.Year, w.Month, w.Day, w.Minute/60, w.Minute%60)
}

// plus moves it by the calendar; a clock knows nothing of daylight saving.
func (w Wall) plus(days, minutes int) Wall {
	t := time.Date(w.Year, w.Month, w.Day+days, 0, w.Minute+minutes, 0, 0, time.UTC)
	return WallOf(t, time.UTC)
}

// naive is the wall's reading as if it were UTC, to compare readings by.
func (w Wall) naive() time.Time {
	return time.Date(w.Year, w.Month, w.Day, 0, w.Minute, 0, 0, time.UTC)
}

func (w Wall) weekday() time.Weekday { return w.naive().Weekday() }

// In is the first instant at which the clock of the zone shows w or later.
func (w Wall) In(zone *time.Location) time.Time {
	t := time.Date(w.Year, w.Month, w.Day, 0, w.Minute, 0, 0, zone)
	start, end := t.ZoneBounds()
	switch shown := WallOf(t, zone).naive(); {
	case shown.After(w.naive()): // the clock was put forward over it
		return start
	case shown.Before(w.naive()):
		return end
	}
	if start.IsZero() {
		return t
	}
	// The hour may have come once already, before the clock was put back.
	_, now := t.Zone()
	_, before := start.Add(-time.Nanosecond).Zone()
	if first := t.Add(time.Duration(now-before) * time.Second); first.Before(start) && !first.After(t) {
		return first
	}
	return t
}

// Compare orders readings.
func (w Wall) Compare(other Wall) int { return w.naive().Compare(other.naive()) }

// Before says whether w is the earlier reading.
func (w Wall) Before(other Wall) bool { return w.Compare(other) < 0 }
