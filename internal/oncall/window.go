package oncall

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Window is a part of the week by the clock on the wall: it begins on each of
// its days at From, and ends Days later at To.
type Window struct {
	Weekdays [7]bool // on which it begins; Sunday is 0
	From     int     // minutes since midnight
	To       int     // minutes since midnight, the first one behind
	Days     int     // from the day of From to that of To, 0 to 7
}

var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

var (
	windowForm = regexp.MustCompile(`^(?:([a-z,-]+))?\s*(?:([0-9]{2}:[0-9]{2})-([0-9]{2}:[0-9]{2}))?$`)
	acrossForm = regexp.MustCompile(`^([a-z]{3}) ([0-9]{2}:[0-9]{2}) - ([a-z]{3}) ([0-9]{2}:[0-9]{2})$`)
)

// ParseWindow reads a part of the week: "mon-fri 09:00-18:00", "sat,sun",
// "22:00-08:00" (every night), or "fri 18:00 - mon 09:00".
func ParseWindow(s string) (Window, error) {
	s = strings.TrimSpace(s)
	if m := acrossForm.FindStringSubmatch(s); m != nil {
		return across(m)
	}
	m := windowForm.FindStringSubmatch(s)
	if m == nil || s == "" {
		return Window{}, fmt.Errorf(`is not a part of the week; write it like "mon-fri 09:00-18:00", "sat,sun", "22:00-08:00" or "fri 18:00 - mon 09:00"`)
	}
	w := Window{Days: 1}
	if err := w.days(m[1]); err != nil {
		return Window{}, err
	}
	if m[2] == "" {
		return w, nil // whole days
	}
	var err1, err2 error
	w.From, err1 = clock(m[2])
	w.To, err2 = clock(m[3])
	if err1 != nil || err2 != nil {
		return Window{}, fmt.Errorf("names an hour that no clock shows; write 00:00 to 24:00")
	}
	if w.From < w.To {
		w.Days = 0
	}
	return w.normal(), nil
}

func across(m []string) (Window, error) {
	first, last := dayIndex(m[1]), dayIndex(m[3])
	from, err1 := clock(m[2])
	to, err2 := clock(m[4])
	if first < 0 || last < 0 || err1 != nil || err2 != nil {
		return Window{}, fmt.Errorf("names a day or an hour that there is not; days are sun, mon, tue, wed, thu, fri, sat")
	}
	w := Window{From: from, To: to, Days: (last - first + 7) % 7}
	if w.Days == 0 && from >= to {
		w.Days = 7
	}
	w.Weekdays[first] = true
	return w.normal(), nil
}

// normal moves an end at 24:00 to the next day's 00:00.
func (w Window) normal() Window {
	if w.To == 24*60 {
		w.To, w.Days = 0, w.Days+1
	}
	return w
}

func (w *Window) days(s string) error {
	if s == "" {
		w.Weekdays = [7]bool{true, true, true, true, true, true, true}
		return nil
	}
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, "-")
		a := dayIndex(first)
		b := a
		if isRange {
			b = dayIndex(last)
		}
		if a < 0 || b < 0 {
			return fmt.Errorf("%q is no day; days are sun, mon, tue, wed, thu, fri, sat", part)
		}
		for d := a; ; d = (d + 1) % 7 {
			w.Weekdays[d] = true
			if d == b {
				break
			}
		}
	}
	return nil
}

func dayIndex(s string) int {
	for i, name := range weekdays {
		if s == name {
			return i
		}
	}
	return -1
}

func clock(s string) (int, error) {
	h, err1 := strconv.Atoi(s[:2])
	m, err2 := strconv.Atoi(s[3:])
	if err1 != nil || err2 != nil || m > 59 || h*60+m > 24*60 {
		return 0, fmt.Errorf("%s is no time of day", s)
	}
	return h*60 + m, nil
}

// within are the parts of [from, to) that lie in any of the windows, in order,
// none touching another. No windows: all of it.
func within(windows []Window, zone *time.Location, from, to time.Time) []interval {
	if len(windows) == 0 {
		return []interval{{from, to}}
	}
	var out []interval
	first := WallOf(from, zone).plus(-8, 0) // a window that began a week ago may still last
	first.Minute = 0
	for day := first; ; day = day.plus(1, 0) {
		if midnight := day.In(zone); !midnight.Before(to) {
			break
		}
		for _, w := range windows {
			if !w.Weekdays[day.weekday()] {
				continue
			}
			begin, end := day.plus(0, w.From).In(zone), day.plus(w.Days, w.To).In(zone)
			if part, ok := (interval{begin, end}).cut(from, to); ok {
				out = append(out, part)
			}
		}
	}
	return merged(out)
}

// Hold says whether one of the windows holds at t; holidays are outside of all
// of them. No windows always hold, but for holidays.
func Hold(windows []Window, zone *time.Location, h Holidays, t time.Time) bool {
	after := t.Add(time.Nanosecond)
	return len(within(windows, zone, t, after)) > 0 && len(h.between(t, after)) == 0
}

// HoldBetween are the stretches from a to b in which [Hold] says yes.
func HoldBetween(windows []Window, zone *time.Location, h Holidays, a, b time.Time) []Span {
	var out []Span
	for _, i := range meet(within(windows, zone, a, b), without(interval{a, b}, h.between(a, b))) {
		out = append(out, Span{From: i.from, To: i.to})
	}
	return out
}
