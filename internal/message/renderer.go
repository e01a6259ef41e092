package message

import (
	"bytes"
	"errors"
	"fmt"
	htmltemplate "html/template"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"text/template"
	"time"

	"vakhta/internal/inventory"
)

// layoutFile is the HTML layout of every mail, in the root of the set.
const layoutFile = "layout.mail.html.tmpl"

// languages that every event must exist in.
var languages = []inventory.Language{inventory.Russian, inventory.English}

type key struct {
	lang  inventory.Language
	event string
	kind  Kind
}

// Renderer renders the messages of one set of templates. It is safe for
// concurrent use.
type Renderer struct {
	events    []string
	templates map[key]*template.Template
	layout    *htmltemplate.Template
	zones     sync.Map // *time.Location by name: to read one takes as long as to write a mail
}

// New parses a set of templates and refuses one that is incomplete or that
// doesn't fit [Data].
func New(set fs.FS) (*Renderer, error) {
	r := &Renderer{templates: map[key]*template.Template{}}
	var err error
	if r.layout, err = htmltemplate.ParseFS(set, layoutFile); err != nil {
		return nil, fmt.Errorf("parse message layout: %w", err)
	}
	for _, lang := range languages {
		if err := r.parseLanguage(set, lang); err != nil {
			return nil, err
		}
	}
	if err := r.checkComplete(); err != nil {
		return nil, err
	}
	if err := r.checkFits(); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *Renderer) parseLanguage(set fs.FS, lang inventory.Language) error {
	partials := template.New("").Funcs(funcs(lang))
	files, err := fs.Glob(set, path.Join(string(lang), "*.tmpl"))
	if err != nil {
		return fmt.Errorf("list messages in %s: %w", lang, err)
	}
	var events []string
	for _, file := range files {
		if !strings.HasPrefix(path.Base(file), "_") {
			events = append(events, file)
			continue
		}
		text, err := fs.ReadFile(set, file)
		if err != nil {
			return fmt.Errorf("read message partial %s: %w", file, err)
		}
		if _, err := partials.Parse(string(text)); err != nil {
			return fmt.Errorf("parse message partial %s: %w", file, err)
		}
	}
	for _, file := range events {
		if err := r.parseEvent(set, lang, file, partials); err != nil {
			return err
		}
	}
	return nil
}

func (r *Renderer) parseEvent(set fs.FS, lang inventory.Language, file string, partials *template.Template) error {
	name := strings.TrimSuffix(path.Base(file), ".tmpl")
	dot := strings.LastIndexByte(name, '.')
	if dot <= 0 {
		return fmt.Errorf("message %s: name it <event>.<kind>.tmpl", file)
	}
	k := key{lang, name[:dot], Kind(name[dot+1:])}
	if !slices.Contains(kinds, k.kind) {
		return fmt.Errorf("message %s: unknown kind %q, want one of %v", file, k.kind, kinds)
	}
	text, err := fs.ReadFile(set, file)
	if err != nil {
		return fmt.Errorf("read message %s: %w", file, err)
	}
	t, err := partials.Clone()
	if err != nil {
		return fmt.Errorf("clone message partials of %s: %w", lang, err)
	}
	if t, err = t.New(file).Parse(string(text)); err != nil {
		return fmt.Errorf("parse message %s: %w", file, err)
	}
	r.templates[k] = t
	if !slices.Contains(r.events, k.event) {
		r.events = append(r.events, k.event)
	}
	return nil
}

// checkComplete: what one language has, every language must have, and every
// event needs a mail, which gives it its title.
func (r *Renderer) checkComplete() error {
	if len(r.events) == 0 {
		return errors.New("the set of messages is empty")
	}
	slices.Sort(r.events)
	var missing []error
	for _, event := range r.events {
		for _, kind := range kinds {
			declared := kind == Mail
			for _, lang := range languages {
				declared = declared || r.templates[key{lang, event, kind}] != nil
			}
			for _, lang := range languages {
				if declared && r.templates[key{lang, event, kind}] == nil {
					missing = append(missing, fmt.Errorf("message %s/%s.%s.tmpl is missing", lang, event, kind))
				}
			}
		}
	}
	return errors.Join(missing...)
}

