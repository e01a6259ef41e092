package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/mattn/go-isatty"

	"vakhta/internal/lab/stand"
)

// style is an SGR attribute of the terminal.
type style string

const (
	stylePlain style = ""
	styleDim   style = "2"
	styleGood  style = "32"
	styleBad   style = "31;1"
	styleTold  style = "36"
	styleFact  style = "33"
	styleHead  style = "1"
)

// screen prints the demo as it happens: when, what kind, what.
type screen struct {
	mu      sync.Mutex
	out     io.Writer
	colour  bool
	began   time.Time
	pending bool // a progress line is on the screen, without its newline
}

func newScreen(out io.Writer) *screen {
	f, ok := out.(*os.File)
	tty := ok && isatty.IsTerminal(f.Fd())
	return &screen{out: out, colour: tty && os.Getenv("NO_COLOR") == "", began: time.Now()}
}

func (s *screen) paint(st style, text string) string {
	if !s.colour || st == stylePlain {
		return text
	}
	return "\x1b[" + string(st) + "m" + text + "\x1b[0m"
}

// line prints one thing that happened.
func (s *screen) line(kind, text string, st style) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	const margin = 22
	lines := wrap(text, 100)
	fmt.Fprintf(s.out, "%s %s %s\n", s.paint(styleDim, fmt.Sprintf("%7.2fs", time.Since(s.began).Seconds())), pad(kind, 12), s.paint(st, lines[0]))
	for _, l := range lines[1:] {
		fmt.Fprintf(s.out, "%s%s\n", strings.Repeat(" ", margin), s.paint(st, l))
	}
}

// progress draws over itself on a terminal, and is silent elsewhere.
func (s *screen) progress(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.colour {
		return
	}
	s.clear()
	fmt.Fprintf(s.out, "%s %s %s", s.paint(styleDim, fmt.Sprintf("%7.2fs", time.Since(s.began).Seconds())), pad("sweep", 12), text)
	s.pending = true
}

func (s *screen) clear() {
	if s.pending {
		fmt.Fprint(s.out, "\r\x1b[2K")
		s.pending = false
	}
}

func (s *screen) heading(text string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.out, "\n%s\n", s.paint(styleHead, text))
}

func (s *screen) plain(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	fmt.Fprintf(s.out, format+"\n", args...)
}

// places says where to look.
func (s *screen) places(h *stand.Stand) {
	s.heading("Where to look")
	if h.Temporal != nil && h.Temporal.UI != "" {
		s.plain("  Temporal UI        %s", h.Temporal.UI)
	}
	s.plain("  Our page           %s", h.GatewayURL)
	s.plain("  What clients see   %s/status", h.GatewayURL)
	s.plain("  What they received %s", h.SandboxURL)
	s.plain("  The estate         %s/state", h.EstateURL)
}

// commands says what a person can try, as he would type it.
func (s *screen) commands(h *stand.Stand) {
	s.heading("What to try")
	s.plain("  export VAKHTA_CONFIG=%s TEMPORAL_ADDRESS=%s", h.Config, h.Address)
	s.plain("  .bin/vakhta incident list")
	s.plain("  .bin/vakhta localize --client romashka --watch")
	s.plain("  curl -X PUT %s/faults/msk-r1-k01-pdu-a -d '{\"mode\":\"down\"}'      # break something; DELETE mends it", h.EstateURL)
	s.plain("  .bin/vakhta report --client romashka --text 'my server is down'")
	s.plain("  temporal workflow start --address %s --task-queue runbooks --type Localize \\\n      --workflow-id localize/romashka/by-hand --input '{\"client\":\"romashka\"}'", h.Address)
	s.plain("  curl %s/v1/alerts/alertmanager -H 'Authorization: Bearer %s' \\\n      -d '{\"version\":\"4\",\"status\":\"firing\",\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"Down\",\"component\":\"m2-0401\"},\"startsAt\":\"%s\",\"fingerprint\":\"f1\"}]}'",
		h.GatewayURL, h.IntakeToken, time.Now().UTC().Format(time.RFC3339))
}

func pad(s string, n int) string {
	if w := utf8.RuneCountInString(s); w < n {
		return s + strings.Repeat(" ", n-w)
	}
	return s
}

// wrap breaks a text into lines of at most n runes, at blanks.
func wrap(text string, n int) []string {
	var out []string
	for _, para := range strings.Split(strings.TrimSpace(text), "\n") {
		line := ""
		for _, w := range strings.Fields(para) {
			if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(w) > n {
				out = append(out, line)
				line = ""
			}
			if line != "" {
				line += " "
			}
			line += w
		}
		if line != "" {
			out = append(out, line)
		}
	}
	if len(out) == 0 {
		out = []string{""}
	}
	return out
}
