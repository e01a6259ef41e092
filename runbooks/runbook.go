// Package runbooks holds what operators edit: the runbooks (YAML), the messages
// per language (folder messages), and the loader and validator of both.
//
// A runbook reads like a CI job: what it is on, its inputs, its steps with id,
// if, needs, timeout, retry, on-failure. Conditions are CEL. It is pinned when
// an incident starts: an edit never changes a running one.
package runbooks

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

// Duration is a time.Duration that reads and writes as "15m".
type Duration time.Duration

// MarshalText writes the duration as Go does: "1h30m0s".
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads a positive Go duration.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("duration %q: write it like 30s, 15m or 2h", b)
	}
	if v < 0 {
		return fmt.Errorf("duration %q: must not be negative", b)
	}
	*d = Duration(v)
	return nil
}

// UnmarshalYAML is UnmarshalText with the place of what is wrong.
func (d *Duration) UnmarshalYAML(n ast.Node) error {
	s, ok := n.(*ast.StringNode)
	if !ok {
		return placed(n, "a duration is written like 30s, 15m or 2h")
	}
	if err := d.UnmarshalText([]byte(s.Value)); err != nil {
		return placed(n, err.Error())
	}
	return nil
}

// Std is the duration in the standard library's type.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// Runbook is a parsed, valid runbook.
type Runbook struct {
	Name     string         `json:"runbook" yaml:"runbook"`
	Title    string         `json:"title" yaml:"title"`
	On       string         `json:"on" yaml:"on"`                     // CEL over incident and finding: is this the runbook for it
	Inputs   map[string]any `json:"inputs,omitempty" yaml:"inputs"`   // defaults; an operator's configuration overrides them
	Steps    []Step         `json:"steps" yaml:"steps"`               // in document order
	Revision string         `json:"revision,omitempty" yaml:"-"`      // sha256 of the document and the overriding inputs
	Reopen   Duration       `json:"reopenWithin" yaml:"reopenWithin"` // how long a resolved incident may be reopened; default 1h
}

// OnFailure says what a failed step means for the incident.
type OnFailure string

// The choices of on-failure.
const (
	FailStop     OnFailure = "stop"     // default: steps that need it are not run, and an engineer is told
	FailContinue OnFailure = "continue" // as if it were done
)

// Step is one thing to do. Exactly one of the kinds is set.
type Step struct {
	ID        string    `json:"id" yaml:"id"`
	Title     string    `json:"title,omitempty" yaml:"title"`
	If        string    `json:"if,omitempty" yaml:"if"` // CEL; false skips the step, which counts as done
	Needs     []string  `json:"needs,omitempty" yaml:"needs"`
	Timeout   Duration  `json:"timeout,omitempty" yaml:"timeout"`
	Retry     Retry     `json:"retry,omitzero" yaml:"retry"`
	OnFailure OnFailure `json:"onFailure,omitempty" yaml:"on-failure"`

	Escalate   *Escalate   `json:"escalate,omitempty" yaml:"escalate"`
	Inform     *Inform     `json:"inform,omitempty" yaml:"inform"`
	Verify     *Verify     `json:"verify,omitempty" yaml:"verify"`
	Task       *Task       `json:"task,omitempty" yaml:"task"`
	Approve    *Task       `json:"approve,omitempty" yaml:"approve"`
	Notify     *Notify     `json:"notify,omitempty" yaml:"notify"`
	Wait       *Wait       `json:"wait,omitempty" yaml:"wait"`
	Resolve    *Resolve    `json:"resolve,omitempty" yaml:"resolve"`
	Postmortem *Postmortem `json:"postmortem,omitempty" yaml:"postmortem"`
}

// Retry says how often a failed step is tried again, and after what wait.
type Retry struct {
	Attempts int      `json:"attempts,omitempty" yaml:"attempts"` // in all; 0 and 1 mean once
	Wait     Duration `json:"wait,omitempty" yaml:"wait"`
}

// Rung is one channel of a ladder and how long it is given.
type Rung struct {
	Channel string   `json:"channel" yaml:"channel"`
	Wait    Duration `json:"wait" yaml:"wait"`
}

// Escalate pages a team, or several at once, until somebody acknowledges.
type Escalate struct {
	Team string `json:"team,omitempty" yaml:"team"`
	// Teams are several, each with levels of its own; Until says whether one of
	// each must acknowledge ("each", the default) or one of any ("any").
	Teams  []string `json:"teams,omitempty" yaml:"teams"`
	Until  string   `json:"until,omitempty" yaml:"until"`
	Ladder []Rung   `json:"ladder,omitempty" yaml:"ladder"` // default: telegram 1m, call 2m
	Quiet  Duration `json:"quiet,omitempty" yaml:"quiet"`   // acknowledged, but no sign of life for so long: page again; 0 means never
}

// UsualLadder is the ladder of a page that none is given for.
func UsualLadder() []Rung {
	return []Rung{{Channel: "telegram", Wait: Duration(time.Minute)}, {Channel: "call", Wait: Duration(2 * time.Minute)}}
}

// All are the teams that it pages.
func (e Escalate) All() []string {
	if e.Team != "" {
		return append([]string{e.Team}, e.Teams...)
	}
	return e.Teams
}

// Inform starts the beat of client updates; it goes on until the incident is resolved.
type Inform struct {
	Every    Duration `json:"every" yaml:"every"`
	Debounce Duration `json:"debounce,omitempty" yaml:"debounce"` // default 2s
}

// Verify waits until everything that the incident took down answers again.
type Verify struct {
	Every  Duration `json:"every" yaml:"every"`             // between two looks
	Stable int      `json:"stable,omitempty" yaml:"stable"` // looks in a row that must be good; default 2
	// Calm is how long what comes and goes, or loses a part of its packets, must answer at every look; default 15m.
	Calm Duration `json:"calm,omitempty" yaml:"calm"`
}

// Task is something that a person does (task) or decides (approve).
type Task struct {
	Text string `json:"text" yaml:"text"`
	Team string `json:"team,omitempty" yaml:"team"`
}

// Notify sends one message to the affected clients.
type Notify struct {
	Event string `json:"event" yaml:"event"`
}

// Wait waits.
type Wait struct {
	For Duration `json:"for" yaml:"for"`
}

// Resolve closes the incident and tells the clients so.
type Resolve struct{}

// Postmortem starts the postmortem.
type Postmortem struct{}

// Kind names the one kind that the step has; "" if none, "a+b" if several.
func (s Step) Kind() string {
	var kinds []string
	add := func(set bool, name string) {
		if set {
			kinds = append(kinds, name)
		}
	}
	add(s.Escalate != nil, "escalate")
	add(s.Inform != nil, "inform")
	add(s.Verify != nil, "verify")
	add(s.Task != nil, "task")
	add(s.Approve != nil, "approve")
	add(s.Notify != nil, "notify")
	add(s.Wait != nil, "wait")
	add(s.Resolve != nil, "resolve")
	add(s.Postmortem != nil, "postmortem")
	return strings.Join(kinds, "+")
}

// clone returns a deep copy by way of JSON, the form that histories keep.
func (r *Runbook) clone() (*Runbook, error) {
	b, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("copy runbook %s: %w", r.Name, err)
	}
	var c Runbook
	if err := json.Unmarshal(b, &c); err != nil {
		return nil, fmt.Errorf("copy runbook %s: %w", r.Name, err)
	}
	return &c, nil
}