// checkFits runs every template on an empty and on a full message, so that a
// wrong field is found when the set is loaded and not at night.
func (r *Renderer) checkFits() error {
	var wrong []error
	for k := range r.templates {
		for _, data := range []Data{{}, Specimen()} {
			out, err := r.render(k, data)
			if err == nil && k.kind == Mail {
				_, err = r.Page(k.lang, out.Title, out.Text)
			}
			if err != nil {
				wrong = append(wrong, err)
				break
			}
		}
	}
	slices.SortFunc(wrong, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	return errors.Join(wrong...)
}

// Events lists the events of the set, sorted.
func (r *Renderer) Events() []string { return slices.Clone(r.events) }

// Has says whether the event has a text for the channel.
func (r *Renderer) Has(event string, lang inventory.Language, ch inventory.Channel) bool {
	kind, ok := r.kindOf(event, lang, ch)
	return ok && r.templates[key{lang, event, kind}] != nil
}

// kindOf is the kind of text of an event for a channel.
func (r *Renderer) kindOf(event string, lang inventory.Language, ch inventory.Channel) (Kind, bool) {
	kind, ok := KindOf(ch)
	if kind == Room && r.templates[key{lang, event, Room}] == nil {
		kind = Messenger
	}
	return kind, ok
}

// Render writes one message. Data is a [Data] or a pointer to one.
func (r *Renderer) Render(event string, lang inventory.Language, ch inventory.Channel, data any) (Rendered, error) {
	out, err := r.Words(event, lang, ch, data)
	if err == nil && ch == inventory.Email {
		out.HTML, err = r.Page(lang, out.Title, out.Text)
	}
	return out, err
}

// Words is Render without the HTML of a mail, which [Renderer.Page] makes of
// the words whenever it is wanted.
func (r *Renderer) Words(event string, lang inventory.Language, ch inventory.Channel, data any) (Rendered, error) {
	var d Data
	switch v := data.(type) {
	case Data:
		d = v
	case *Data:
		if v != nil {
			d = *v
		}
	default:
		return Rendered{}, fmt.Errorf("render %s: data is %T, want message.Data", event, data)
	}
	kind, ok := r.kindOf(event, lang, ch)
	if !ok {
		return Rendered{}, fmt.Errorf("render %s: no message is written for channel %q", event, ch)
	}
	k := key{lang, event, kind}
	if r.templates[k] == nil {
		return Rendered{}, fmt.Errorf("render %s: no template %s/%s.%s.tmpl", event, lang, event, kind)
	}
	out, err := r.render(k, d)
	if err != nil || kind == Mail {
		return out, err
	}
	mail, err := r.render(key{lang, event, Mail}, d)
	out.Title = mail.Title
	return out, err
}

func (r *Renderer) render(k key, d Data) (Rendered, error) {
	name := fmt.Sprintf("%s/%s.%s.tmpl", k.lang, k.event, k.kind)
	zone, err := r.zone(d.Zone)
	if err != nil {
		return Rendered{}, fmt.Errorf("render %s: time zone %q: %w", name, d.Zone, err)
	}
	d.Finding = midSentence(k.lang, bare(d.Finding))
	d.as = setting{event: k.event, lang: k.lang, kind: k.kind, zone: zone}
	v := (*view)(&d)
	var buf bytes.Buffer
	if err := r.templates[k].Execute(&buf, v); err != nil {
		return Rendered{}, fmt.Errorf("render %s: %w", name, err)
	}
	switch k.kind {
	case SMS:
		return Rendered{Text: v.fit(tidyLine(mark(d, k.lang) + buf.String()))}, nil
	case Voice:
		return Rendered{Text: tidyLine(mark(d, k.lang) + buf.String())}, nil
	case Messenger, Room:
		return Rendered{Text: tidy(mark(d, k.lang) + buf.String())}, nil
	default:
		return mailOf(name, v, buf.String())
	}
}

// zone is a recipient's time zone; an empty name is UTC.
func (r *Renderer) zone(name string) (*time.Location, error) {
	if known, ok := r.zones.Load(name); ok {
		return known.(*time.Location), nil
	}
	zone, err := time.LoadLocation(name)
	if err == nil {
		r.zones.Store(name, zone)
	}
	return zone, err
}

// mailOf parts what a template wrote into subject and text.
func mailOf(name string, v *view, text string) (Rendered, error) {
	head, body, ok := strings.Cut(text, "\n")
	title, isSubject := strings.CutPrefix(head, "Subject: ")
	if !ok || !isSubject || strings.TrimSpace(title) == "" {
		return Rendered{}, fmt.Errorf("render %s: its first line must be \"Subject: …\"", name)
	}
	return Rendered{Title: mark(Data(*v), v.as.lang) + tidyLine(title), Text: tidy(body)}, nil
}

// Page is the HTML of a mail with such a title and text.
func (r *Renderer) Page(lang inventory.Language, title, text string) (string, error) {
	var buf bytes.Buffer
	buf.Grow(4096)
	if err := r.layout.Execute(&buf, page{Lang: string(lang), Title: bound(title), Blocks: blocks(text)}); err != nil {
		return "", fmt.Errorf("render %s: %w", layoutFile, err)
	}
	return buf.String(), nil
}

// mark is empty unless the message may have been sent before.
func mark(d Data, lang inventory.Language) string {
	if d.Repeat {
		return RepeatMark(lang)
	}
	return ""
}
