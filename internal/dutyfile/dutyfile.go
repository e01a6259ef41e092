// Package dutyfile reads who is on call from the files of other systems:
// schedules as PagerDuty's and Opsgenie's interfaces export them, and calendars
// (iCalendar). What it can't take over it says.
//
//	s, err := dutyfile.Read(text)
//	for _, r := range s.Rotations { … }
package dutyfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Person is somebody as the other system knows him.
type Person struct {
	Name string
	Mail string // in lower case; empty: not told
}

// Layer is a layer of a rotation, in the words of teams.yaml.
type Layer struct {
	Name   string
	Every  string // "week", "2 days", "8 hours"
	From   string // "2026-11-02T09:00", by the clock of the rotation's zone
	Until  string // empty: for ever
	People []Person
	During []string
}

// Rotation is one rotation; a later layer stands above those before it.
type Rotation struct {
	Name   string
	Zone   string
	Layers []Layer
}

// Turn is one turn of a calendar.
type Turn struct {
	Person   Person
	From, To time.Time
}

// Schedule is what a file holds: rotations, or turns.
type Schedule struct {
	Source    string // "PagerDuty", "Opsgenie", "iCalendar"
	Rotations []Rotation
	Turns     []Turn
	// Lost is what could not be taken over, a line each.
	Lost []string
}

// maxText bounds a file.
const maxText = 16 << 20

// ErrUnknown is the answer to a file of none of the three kinds.
var ErrUnknown = errors.New("neither a schedule of PagerDuty (GET /schedules/ID) nor of Opsgenie (GET /v2/schedules?expand=rotation), nor an iCalendar file")

// Read reads a file of any of the kinds.
func Read(text []byte) (Schedule, error) {
	if len(text) > maxText {
		return Schedule{}, fmt.Errorf("larger than %d MiB", maxText>>20)
	}
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	if bytes.HasPrefix(bytes.ToUpper(text[:min(len(text), 15)]), []byte("BEGIN:VCALENDAR")) {
		return readCalendar(string(text))
	}
	var head struct {
		Schedule  *pagerDutySchedule  `json:"schedule"`
		Schedules []pagerDutySchedule `json:"schedules"`
		Data      json.RawMessage     `json:"data"`
	}
	if err := json.Unmarshal(text, &head); err != nil {
		return Schedule{}, ErrUnknown
	}
	switch {
	case head.Schedule != nil:
		return fromPagerDuty(*head.Schedule)
	case len(head.Schedules) > 0:
		return fromPagerDuty(head.Schedules...)
	case len(head.Data) > 0:
		return fromOpsgenie(head.Data)
	}
	return Schedule{}, ErrUnknown
}

func (s *Schedule) lose(format string, args ...any) {
	s.Lost = append(s.Lost, fmt.Sprintf(format, args...))
}

// clock writes an instant by the clock of a zone.
func clock(at time.Time, zone *time.Location) string { return at.In(zone).Format("2006-01-02T15:04") }

// every says how long a turn lasts.
func every(d time.Duration) (string, error) {
	const day, week = 24 * time.Hour, 7 * 24 * time.Hour
	for _, unit := range []struct {
		d    time.Duration
		name string
	}{{week, "week"}, {day, "day"}, {time.Hour, "hour"}} {
		switch n := d / unit.d; {
		case d <= 0 || d%unit.d != 0:
		case n == 1:
			return unit.name, nil
		default:
			return fmt.Sprintf("%d %ss", n, unit.name), nil
		}
	}
	return "", fmt.Errorf("a turn of %s: only whole hours, days and weeks can be taken over", d)
}

var weekdays = []string{"mon", "tue", "wed", "thu", "fri", "sat", "sun"}

// weekly is a window that begins on a weekday (0 is Monday) at a minute of the
// day, and how many minutes it lasts.
func weekly(day, minute, lasts int) string {
	end := day*24*60 + minute + lasts
	endDay, endMinute := end/(24*60), end%(24*60)
	if endDay == day || endDay == day+1 && endMinute <= minute {
		return fmt.Sprintf("%s %s-%s", weekdays[day], hour(minute), hour(endMinute))
	}
	return fmt.Sprintf("%s %s - %s %s", weekdays[day], hour(minute), weekdays[endDay%7], hour(endMinute))
}

func hour(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60%24, minute%60) }

// minuteOf reads a time of day: "17:00:00" or "17:00".
func minuteOf(s string) (int, error) {
	for _, layout := range []string{"15:04:05", "15:04"} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Hour()*60 + t.Minute(), nil
		}
	}
	return 0, fmt.Errorf("%q is no time of day", s)
}

func mail(s string) string {
	if s = strings.ToLower(strings.TrimSpace(s)); strings.Contains(s, "@") {
		return s
	}
	return ""
}
