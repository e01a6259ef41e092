package maintenance

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"time"

	"github.com/goccy/go-yaml"

	"vakhta/internal/inventory"
)

// Document is a work as an engineer writes it, times by the clock on the wall.
type Document struct {
	ID         string            `yaml:"id"`
	Title      map[string]string `yaml:"title"`
	Text       map[string]string `yaml:"text"`
	Components []Part            `yaml:"components"`
	Impact     Impact            `yaml:"impact"` // of components that give none
	Start      string            `yaml:"start"`
	End        string            `yaml:"end"`
	TimeZone   string            `yaml:"timezone"`
	Owner      string            `yaml:"owner"`
	Notices    Notices           `yaml:"notices"`
}

// Part is a component as it is written: its id, or {id: …, impact: …}.
type Part struct {
	ID     string `yaml:"id"`
	Impact Impact `yaml:"impact"`
}

// UnmarshalYAML reads either form.
func (p *Part) UnmarshalYAML(read func(any) error) error {
	if read(&p.ID) == nil {
		return nil
	}
	type plain Part
	return read((*plain)(p))
}

// Notices are times before the start as they are written: one list for whoever
// loses service, or a list for each impact.
type Notices map[Impact][]string

// UnmarshalYAML reads either form.
func (n *Notices) UnmarshalYAML(read func(any) error) error {
	var list []string
	if read(&list) == nil {
		*n = Notices{Outage: list}
		return nil
	}
	return read((*map[Impact][]string)(n))
}

var idForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

// Read reads a YAML (or JSON) document of one work and checks it against the
// inventory. Errors name the file, the field and the remedy; all are told at once.
func Read(name string, text []byte, inv *inventory.Inventory) (Work, error) {
	var d Document
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&d)
	var positioned yaml.Error
	switch {
	case errors.Is(err, io.EOF):
		return Work{}, fmt.Errorf("%s: is empty; write id, title, components, start and end", name)
	case errors.As(err, &positioned) && positioned.GetToken() != nil:
		at := positioned.GetToken().Position
		return Work{}, fmt.Errorf("%s:%d:%d: %s", name, at.Line, at.Column, positioned.GetMessage())
	case err != nil:
		return Work{}, fmt.Errorf("%s: %w", name, err)
	}
	w, err := d.Work(inv)
	if err != nil {
		return Work{}, fmt.Errorf("%s: %w", name, err)
	}
	return w, nil
}

// Work checks the document against the inventory. Errors name the field and the
// remedy; all are told at once.
func (d *Document) Work(inv *inventory.Inventory) (Work, error) {
	var wrong []error
	say := func(format string, args ...any) { wrong = append(wrong, fmt.Errorf(format, args...)) }
	if !idForm.MatchString(d.ID) {
		say("id: %q is none; use letters, digits, dots and dashes, at most 64", d.ID)
	}
	for _, lang := range []inventory.Language{inventory.Russian, inventory.English} {
		if d.Title[string(lang)] == "" {
			say("title.%s: missing; clients read it", lang)
		}
	}
	if d.Owner != "" {
		if _, ok := inv.Team(d.Owner); !ok {
			say("owner: the inventory has no team %q", d.Owner)
		}
	}
	w := Work{ID: d.ID, Title: d.Title, Text: d.Text, Owner: d.Owner, Status: Planned}
	d.parts(&w, inv, say)
	d.policy(&w, say)
	zone, err := time.LoadLocation(d.TimeZone)
	if err != nil || d.TimeZone == "" {
		say("timezone: %q is none; write it as Europe/Moscow", d.TimeZone)
		zone = time.UTC
	}
	if w.StartsAt, err = Instant(d.Start, zone); err != nil {
		say("start: %w", err)
	}
	if w.EndsAt, err = Instant(d.End, zone); err != nil {
		say("end: %w", err)
	}
	if len(wrong) == 0 && !w.EndsAt.After(w.StartsAt) {
		say("end: is not after the start")
	}
	return w, errors.Join(wrong...)
}

// parts reads the components and what happens to each.
func (d *Document) parts(w *Work, inv *inventory.Inventory, say func(string, ...any)) {
	if len(d.Components) == 0 {
		say("components: empty; name what is switched off")
	}
	if d.Impact != "" && !slices.Contains(Impacts, d.Impact) {
		say("impact: %q is none of %v", d.Impact, Impacts)
	}
	for i, c := range d.Components {
		if _, ok := inv.Component(c.ID); !ok {
			say("components[%d]: the inventory has no %q", i, c.ID)
		}
		impact := cmp.Or(c.Impact, d.Impact, Outage)
		if c.Impact != "" && !slices.Contains(Impacts, c.Impact) {
			say("components[%d].impact: %q is none of %v", i, c.Impact, Impacts)
		}
		if slices.Contains(w.Components, c.ID) {
			say("components[%d]: %s is there twice", i, c.ID)
		}
		w.Components = append(w.Components, c.ID)
		if impact == Outage {
			continue
		}
		if w.Impacts == nil {
			w.Impacts = map[string]Impact{}
		}
		w.Impacts[c.ID] = impact
	}
}

// policy reads when clients are told; what the document doesn't speak of is as by default.
func (d *Document) policy(w *Work, say func(string, ...any)) {
	w.Notices = DefaultPolicy()
	for _, impact := range slices.Sorted(maps.Keys(d.Notices)) {
		if !slices.Contains(Impacts, impact) {
			say("notices: %q is none of %v", impact, Impacts)
			continue
		}
		delete(w.Notices, impact)
		for i, text := range d.Notices[impact] {
			before, err := Before(text)
			if err != nil {
				say("notices.%s[%d]: %w", impact, i, err)
				continue
			}
			w.Notices[impact] = append(w.Notices[impact], before)
		}
	}
	if len(w.Notices[Outage]) == 0 {
		say("notices: whoever loses service must be told before; give at least one time, such as 72h")
	}
}

// wallForm is a time by the clock on the wall.
const wallForm = "2006-01-02 15:04"

// Instant reads a time by the clock on the wall of a zone, or RFC 3339. A time
// that the clock leaps over or shows twice, when summer time begins or ends, is
// refused: nobody could say which is meant.
func Instant(text string, zone *time.Location) (time.Time, error) {
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), nil
	}
	t, err := time.ParseInLocation(wallForm, text, zone)
	if err != nil {
		return time.Time{}, fmt.Errorf("%q is no time; write 2026-12-01 02:00, or RFC 3339 with its offset", text)
	}
	if t.Format(wallForm) != text {
		return time.Time{}, fmt.Errorf("%s does not exist in %s: the clock leaps over it; write RFC 3339 with its offset", text, zone)
	}
	for _, shift := range []time.Duration{-time.Hour, time.Hour, -30 * time.Minute, 30 * time.Minute} {
		if t.Add(shift).Format(wallForm) == text {
			return time.Time{}, fmt.Errorf("%s comes twice in %s; write RFC 3339 with its offset", text, zone)
		}
	}
	return t.UTC(), nil
}
