package maintnote

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// ErrNone is the answer to a text in which there is no MAINTNOTE event.
var ErrNone = errors.New("no MAINTNOTE event in it: a VEVENT with X-MAINTNOTE-MAINTENANCE-ID")

const (
	maxNotices = 1000
	maxText    = 8 << 20
)

// Read reads the notices of a calendar, or of a mail that carries one. Events
// without MAINTNOTE properties are left out.
func Read(text []byte) ([]Notice, error) {
	if len(text) > maxText {
		return nil, fmt.Errorf("larger than %d MiB", maxText>>20)
	}
	calendars, err := calendarsIn(text)
	if err != nil {
		return nil, err
	}
	var out []Notice
	for _, c := range calendars {
		ns, err := readCalendar(c)
		if err != nil {
			return nil, err
		}
		out = append(out, ns...)
	}
	if len(out) == 0 {
		return nil, ErrNone
	}
	return out, nil
}

// property is one line of a calendar, unfolded.
type property struct {
	name   string
	params map[string]string
	value  string
	line   int // from 1, before unfolding
}

var lineEnd = regexp.MustCompile(`\r\n|\r|\n`)

func readCalendar(text string) ([]Notice, error) {
	var out []Notice
	var event []property
	depth, inEvent := 0, false // of components inside the event
	for _, p := range unfold(text) {
		switch {
		case !inEvent:
			if p.name == "BEGIN" && strings.EqualFold(p.value, "VEVENT") {
				inEvent, event, depth = true, nil, 0
			}
		case p.name == "BEGIN":
			depth++
		case p.name == "END" && depth > 0:
			depth--
		case p.name == "END":
			inEvent = false
			n, is, err := notice(event)
			if err != nil {
				return nil, err
			}
			if is {
				out = append(out, n)
			}
			if len(out) > maxNotices {
				return nil, fmt.Errorf("more than %d events", maxNotices)
			}
		case depth == 0:
			event = append(event, p)
		}
	}
	if inEvent {
		return nil, errors.New("the calendar ends within an event: it was cut off")
	}
	return out, nil
}

func unfold(text string) []property {
	var out []property
	for i, l := range lineEnd.Split(text, -1) {
		if (strings.HasPrefix(l, " ") || strings.HasPrefix(l, "\t")) && len(out) > 0 {
			out[len(out)-1].value += l[1:]
			continue
		}
		if l != "" {
			out = append(out, property{value: l, line: i + 1})
		}
	}
	for i := range out {
		out[i] = parse(out[i])
	}
	return out
}

// parse splits a line into name, parameters and value; a colon or a semicolon
// within quotes is part of a parameter.
func parse(p property) property {
	text, quoted := p.value, false
	var parts []string
	from := 0
	for i := range len(text) {
		switch c := text[i]; {
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == ';':
			parts, from = append(parts, text[from:i]), i+1
		case c == ':':
			parts = append(parts, text[from:i])
			p.name, p.value, p.params = strings.ToUpper(strings.TrimSpace(parts[0])), text[i+1:], map[string]string{}
			for _, param := range parts[1:] {
				k, v, _ := strings.Cut(param, "=")
				p.params[strings.ToUpper(k)] = strings.Trim(v, `"`)
			}
			return p
		}
	}
	return property{line: p.line} // no property: nothing that we read
}

var unescapes = strings.NewReplacer(`\\`, `\`, `\n`, "\n", `\N`, "\n", `\;`, ";", `\,`, ",")

// notice reads an event; is says whether it is a MAINTNOTE.
func notice(event []property) (n Notice, is bool, err error) {
	var duration time.Duration
	for _, p := range event {
		value := strings.TrimSpace(unescapes.Replace(p.value))
		switch p.name {
		case "UID":
			n.UID = value
		case "SEQUENCE":
			if n.Sequence, err = strconv.Atoi(value); err != nil || n.Sequence < 0 {
				return n, false, fmt.Errorf("line %d: SEQUENCE is %q, and no number", p.line, value)
			}
		case "DTSTAMP":
			n.Stamp, err = instant(p)
		case "DTSTART":
			n.Start, err = instant(p)
		case "DTEND":
			n.End, err = instant(p)
		case "DURATION":
			duration, err = span(p)
		case "SUMMARY":
			n.Summary = value
		case "DESCRIPTION":
			n.Description = value
		case "ORGANIZER":
			n.Organizer = strings.TrimPrefix(strings.ToLower(value), "mailto:")
		case "X-MAINTNOTE-PROVIDER":
			n.Provider = value
		case "X-MAINTNOTE-ACCOUNT":
			n.Account = value
		case "X-MAINTNOTE-MAINTENANCE-ID":
			n.Maintenance = value
		case "X-MAINTNOTE-OBJECT-ID":
			n.Objects = append(n.Objects, value)
		case "X-MAINTNOTE-IMPACT":
			n.Impact, err = oneOf(p, NoImpact, ReducedRedundancy, Degraded, Outage)
		case "X-MAINTNOTE-STATUS":
			n.Status, err = oneOf(p, Tentative, Confirmed, Cancelled, InProcess, Completed)
		}
		if err != nil {
			return n, false, err
		}
	}
	if n.Maintenance == "" {
		return n, false, nil
	}
	if n.End.IsZero() && duration > 0 && !n.Start.IsZero() {
		n.End = n.Start.Add(duration)
	}
	if n.Impact == "" {
		n.Impact = Outage // not said: the worst
	}
	switch {
	case n.Start.IsZero():
		err = fmt.Errorf("maintenance %s: no DTSTART", n.Maintenance)
	case !n.End.After(n.Start):
		err = fmt.Errorf("maintenance %s: DTEND is missing, or not after DTSTART", n.Maintenance)
	}
	return n, true, err
}

func oneOf[T ~string](p property, all ...T) (T, error) {
	value := T(strings.ToUpper(strings.TrimSpace(p.value)))
	for _, v := range all {
		if v == value {
			return v, nil
		}
	}
	return "", fmt.Errorf("line %d: %s is %q, and none of %v", p.line, p.name, value, all)
}

// instant reads a date and time: UTC, of a named zone, or a date alone.
func instant(p property) (time.Time, error) {
	value, zone := strings.TrimSpace(p.value), time.UTC
	if name := p.params["TZID"]; name != "" {
		z, err := time.LoadLocation(strings.TrimPrefix(name, "/"))
		if err != nil {
			return time.Time{}, fmt.Errorf("line %d: %s is in the time zone %q, which nobody knows", p.line, p.name, name)
		}
		zone = z
	}
	for form, in := range map[string]*time.Location{"20060102T150405Z": time.UTC, "20060102T150405": zone, "20060102": zone} {
		if t, err := time.ParseInLocation(form, value, in); err == nil {
			return t.UTC(), nil
		}
	}
	return time.Time{}, fmt.Errorf("line %d: %s is %q, and no time", p.line, p.name, value)
}

var durationForm = regexp.MustCompile(`^\+?P(?:(\d{1,3})W)?(?:(\d{1,4})D)?(?:T(?:(\d{1,4})H)?(?:(\d{1,5})M)?(?:(\d{1,6})S)?)?$`)

func span(p property) (time.Duration, error) {
	m := durationForm.FindStringSubmatch(strings.TrimSpace(p.value))
	if m == nil {
		return 0, fmt.Errorf("line %d: DURATION is %q, and no time", p.line, p.value)
	}
	var d time.Duration
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second} {
		n, _ := strconv.Atoi("0" + m[i+1]) // digits, few
		d += time.Duration(n) * unit
	}
	return d, nil
}
