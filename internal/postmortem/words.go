package postmortem

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

func whole(d, unit time.Duration, name string) string {
	return strconv.FormatInt(int64(d.Round(unit)/unit), 10) + " " + name
}

func pair(d, big time.Duration, bigName string, small time.Duration, smallName string) string {
	d = d.Round(small)
	text := strconv.FormatInt(int64(d/big), 10) + " " + bigName
	if rest := d % big; rest > 0 {
		text += " " + strconv.FormatInt(int64(rest/small), 10) + " " + smallName
	}
	return text
}

// count writes a number with its noun.
func count(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// listed writes at most limit names and counts the rest.
func listed(ids []string, name func(string) string, limit int) string {
	if len(ids) == 0 {
		return "none"
	}
	var shown []string
	for i, id := range ids {
		if i == limit {
			break
		}
		shown = append(shown, name(id))
	}
	text := strings.Join(shown, ", ")
	if more := len(ids) - len(shown); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

// sentence ends a one-line text with one period.
func sentence(text string) string {
	return strings.TrimRight(strings.TrimSpace(text), ".") + "."
}

func clock(t time.Time) string { return t.UTC().Format("15:04:05") }

func day(t time.Time) string { return t.UTC().Format("2006-01-02") }

// moment is the time of an entry, with the date if it is not the first entry's.
func moment(first, t time.Time) string {
	if day(first) == day(t) {
		return clock(t)
	}
	return day(t) + " " + clock(t)
}
