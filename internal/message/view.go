package message

import (
	"fmt"
	"strings"
	"text/template"
	"time"

	"vakhta/internal/inventory"
)

// view is what a template sees: the data, and what can be said of it only when
// language, channel and zone are known. It has the data's fields, because a
// template that looks for those of an embedded struct takes a fifth longer.
type view Data

// setting is for whom and by what a message is written.
type setting struct {
	event   string
	lang    inventory.Language
	kind    Kind
	zone    *time.Location
	elastic []string
}

// How many machines a list names before it counts the rest.
var listed = map[Kind]int{Mail: 25, Messenger: 8, Room: 8, SMS: 1, Voice: 2}

// funcs are the words that don't depend on the data: {{plural 2 "сервер" "сервера" "серверов"}}.
func funcs(lang inventory.Language) template.FuncMap {
	return template.FuncMap{
		"plural": func(n int, forms ...string) (string, error) {
			form, err := choose(lang, n, forms)
			return fmt.Sprintf("%d %s", n, form), err
		},
		"form":  func(n int, forms ...string) (string, error) { return choose(lang, n, forms) },
		"say":   func(text string) string { return say(lang, text) },
		"code":  func(text string) string { return spell(lang, text) },
		"speak": func(text string) string { return speak(lang, text) },
		"quote": quote,
		"bare":  bare,
		"cap":   capitalize,
		"sub":   func(a, b int) int { return a - b },
		"up":    strings.ToUpper,
		"level": func(severity string) string { return strings.TrimPrefix(strings.ToLower(severity), "sev") },
	}
}

// Asks says whether the message wants to be acknowledged.
func (v *view) Asks() bool { return WantsAck(v.as.event) }

// Listed are the machines that the message names.
func (v *view) Listed() []Server { return v.Servers[:min(len(v.Servers), listed[v.as.kind])] }

// More counts the machines that it doesn't.
func (v *view) More() int { return len(v.Servers) - len(v.Listed()) }

// Only is the name of the machine if the message is about a single one.
func (v *view) Only() string {
	if len(v.Servers) != 1 {
		return ""
	}
	if v.as.kind == Voice {
		return say(v.as.lang, v.Servers[0].Name())
	}
	return v.Servers[0].Name()
}

// Name is what the client knows the machine by.
func (s Server) Name() string {
	if s.Label != "" {
		return s.Label
	}
	return s.ID
}

// Remaining counts the machines that don't work yet.
func (v *view) Remaining() int { return max(0, v.Total-v.Restored) }

// Others are how many of the recipient's machines answer that the message does
// not name; what nobody could ask is not among them.
func (v *view) Others() int { return max(0, v.Checked-max(v.Down, len(v.Servers))) }

// AllOthers: those are all that it does not name.
func (v *view) AllOthers() bool { return v.Others()+len(v.Servers) == v.Total }

// Clock is the time of day, in the recipient's zone.
func (v *view) Clock(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.In(v.as.zone).Format("15:04")
}

// When is the time of day with its zone, and the date unless it is today's.
func (v *view) When(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	at := t.In(v.as.zone)
	text := at.Format("15:04")
	if v.as.kind != Voice {
		text += " " + zoneName(at, v.as.lang)
	}
	if v.Now.IsZero() || at.Format(time.DateOnly) != v.Now.In(v.as.zone).Format(time.DateOnly) {
		return v.day(at) + ", " + text
	}
	return text
}

// Short is the time of day, and the date in digits unless it is today's.
func (v *view) Short(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	at := t.In(v.as.zone)
	if v.Now.IsZero() || at.Format(time.DateOnly) != v.Now.In(v.as.zone).Format(time.DateOnly) {
		return at.Format("02.01 15:04")
	}
	return at.Format("15:04")
}

// Day is the date in words.
func (v *view) Day(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return v.day(t.In(v.as.zone))
}

func (v *view) day(at time.Time) string { return dayIn(at, v.as.lang) }

func dayIn(at time.Time, lang inventory.Language) string {
	if lang == inventory.Russian {
		return fmt.Sprintf("%d %s", at.Day(), russianMonths[at.Month()-1])
	}
	return at.Format("2 January")
}

// Moment is an instant by its own clock, in words: "1 марта, 14:40 МСК".
func Moment(at time.Time, lang inventory.Language) string {
	return dayIn(at, lang) + at.Format(", 15:04 ") + zoneName(at, lang)
}

var russianMonths = [12]string{
	"января", "февраля", "марта", "апреля", "мая", "июня",
	"июля", "августа", "сентября", "октября", "ноября", "декабря",
}

func zoneName(at time.Time, lang inventory.Language) string {
	name, offset := at.Zone()
	switch {
	case name == "MSK" && lang == inventory.Russian:
		return "МСК"
	case strings.HasPrefix(name, "+") || strings.HasPrefix(name, "-"):
		h, m := offset/3600, offset%3600/60
		if m != 0 {
			return fmt.Sprintf("UTC%+d:%02d", h, max(m, -m))
		}
		return fmt.Sprintf("UTC%+d", h)
	default:
		return name
	}
}
