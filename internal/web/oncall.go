package web

import (
	"hash/fnv"
	"net/http"
	"time"

	"vakhta/internal/roster"
)

// The picture of the calendar: so many days, one row for each rotation.
const (
	calendarDays = 14
	calendarLeft = 190 // px for the rotations' names
	calendarDay  = 60  // px for a day
	calendarRow  = 34  // px for a rotation
	calendarTop  = 30  // px for the days' names
)

// inks are the colours of people: dark enough for white letters.
var inks = []string{"#1d6fa5", "#8a4fa3", "#1d7a46", "#a8551b", "#3d4f9c", "#8c2f5b", "#5d6b1a", "#2b7a78"}

// bar is one stretch of duty in the picture.
type bar struct {
	X, Y, W, H int
	Ink        string
	Label      string // as much of the name as fits
	Title      string
	Nobody     bool
}

type dayMark struct {
	X    int
	Name string
}

type rowName struct {
	Y    int
	Name string
}

type oncallView struct {
	W, H, Now int
	Bars      []bar
	Days      []dayMark
	Rows      []rowName
	Gaps      int
	On        []roster.Turn // right now; persons by name
}

// oncall draws who is on call from today's midnight on.
func (p *Pages) oncall(w http.ResponseWriter, r *http.Request) {
	now := p.opts.Now()
	from := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, now.Location())
	turns, err := p.opts.OnCall(r.Context(), from, from.AddDate(0, 0, calendarDays))
	if err != nil {
		p.fail(w, "calendar", err)
		return
	}
	show(w, p.opts.Log, http.StatusOK, "oncall", p.frame(r, "On call", p.calendar(turns, from, now)).refreshed(60))
}

func (p *Pages) calendar(turns []roster.Turn, from, now time.Time) oncallView {
	v := oncallView{W: calendarLeft + calendarDays*calendarDay, Now: calendarX(now, from)}
	rows := map[string]int{}
	for _, t := range turns {
		name := t.Team + " · " + t.Rotation
		row, known := rows[name]
		if !known {
			row = len(rows)
			rows[name] = row
			v.Rows = append(v.Rows, rowName{Y: calendarTop + row*calendarRow + 21, Name: name})
		}
		x := calendarX(t.From, from)
		b := bar{X: x, Y: calendarTop + row*calendarRow + 3, W: max(calendarX(t.To, from)-x-1, 2), H: calendarRow - 6, Nobody: t.Person == ""}
		who := "nobody"
		if !b.Nobody {
			who = p.names.Person(t.Person)
			b.Ink = ink(t.Person)
			if len([]rune(who))*8 < b.W {
				b.Label = who
			}
			if !t.From.After(now) && t.To.After(now) {
				named := t
				named.Person = who
				v.On = append(v.On, named)
			}
		} else {
			v.Gaps++
		}
		b.Title = who + ", " + t.From.In(from.Location()).Format("Mon 2 Jan 15:04") + "–" + t.To.In(from.Location()).Format("Mon 2 Jan 15:04")
		v.Bars = append(v.Bars, b)
	}
	v.H = calendarTop + len(rows)*calendarRow + 6
	for d := range calendarDays {
		day := from.AddDate(0, 0, d)
		v.Days = append(v.Days, dayMark{X: calendarX(day, from), Name: day.Format("Mon 2")})
	}
	return v
}

func calendarX(t, from time.Time) int {
	return calendarLeft + int(t.Sub(from)*calendarDay/(24*time.Hour))
}

func ink(person string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(person)) // never fails
	return inks[int(h.Sum32())%len(inks)]
}
