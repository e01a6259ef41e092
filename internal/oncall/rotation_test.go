package oncall

import (
	"slices"
	"testing"
	"time"
	_ "time/tzdata"

	"pgregory.net/rapid"
)

// The oracle walks minute by minute, and reads nothing but the clock on the wall.

// zonesAndDays are zones with a day near which their clocks do something.
var zonesAndDays = []struct{ zone, near string }{
	{"Europe/Moscow", "2026-03-29"},       // nothing at all
	{"Europe/Berlin", "2026-03-29"},       // forward
	{"Europe/Berlin", "2026-10-25"},       // back
	{"America/New_York", "2026-11-01"},    // back
	{"Australia/Lord_Howe", "2026-04-05"}, // back by half an hour
	{"America/Sao_Paulo", "2018-11-04"},   // forward at midnight
	{"Pacific/Apia", "2011-12-30"},        // a day that never was
	{"Asia/Kathmandu", "2026-06-01"},
}

func load(t interface{ Fatal(...any) }, name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

type oracle struct {
	zone  *time.Location
	first time.Time
	walls []time.Time // what the clock shows, by the minute
	most  []time.Time // the latest that it has shown until then
}

func newOracle(zone *time.Location, first time.Time, days int) *oracle {
	o := &oracle{zone: zone, first: first}
	for m := range days * 24 * 60 {
		shown := WallOf(first.Add(time.Duration(m)*time.Minute), zone).naive()
		o.walls, o.most = append(o.walls, shown), append(o.most, shown)
		if m > 0 && o.most[m-1].After(shown) {
			o.most[m] = o.most[m-1]
		}
	}
	return o
}

// when is the first minute at which the clock shows w or later.
func (o *oracle) when(w time.Time) int {
	m, _ := slices.BinarySearchFunc(o.most, w, time.Time.Compare)
	return m
}

// layer says by the minute who is on call.
func (o *oracle) layer(l Layer, h Holidays) []string {
	who := make([]string, len(o.walls))
	for k := 0; ; k++ {
		var begin, end int
		start := l.Start.naive()
		step := map[Unit]time.Duration{Hour: time.Hour, Day: 24 * time.Hour, Week: 168 * time.Hour}[l.Unit] * time.Duration(l.Length)
		if l.Unit == Hour && 24%l.Length != 0 {
			begin = o.when(start) + k*int(step/time.Minute)
			end = begin + int(step/time.Minute)
		} else {
			begin, end = o.when(start.Add(time.Duration(k)*step)), o.when(start.Add(time.Duration(k+1)*step))
		}
		if begin >= len(who) {
			break
		}
		for m := begin; m < min(end, len(who)); m++ {
			who[m] = l.People[k%len(l.People)]
		}
	}
	if l.End != (Wall{}) {
		for m := o.when(l.End.naive()); m < len(who); m++ {
			who[m] = ""
		}
	}
	open, feast := o.open(l.During), o.feasts(h)
	for m := range who {
		if !open[m] || l.Feasts == SkipHolidays && feast[m] || l.Feasts == OnlyHolidays && !feast[m] {
			who[m] = ""
		}
	}
	return who
}

func (o *oracle) fill(out []bool, from, to time.Time) {
	for m := o.when(from); m < min(o.when(to), len(out)); m++ {
		out[m] = true
	}
}

func (o *oracle) open(windows []Window) []bool {
	out := make([]bool, len(o.walls))
	for m := range out {
		out[m] = len(windows) == 0
	}
	day := o.walls[0].Truncate(24 * time.Hour)
	for ; day.Before(o.walls[len(o.walls)-1]); day = day.Add(24 * time.Hour) {
		for _, w := range windows {
			if w.Weekdays[day.Weekday()] {
				o.fill(out, day.Add(time.Duration(w.From)*time.Minute), day.Add(time.Duration(w.Days)*24*time.Hour+time.Duration(w.To)*time.Minute))
			}
		}
	}
	return out
}

func (o *oracle) feasts(h Holidays) []bool {
	out := make([]bool, len(o.walls))
	for _, d := range h.Days {
		o.fill(out, d.naive(), d.plus(1, 0).naive())
	}
	return out
}

func drawLayer(t *rapid.T, zone *time.Location, near time.Time) Layer {
	l := Layer{
		Zone: zone, Unit: rapid.SampledFrom([]Unit{Hour, Day, Week}).Draw(t, "unit"),
		Start:  WallOf(near, time.UTC).plus(rapid.IntRange(-6, 2).Draw(t, "startDay"), rapid.IntRange(0, 1439).Draw(t, "startMinute")),
		People: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 3, rapid.ID[string]).Draw(t, "people"),
		Feasts: rapid.SampledFrom([]Feast{AnyDay, AnyDay, SkipHolidays, OnlyHolidays}).Draw(t, "feasts"),
	}
	l.Length = rapid.IntRange(1, 3).Draw(t, "length")
	if l.Unit == Hour {
		l.Length = rapid.SampledFrom([]int{1, 2, 5, 8, 12, 24, 36}).Draw(t, "hours")
	}
	if rapid.Bool().Draw(t, "ends") {
		l.End = l.Start.plus(rapid.IntRange(1, 12).Draw(t, "endDay"), 90)
	}
	for range rapid.IntRange(0, 2).Draw(t, "windows") {
		w := rapid.SampledFrom([]string{
			"mon-fri 09:00-18:00", "sat,sun", "22:00-08:00", "fri 18:00 - mon 09:00", "02:30-03:15", "fri-mon 00:00-24:00", "sun 01:00 - sun 02:30", "thu 12:00 - thu 11:00",
		}).Draw(t, "window")
		parsed, err := ParseWindow(w)
		if err != nil {
			t.Fatal(err)
		}
		l.During = append(l.During, parsed)
	}
	return l
}

