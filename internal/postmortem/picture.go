package postmortem

import (
	"fmt"
	"html"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"vakhta/internal/incident"
)

// PictureOptions tune the picture; the zero value is good for a page.
type PictureOptions struct {
	Width int // in pixels of the view box; 0: 1000
}

const (
	pictureLeft   = 96 // room for the lanes' names
	pictureRight  = 24
	pictureTop    = 34 // room for the spans
	rowHeight     = 19
	maxRows       = 6  // of labels in a lane
	labelRunes    = 44 // of an event's text
	labelFont     = 11
	runeWidth     = 6.2 // of labelFont, about
	axisHeight    = 30
	lanePadding   = 8
	spanHeight    = 22
	fallbackWidth = 1000
)

var laneColours = map[Lane]string{
	LaneDetection: "#b7471d", LanePeople: "#6b3fa0", LaneClients: "#1f5fbf", LaneRepair: "#1d7a46",
}

// TimelineSVG draws a timeline: a time axis, a lane for each of detection,
// people, clients and repair, and above them the spans to acknowledge, to
// identify and to restore. The picture is complete in itself.
func TimelineSVG(entries []incident.Entry, o PictureOptions) string {
	during := slices.DeleteFunc(ordered(entries), func(e incident.Entry) bool { return afterwards[e.Kind] })
	p := newPicture(during, o)
	if len(p.entries) == 0 {
		return ""
	}
	p.drawSpans()
	for _, lane := range Lanes {
		p.drawLane(lane)
	}
	return p.finish()
}

type picture struct {
	entries    []incident.Entry
	width      float64
	start, end time.Time
	y          float64 // where the next part begins
	b          strings.Builder
}

func newPicture(entries []incident.Entry, o PictureOptions) *picture {
	p := &picture{entries: entries, width: float64(o.Width), y: pictureTop}
	if o.Width <= 0 {
		p.width = fallbackWidth
	}
	if len(entries) > 0 {
		p.start, p.end = entries[0].At, entries[len(entries)-1].At
	}
	if p.end.Sub(p.start) < time.Second {
		p.end = p.start.Add(time.Second)
	}
	return p
}

// x is where an instant lies.
func (p *picture) x(at time.Time) float64 {
	share := float64(at.Sub(p.start)) / float64(p.end.Sub(p.start))
	return pictureLeft + share*(p.width-pictureLeft-pictureRight)
}

// drawSpans draws a bar from the start to each milestone.
func (p *picture) drawSpans() {
	t := Measure(incident.Incident{}, p.entries)
	for _, span := range []struct {
		name   string
		after  time.Duration
		colour string
	}{
		{"identified", t.Identify, laneColours[LaneDetection]},
		{"acknowledged", t.Acknowledge, laneColours[LanePeople]},
		{"restored", t.Restore, laneColours[LaneRepair]},
	} {
		if span.after < 0 {
			continue
		}
		to := p.x(p.start.Add(span.after))
		mid := p.y + spanHeight/2
		fmt.Fprintf(&p.b, `<line x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f" stroke="%s" stroke-width="3" stroke-linecap="round"/>`+"\n",
			float64(pictureLeft), mid, to, mid, span.colour)
		p.label(to, mid, span.name+" after "+Span(span.after), span.colour, true)
		p.y += spanHeight
	}
	p.y += lanePadding
}

// label writes a text beside a point: to its right, or to its left near the edge.
func (p *picture) label(x, mid float64, text, colour string, bold bool) {
	anchor, at := "start", x+8
	if at+textWidth(text) > p.width-4 {
		anchor, at = "end", x-8
	}
	weight := ""
	if bold { // it may lie on its own line: a halo keeps it readable
		weight = ` font-weight="600" stroke="#ffffff" stroke-width="5" stroke-linejoin="round" paint-order="stroke"`
	}
	fmt.Fprintf(&p.b, `<text x="%.1f" y="%.1f" fill="%s" text-anchor="%s"%s>%s</text>`+"\n",
		at, mid+4, colour, anchor, weight, escapeXML(text))
}

// escapeXML escapes a text and replaces what XML can't hold at all.
func escapeXML(text string) string {
	return html.EscapeString(strings.Map(func(r rune) rune {
		if r == '\n' || r >= 0x20 && r != utf8.RuneError && r != 0xFFFE && r != 0xFFFF {
			return r
		}
		return ' '
	}, text))
}

func textWidth(text string) float64 { return float64(utf8.RuneCountInString(text)) * runeWidth }

// mark is an event, or several of a kind too close to be told apart.
type mark struct {
	x     float64
	text  string
	title string
	count int
	row   int
}

