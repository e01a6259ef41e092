// Package figure prints what the benchmarks measure: one JSON object a line,
//
//	{"figure","value","unit","goal","met"}
//
// on standard output, and the machine that it was measured on before them, on
// standard error.
package figure

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
)

// Figure is one measured number. One without a goal is there to be seen, and met.
type Figure struct {
	Figure string  `json:"figure"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Goal   string  `json:"goal,omitempty"`
	// Bound is what is known to be the best that can be reached, where that is known: of inference,
	// what one reaches who reads the same rows and knows the generator, by maximum a posteriori;
	// see faultgen.Known. No reader errs less often.
	Bound *float64 `json:"bound,omitempty"`
	Met   bool     `json:"met"`
}

// AtMost is a figure whose goal is an upper limit.
func AtMost(name string, value float64, unit string, limit float64) Figure {
	return Figure{Figure: name, Value: value, Unit: unit, Goal: fmt.Sprintf("<= %g", limit), Met: value <= limit}
}

// AtLeast is a figure whose goal is a lower limit.
func AtLeast(name string, value float64, unit string, limit float64) Figure {
	return Figure{Figure: name, Value: value, Unit: unit, Goal: fmt.Sprintf(">= %g", limit), Met: value >= limit}
}

// Seen is a figure without a goal.
func Seen(name string, value float64, unit string) Figure {
	return Figure{Figure: name, Value: value, Unit: unit, Met: true}
}

// Printer prints figures and remembers whether all goals were met. The zero
// value prints on standard output.
type Printer struct {
	Out    io.Writer
	Missed int // goals
}

// Print prints a figure.
func (p *Printer) Print(f Figure) {
	if !f.Met {
		p.Missed++
	}
	out := p.Out
	if out == nil {
		out = os.Stdout
	}
	enc := json.NewEncoder(out)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(f)
}

// Exit ends the process: with 1 if there was an error, which it prints, or if a
// goal was missed.
func (p *Printer) Exit(program string, err error) {
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", program, err)
		os.Exit(1)
	}
	if p.Missed > 0 {
		fmt.Fprintf(os.Stderr, "%s: goals missed: %d\n", program, p.Missed)
		os.Exit(1)
	}
	os.Exit(0)
}

// Machine names what the figures are measured on.
func Machine() string {
	model := "unknown processor"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	load, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		load = []byte("unknown")
	}
	return fmt.Sprintf("machine: %s/%s, %d × %s, %s, load %s", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), model, runtime.Version(), strings.TrimSpace(string(load)))
}
