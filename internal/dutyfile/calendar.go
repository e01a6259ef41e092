package dutyfile

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// event is a VEVENT, as far as it tells who is on call when.
type event struct {
	from, to        time.Time
	summary         string
	attendee, named string
	repeats, off    bool
}

func readCalendar(text string) (Schedule, error) {
	out := Schedule{Source: "iCalendar"}
	var e *event
	for n, line := range unfold(text) {
		name, params, value := split(line)
		var err error
		switch {
		case name == "BEGIN" && strings.EqualFold(value, "VEVENT"):
			e = &event{}
		case name == "END" && strings.EqualFold(value, "VEVENT") && e != nil:
			out.take(e)
			e = nil
		case e == nil:
		case name == "DTSTART":
			e.from, err = instant(params, value)
		case name == "DTEND":
			e.to, err = instant(params, value)
		case name == "SUMMARY":
			e.summary = unescape(value)
		case name == "ATTENDEE":
			e.attendee, e.named = mail(strings.TrimPrefix(strings.ToLower(value), "mailto:")), params["CN"]
		case name == "RRULE":
			e.repeats = true
		case name == "STATUS":
			e.off = strings.EqualFold(value, "CANCELLED")
		}
		if err != nil {
			return out, fmt.Errorf("event %d of its lines, %s: %w", n+1, name, err)
		}
	}
	slices.SortStableFunc(out.Turns, func(a, b Turn) int { return a.From.Compare(b.From) })
	return out, nil
}

func (s *Schedule) take(e *event) {
	switch {
	case e.off:
	case e.repeats:
		s.lose("%s, from %s: it repeats; write it as a rotation", e.summary, e.from.Format(time.RFC3339))
	case e.from.IsZero() || !e.to.After(e.from):
		s.lose("%s: it has no beginning, or ends before it", e.summary)
	default:
		who := Person{Name: strings.Trim(e.named, `"`), Mail: e.attendee}
		if who.Name == "" {
			who.Name = e.summary
		}
		s.Turns = append(s.Turns, Turn{Person: who, From: e.from.UTC(), To: e.to.UTC()})
	}
}

// unfold are the lines of a calendar, continued ones put together.
func unfold(text string) []string {
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	var out []string
	for line := range strings.SplitSeq(text, "\n") {
		if (strings.HasPrefix(line, " ") || strings.HasPrefix(line, "\t")) && len(out) > 0 {
			out[len(out)-1] += line[1:]
			continue
		}
		out = append(out, line)
	}
	return out
}

// split takes a line apart; a colon within quotes ends no name.
func split(line string) (name string, params map[string]string, value string) {
	quoted, at := false, len(line)
	for i, c := range line {
		if c == '"' {
			quoted = !quoted
		}
		if c == ':' && !quoted {
			at = i
			break
		}
	}
	if at < len(line) {
		value = line[at+1:]
	}
	parts := strings.Split(line[:at], ";")
	params = map[string]string{}
	for _, p := range parts[1:] {
		k, v, _ := strings.Cut(p, "=")
		params[strings.ToUpper(k)] = v
	}
	return strings.ToUpper(parts[0]), params, value
}

func instant(params map[string]string, value string) (time.Time, error) {
	zone := time.UTC
	if id := strings.Trim(params["TZID"], `"`); id != "" {
		var err error
		if zone, err = time.LoadLocation(id); err != nil {
			return time.Time{}, fmt.Errorf("time zone %q is unknown", id)
		}
	}
	for _, layout := range []string{"20060102T150405Z", "20060102T150405", "20060102"} {
		if at, err := time.ParseInLocation(layout, value, zone); err == nil {
			return at, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is no instant", value)
}

var escapes = strings.NewReplacer(`\n`, " ", `\N`, " ", `\,`, ",", `\;`, ";", `\\`, `\`)

func unescape(s string) string { return strings.TrimSpace(escapes.Replace(s)) }
