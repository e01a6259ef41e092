package postmortem

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/extension"

	"vakhta/internal/incident"
)

// Style is the style sheet of the document; it needs nothing from outside.
//
//go:embed style.css
var Style string

//go:embed document.html
var documentText string

var document = template.Must(template.New("document").Funcs(template.FuncMap{
	"span": Span, "moment": moment, "day": day, "state": ActionState, "lane": LaneOf,
}).Parse(documentText))

// markdown renders what people write. Raw HTML in it is dropped and
// dangerous links are emptied: goldmark's default without WithUnsafe.
var markdown = goldmark.New(goldmark.WithExtensions(extension.Table, extension.Strikethrough))

type htmlSection struct {
	Name, Title string
	Body        template.HTML
}

type htmlAction struct {
	incident.Action
	Owner string
}

type htmlEntry struct {
	incident.Entry
	Who string
}

type htmlDocument struct {
	incident.Postmortem
	Style    template.CSS
	Approved string
	Times    []Measured
	Picture  template.HTML
	Sections []htmlSection
	Actions  []htmlAction
	Timeline []htmlEntry
}

// HTML writes the document as one self-contained page.
func HTML(pm incident.Postmortem, entries []incident.Entry, names Names) (string, error) {
	return render("page", pm, entries, names)
}

// Body writes the document as the inside of a page that has Style.
func Body(pm incident.Postmortem, entries []incident.Entry, names Names) (string, error) {
	return render("body", pm, entries, names)
}

func render(name string, pm incident.Postmortem, entries []incident.Entry, names Names) (string, error) {
	entries = ordered(entries)
	doc := htmlDocument{
		Postmortem: pm,
		Style:      template.CSS(Style), // our own file
		Times:      Measure(incident.Incident{}, entries).List(),
		Picture:    template.HTML(TimelineSVG(entries, PictureOptions{})), // escapes its texts
	}
	if pm.ApprovedBy != "" {
		doc.Approved = names.Person(pm.ApprovedBy)
	}
	for _, section := range Sections {
		var body bytes.Buffer
		if err := markdown.Convert([]byte(pm.Sections[section]), &body); err != nil {
			return "", fmt.Errorf("render section %s: %w", section, err)
		}
		doc.Sections = append(doc.Sections, htmlSection{section, SectionTitle(section), template.HTML(body.String())})
	}
	for _, a := range pm.Actions {
		doc.Actions = append(doc.Actions, htmlAction{a, owner(a, names)})
	}
	for _, e := range entries {
		doc.Timeline = append(doc.Timeline, htmlEntry{e, actor(e, names)})
	}
	var b strings.Builder
	if err := document.ExecuteTemplate(&b, name, doc); err != nil {
		return "", fmt.Errorf("render postmortem %s: %w", pm.Incident, err)
	}
	return b.String(), nil
}