func TestRotationAgreesWithAMinuteByMinuteWalk(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		place := rapid.SampledFrom(zonesAndDays).Draw(t, "place")
		zone := load(t, place.zone)
		near, err := time.Parse(time.DateOnly, place.near)
		if err != nil {
			t.Fatal(err)
		}
		o := newOracle(zone, near.Add(-16*24*time.Hour), 32)
		from, days := 10*24*60, 14 // the oracle sees what began before
		a := o.first.Add(time.Duration(from) * time.Minute)
		b := a.Add(time.Duration(days) * 24 * time.Hour)
		h := Holidays{Zone: zone}
		for d := range 10 {
			if rapid.IntRange(0, 3).Draw(t, "holiday") == 0 {
				h.Days = append(h.Days, WallOf(near, time.UTC).plus(d-5, 0))
			}
		}
		var r Rotation
		want := make([]string, len(o.walls))
		for range rapid.IntRange(1, 3).Draw(t, "layers") {
			l := drawLayer(t, zone, near)
			r.Layers = append(r.Layers, l)
			for m, who := range o.layer(l, h) {
				if who != "" {
					want[m] = who
				}
			}
		}
		var overrides []Override
		for range rapid.IntRange(0, 2).Draw(t, "overrides") {
			begin := rapid.IntRange(0, len(want)-1).Draw(t, "begin")
			end := rapid.IntRange(begin+1, len(want)).Draw(t, "end")
			overrides = append(overrides, Override{Person: "x", From: o.first.Add(time.Duration(begin) * time.Minute), To: o.first.Add(time.Duration(end) * time.Minute)})
			for m := begin; m < end; m++ {
				want[m] = "x"
			}
		}
		spans := r.Spans(a, b, overrides, h)
		got := make([]string, 0, days*24*60)
		at := a
		for i, s := range spans {
			if !s.From.Equal(at) || !s.From.Before(s.To) {
				t.Fatalf("span %d is %v to %v, want it to begin at %v", i, s.From, s.To, at)
			}
			if i > 0 && spans[i-1].Person == s.Person {
				t.Fatalf("spans %d and %d are both %q", i-1, i, s.Person)
			}
			for at = s.From; at.Before(s.To); at = at.Add(time.Minute) {
				got = append(got, s.Person)
			}
		}
		for m := range days * 24 * 60 {
			at := a.Add(time.Duration(m) * time.Minute)
			if got[m] != want[from+m] {
				t.Fatalf("at %v on call is %q, want %q", at.In(zone), got[m], want[from+m])
			}
			if m%97 == 0 {
				if who := r.At(at, overrides, h); who != want[from+m] {
					t.Fatalf("At(%v) is %q, want %q", at.In(zone), who, want[from+m])
				}
			}
		}
		gaps := map[int]bool{}
		for _, g := range Gaps(a, b, spans) {
			for at := g.From; at.Before(g.To); at = at.Add(time.Minute) {
				gaps[int(at.Sub(a)/time.Minute)] = true
			}
		}
		for m := range got {
			if gaps[m] != (got[m] == "") {
				t.Fatalf("minute %d: gap %v, on call %q", m, gaps[m], got[m])
			}
		}
	})
}

func TestHandoverKeepsItsHourOverDaylightSaving(t *testing.T) {
	zone := load(t, "Europe/Berlin")
	r := Rotation{Layers: []Layer{{Zone: zone, Unit: Week, Length: 1, Start: Wall{2026, 3, 23, 9 * 60}, People: []string{"a", "b"}}}}
	spans := r.Spans(time.Date(2026, 3, 23, 0, 0, 0, 0, zone), time.Date(2026, 4, 7, 0, 0, 0, 0, zone), nil, Holidays{})
	for _, s := range spans[1:] {
		if got := s.From.In(zone).Format("Mon 15:04"); got != "Mon 09:00" {
			t.Errorf("handover at %s, want Mon 09:00", got)
		}
	}
	if d := spans[1].To.Sub(spans[1].From); d != 167*time.Hour {
		t.Errorf("the week of the spring change lasts %s, want 167h", d)
	}
}

func TestWindowThatCantBeReadIsRefused(t *testing.T) {
	for _, s := range []string{"", "mon-xyz", "25:00-26:00", "mon 9:00-18:00", "fri 18:00 - foo 09:00", "24:30-08:00", "mon-", "09:60-10:00"} {
		if w, err := ParseWindow(s); err == nil {
			t.Errorf("%q is read as %+v", s, w)
		}
	}
}

func BenchmarkYearOfHourlyTurns(b *testing.B) {
	zone := load(b, "Europe/Berlin")
	r := Rotation{Layers: []Layer{
		{Zone: zone, Unit: Hour, Length: 1, Start: Wall{2026, 1, 1, 0}, People: []string{"a", "b", "c"}},
		{Zone: zone, Unit: Day, Length: 1, Start: Wall{2026, 1, 1, 0}, People: []string{"d", "e"}, During: []Window{must(b, "mon-fri 09:00-18:00")}},
	}}
	from := time.Date(2026, 1, 1, 0, 0, 0, 0, zone)
	for b.Loop() {
		r.Spans(from, from.AddDate(1, 0, 0), nil, Holidays{})
	}
}

func must(t interface{ Fatal(...any) }, s string) Window {
	w, err := ParseWindow(s)
	if err != nil {
		t.Fatal(err)
	}
	return w
}
