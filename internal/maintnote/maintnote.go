// Package maintnote writes and reads MAINTNOTE: notices of planned work as
// iCalendar (RFC 5545) events with X-MAINTNOTE properties, which carriers and
// data centres send to each other.
//
//	text := maintnote.Calendar("noc@vakhta.example", notices...)
//	notices, err := maintnote.Read(mail)
//
// What it writes is strict: CRLF, lines folded at 75 octets, all properties that
// the draft requires. What it reads may be less so: mails with base64 parts, a
// missing status or sequence, a duration in place of an end.
package maintnote

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"
)

// Impact is what the work does, in the draft's words.
type Impact string

// The impacts.
const (
	NoImpact          Impact = "NO-IMPACT"
	ReducedRedundancy Impact = "REDUCED-REDUNDANCY"
	Degraded          Impact = "DEGRADED"
	Outage            Impact = "OUTAGE"
)

// Status is where the work stands, in the draft's words.
type Status string

// The statuses.
const (
	Tentative Status = "TENTATIVE"
	Confirmed Status = "CONFIRMED"
	Cancelled Status = "CANCELLED"
	InProcess Status = "IN-PROCESS"
	Completed Status = "COMPLETED"
)

// Notice is one planned work as one recipient is told of it.
type Notice struct {
	UID         string // never changes
	Sequence    int    // grows by one with each change
	Stamp       time.Time
	Start, End  time.Time
	Summary     string
	Description string
	Organizer   string // mail address
	Provider    string
	Account     string // whose notice it is: the provider's name for the recipient
	Maintenance string // the provider's id of the work
	Objects     []string
	Impact      Impact
	Status      Status // empty: not said
}

// Calendar writes notices as one calendar; name is shown by programs that subscribe to it.
func Calendar(name string, notices ...Notice) string {
	w := &writer{}
	w.line("BEGIN", "VCALENDAR")
	w.line("VERSION", "2.0")
	w.line("PRODID", "-//Vakhta//MAINTNOTE//EN")
	if name != "" {
		w.line("X-WR-CALNAME", escape(name))
	}
	for i := range notices {
		w.event(&notices[i])
	}
	w.line("END", "VCALENDAR")
	return w.b.String()
}

type writer struct{ b strings.Builder }

func (w *writer) event(n *Notice) {
	w.line("BEGIN", "VEVENT")
	w.line("UID", escape(n.UID))
	w.line("DTSTAMP", stamp(n.Stamp))
	w.line("DTSTART", stamp(n.Start))
	w.line("DTEND", stamp(n.End))
	w.line("SEQUENCE", fmt.Sprint(n.Sequence))
	w.line("SUMMARY", escape(n.Summary))
	if n.Description != "" {
		w.line("DESCRIPTION", escape(n.Description))
	}
	w.line("ORGANIZER", "mailto:"+strings.Map(printable, n.Organizer))
	switch n.Status {
	case Cancelled:
		w.line("STATUS", "CANCELLED")
	case Tentative:
		w.line("STATUS", "TENTATIVE")
	case Confirmed, InProcess, Completed:
		w.line("STATUS", "CONFIRMED")
	}
	w.line("X-MAINTNOTE-PROVIDER", escape(n.Provider))
	w.line("X-MAINTNOTE-ACCOUNT", escape(n.Account))
	w.line("X-MAINTNOTE-MAINTENANCE-ID", escape(n.Maintenance))
	for _, o := range n.Objects {
		w.line("X-MAINTNOTE-OBJECT-ID", escape(o))
	}
	w.line("X-MAINTNOTE-IMPACT", string(n.Impact))
	if n.Status != "" {
		w.line("X-MAINTNOTE-STATUS", string(n.Status))
	}
	w.line("END", "VEVENT")
}

// foldAt is how many octets a line may have, its end not counted.
const foldAt = 75

// line writes a property, folded between letters.
func (w *writer) line(name, value string) {
	text, room := name+":"+value, foldAt
	for len(text) > room {
		cut := room
		for cut > 0 && !utf8.RuneStart(text[cut]) {
			cut--
		}
		if cut == 0 { // no text of ours
			cut = room
		}
		w.b.WriteString(text[:cut] + "\r\n ")
		text, room = text[cut:], foldAt-1
	}
	w.b.WriteString(text + "\r\n")
}

func stamp(t time.Time) string { return t.UTC().Format("20060102T150405Z") }

var escapes = strings.NewReplacer(`\`, `\\`, ";", `\;`, ",", `\,`, "\r\n", `\n`, "\n", `\n`, "\r", `\n`)

func escape(text string) string { return strings.Map(printable, escapes.Replace(text)) }

// printable drops what may not stand in a line.
func printable(r rune) rune {
	if r < ' ' && r != '\t' || r == 0x7f {
		return -1
	}
	return r
}
