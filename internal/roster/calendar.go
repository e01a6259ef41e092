package roster

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"vakhta/internal/inventory"
)

// Turn is a stretch of somebody's duty in a rotation of a team.
type Turn struct {
	Team     string    `json:"team"`
	Rotation string    `json:"rotation"`
	Person   string    `json:"person"` // empty: nobody
	From     time.Time `json:"from"`
	To       time.Time `json:"to"`
}

// Turns are all turns between a and b, by team, rotation and time.
func Turns(inv *inventory.Inventory, o Overrides, a, b time.Time) []Turn {
	out := []Turn{}
	for _, t := range inv.Teams() {
		out = append(out, TurnsOf(t, o, a, b)...)
	}
	return out
}

// TurnsOf are the turns of one team between a and b.
func TurnsOf(t *inventory.Team, o Overrides, a, b time.Time) []Turn {
	out := []Turn{}
	for i := range t.Duty.Rotations {
		r := &t.Duty.Rotations[i]
		for _, s := range Spans(t, r, o, a, b) {
			out = append(out, Turn{Team: t.ID, Rotation: r.ID, Person: s.Person, From: s.From.UTC(), To: s.To.UTC()})
		}
	}
	return out
}

// OfPerson are one person's turns of a list; the whole list if person is empty.
func OfPerson(list []Turn, person string) []Turn {
	return slices.DeleteFunc(slices.Clone(list), func(t Turn) bool { return t.Person == "" || person != "" && t.Person != person })
}

// ICS writes turns as an iCalendar (RFC 5545). An event's UID is of its team,
// rotation, person and beginning: a turn that changes hands is another event.
// name shows ids to people.
func ICS(list []Turn, name func(string) string, made time.Time) []byte {
	var b strings.Builder
	line := func(s string) {
		for len(s) > 75 { // octets, at a rune
			n := 75
			for !utf8.RuneStart(s[n]) {
				n--
			}
			b.WriteString(s[:n] + "\r\n")
			s = " " + s[n:]
		}
		b.WriteString(s + "\r\n")
	}
	const form = "20060102T150405Z"
	for _, s := range []string{"BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Vakhta//On call//EN", "CALSCALE:GREGORIAN", "METHOD:PUBLISH"} {
		line(s)
	}
	for _, t := range list {
		id := sha256.Sum256([]byte(strings.Join([]string{t.Team, t.Rotation, t.Person, t.From.UTC().Format(form)}, "\x00")))
		line("BEGIN:VEVENT")
		line("UID:" + hex.EncodeToString(id[:12]) + "@vakhta")
		line("DTSTAMP:" + made.UTC().Format(form))
		line("DTSTART:" + t.From.UTC().Format(form))
		line("DTEND:" + t.To.UTC().Format(form))
		line("SUMMARY:" + escape(fmt.Sprintf("%s: %s (%s)", name(t.Person), t.Team, t.Rotation)))
		line("TRANSP:TRANSPARENT")
		line("END:VEVENT")
	}
	line("END:VCALENDAR")
	return []byte(b.String())
}

// escape writes a text as iCalendar wants it.
func escape(s string) string {
	return strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\n", `\n`, "\r", "").Replace(s)
}