func (p *picture) drawLane(lane Lane) {
	marks, rows := p.place(lane)
	height := float64(rows)*rowHeight + lanePadding
	colour := laneColours[lane]
	fmt.Fprintf(&p.b, `<rect x="0" y="%.1f" width="%.1f" height="%.1f" fill="%s" fill-opacity="0.06"/>`+"\n", p.y, p.width, height-2, colour)
	fmt.Fprintf(&p.b, `<text x="10" y="%.1f" fill="%s" font-weight="600">%s</text>`+"\n", p.y+17, colour, lane)
	for _, m := range marks {
		mid := p.y + lanePadding/2 + float64(m.row)*rowHeight + rowHeight/2
		fmt.Fprintf(&p.b, `<g><title>%s</title><circle cx="%.1f" cy="%.1f" r="4.5" fill="%s"/>`+"\n", escapeXML(m.title), m.x, mid, colour)
		p.label(m.x, mid, m.text, "#1c2430", false)
		p.b.WriteString("</g>\n")
	}
	p.y += height
}

// place gives every event of a lane a row where its label is free of others;
// what finds none joins its neighbour.
func (p *picture) place(lane Lane) (marks []*mark, rows int) {
	var ends [maxRows]float64 // where the last label of each row ends
	rows = 1
	for _, e := range p.entries {
		if LaneOf(e.Kind) != lane {
			continue
		}
		x := p.x(e.At)
		text := shorten(e.Kind+": "+e.Text, labelRunes)
		title := clock(e.At) + " " + e.Kind + ": " + e.Text
		from, to := x-6, x+10+textWidth(text)
		if to > p.width-4 {
			from, to = x-10-textWidth(text), x+6
		}
		row := -1
		for r := range ends {
			if ends[r] <= from {
				row = r
				break
			}
		}
		if row < 0 && len(marks) == 0 {
			row = 0
		}
		if row < 0 {
			last := marks[len(marks)-1]
			last.count++
			last.title += "\n" + title
			last.text = fmt.Sprintf("%s (+%d)", shorten(strings.SplitN(last.title, " ", 2)[1], labelRunes-5), last.count)
			continue
		}
		ends[row] = to
		rows = max(rows, row+1)
		marks = append(marks, &mark{x: x, text: text, title: title, row: row})
	}
	return marks, rows
}

func shorten(text string, n int) string {
	text, _, _ = strings.Cut(text, "\n")
	if utf8.RuneCountInString(text) <= n {
		return text
	}
	return strings.TrimRight(string([]rune(text)[:n-1]), " ,.:") + "…"
}

// finish draws the axis below and wraps everything up.
func (p *picture) finish() string {
	body := p.b.String()
	p.b.Reset()
	height := p.y + axisHeight
	fmt.Fprintf(&p.b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %.0f %.0f" role="img" aria-label="Timeline of the incident" font-family="system-ui, 'Noto Sans', 'DejaVu Sans', sans-serif" font-size="%d">`+"\n",
		p.width, height, labelFont)
	fmt.Fprintf(&p.b, `<rect width="%.0f" height="%.0f" fill="#ffffff"/>`+"\n", p.width, height)
	fmt.Fprintf(&p.b, `<text x="10" y="20" fill="#5b6675">%s UTC</text>`+"\n", day(p.start))
	for _, at := range ticks(p.start, p.end) {
		x := p.x(at)
		fmt.Fprintf(&p.b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%.1f" stroke="#dfe4ea"/>`+"\n", x, pictureTop-6, x, p.y+4)
		fmt.Fprintf(&p.b, `<text x="%.1f" y="%.1f" fill="#5b6675" text-anchor="middle">%s</text>`+"\n", x, p.y+20, tickLabel(at, p.end.Sub(p.start)))
	}
	p.b.WriteString(body + "</svg>\n")
	return p.b.String()
}

var tickSteps = []time.Duration{
	200 * time.Millisecond, 500 * time.Millisecond,
	time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 15 * time.Second, 30 * time.Second,
	time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 15 * time.Minute, 30 * time.Minute,
	time.Hour, 2 * time.Hour, 3 * time.Hour, 6 * time.Hour, 12 * time.Hour, 24 * time.Hour, 48 * time.Hour, 7 * 24 * time.Hour,
}

// ticks are round instants, about eight of them.
func ticks(start, end time.Time) []time.Time {
	step := tickSteps[len(tickSteps)-1]
	for _, s := range tickSteps {
		if end.Sub(start)/s <= 9 {
			step = s
			break
		}
	}
	var all []time.Time
	at := start.UTC().Truncate(step)
	if at.Before(start) {
		at = at.Add(step)
	}
	for ; !at.After(end) && len(all) < 60; at = at.Add(step) {
		all = append(all, at)
	}
	return all
}

func tickLabel(at time.Time, whole time.Duration) string {
	switch {
	case whole < 3*time.Second:
		return at.UTC().Format("15:04:05.0")
	case whole < 3*time.Hour:
		return at.UTC().Format("15:04:05")
	default:
		return at.UTC().Format("02 Jan 15:04")
	}
}
