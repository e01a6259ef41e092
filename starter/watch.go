package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/mattn/go-isatty"
	"golang.org/x/sys/unix"

	"vakhta/workflows"
)

const (
	usualWidth    = 80 // of what is no terminal
	mostGridLines = 4  // per site
)

// progress draws a sweep: over itself on a terminal, line by line elsewhere.
type progress struct {
	out    io.Writer
	tty    bool
	colour bool
	now    func() time.Time
	began  time.Time
	done   time.Time // when all were checked
	drawn  int       // lines on the terminal
	last   string    // what was shown, without what the clock changes
}

func newProgress(out io.Writer) *progress {
	f, ok := out.(*os.File)
	tty := ok && isatty.IsTerminal(f.Fd())
	return &progress{out: out, tty: tty, colour: tty && os.Getenv("NO_COLOR") == "", now: time.Now, began: time.Now()}
}

// show draws the state. Elsewhere than on a terminal it says a thing once.
func (p *progress) show(state workflows.LocalizeProgress) {
	if p.done.IsZero() && state.Total > 0 && state.Checked >= state.Total {
		p.done = p.now()
	}
	if !p.tty {
		if text := headline(state); text != p.last && state.Total > 0 {
			p.last = text
			fmt.Fprintln(p.out, text+p.pace(state))
		}
		return
	}
	width := p.width()
	lines := append([]string{headline(state) + p.pace(state)}, p.grid(state, width)...)
	p.last = lines[0]
	if p.drawn > 0 {
		fmt.Fprintf(p.out, "\x1b[%dA\x1b[J", p.drawn) // up, and clear what follows
	}
	p.drawn = 0
	for _, l := range lines {
		fmt.Fprintln(p.out, l)
		p.drawn += 1 + max(0, printedWidth(l)-1)/width // a line that the terminal wraps is several
	}
}

// headline counts the whole sweep.
func headline(s workflows.LocalizeProgress) string {
	stage := s.Stage
	if s.Round > 1 {
		stage += fmt.Sprintf(", round %d", s.Round)
	}
	text := fmt.Sprintf("%s: %d of %d checked, %d down", stage, min(s.Checked, s.Total), s.Total, s.Down)
	unknown := 0
	for _, site := range s.Sites {
		unknown += site.Unknown
	}
	if unknown > 0 {
		text += fmt.Sprintf(", %d unknown", unknown)
	}
	if len(s.Absent) > 0 {
		text += ", no answer from vantage " + strings.Join(s.Absent, ", ")
	}
	return text
}

// pace is the rate of the sweep and how long all took so far.
func (p *progress) pace(s workflows.LocalizeProgress) string {
	now := p.now()
	swept := now
	if !p.done.IsZero() {
		swept = p.done
	}
	text := ""
	if took := swept.Sub(p.began).Seconds(); s.Checked > 0 && took > 0 {
		text = fmt.Sprintf(", %.0f/s", float64(min(s.Checked, s.Total))/took)
	}
	return text + fmt.Sprintf(", %.1f s", now.Sub(p.began).Seconds())
}

// cellState is how the machines of a cell fare.
type cellState struct {
	mark  string
	style style
}

var (
	cellUp      = cellState{"■", styleGood}
	cellDown    = cellState{"✗", styleBad}
	cellUnknown = cellState{"?", styleFact}
	cellWaiting = cellState{"·", styleDim}
)

// grid is a block of cells for each site: one for each machine, or for a group
// of like ones where there are more than fit.
func (p *progress) grid(s workflows.LocalizeProgress, width int) []string {
	name := 0
	for _, site := range s.Sites {
		name = max(name, len([]rune(site.Site)))
	}
	name = min(name, 16)
	room := max(width-name-4, 8)
	var out []string
	for _, site := range s.Sites {
		per := max(1, (site.Total+room*mostGridLines-1)/(room*mostGridLines))
		counts := fmt.Sprintf("%d/%d", min(site.Checked, site.Total), site.Total)
		if site.Down > 0 {
			counts += fmt.Sprintf(", %d down", site.Down)
		}
		if site.Unknown > 0 {
			counts += fmt.Sprintf(", %d unknown", site.Unknown)
		}
		if per > 1 {
			counts += fmt.Sprintf("; a cell is %d machines", per)
		}
		label := clip(site.Site, name)
		cells := siteCells(site, per)
		for i := 0; i < len(cells); i += room {
			line := cells[i:min(i+room, len(cells))]
			out = append(out, "  "+pad(label, name)+" "+p.paintCells(line))
			label = ""
		}
		if len(cells)%room != 0 && len(cells)%room+1+len(counts) <= room {
			out[len(out)-1] += " " + counts
		} else {
			out = append(out, "  "+pad(label, name)+" "+counts)
		}
	}
	return out
}

// siteCells lines the machines of a site up by how they fare. What is down takes a
// cell, however many machines a cell stands for.
func siteCells(s workflows.SiteProgress, per int) []cellState {
	cells := func(n int) int { return (n + per - 1) / per }
	all := cells(s.Total)
	down, unknown := min(cells(s.Down), all), cells(s.Unknown)
	unknown = min(unknown, all-down)
	waiting := min(cells(max(0, s.Total-s.Checked)), all-down-unknown)
	out := make([]cellState, 0, all)
	for _, part := range []struct {
		n    int
		cell cellState
	}{{all - down - unknown - waiting, cellUp}, {down, cellDown}, {unknown, cellUnknown}, {waiting, cellWaiting}} {
		for range part.n {
			out = append(out, part.cell)
		}
	}
	return out
}

// paintCells writes cells, with one colour for each run of like ones.
func (p *progress) paintCells(cells []cellState) string {
	var b strings.Builder
	for i := 0; i < len(cells); {
		j := i
		for j < len(cells) && cells[j] == cells[i] {
			j++
		}
		text := strings.Repeat(cells[i].mark, j-i)
		if p.colour {
			text = "\x1b[" + string(cells[i].style) + "m" + text + "\x1b[0m"
		}
		b.WriteString(text)
		i = j
	}
	return b.String()
}

// width is how many columns the terminal has.
func (p *progress) width() int {
	if f, ok := p.out.(*os.File); ok {
		if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
			return int(size.Col)
		}
	}
	n, err := strconv.Atoi(os.Getenv("COLUMNS"))
	if err != nil {
		return usualWidth
	}
	return cmp.Or(max(n, 0), usualWidth)
}

// printedWidth is the number of columns that a line takes, without its colours.
func printedWidth(line string) int {
	n, inside := 0, false
	for _, r := range line {
		switch {
		case r == '\x1b':
			inside = true
		case inside:
			inside = r != 'm'
		default:
			n++
		}
	}
	return n
}
