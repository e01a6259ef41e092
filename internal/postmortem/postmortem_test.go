package postmortem

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

var update = flag.Bool("update", false, "write the golden files anew")

// names calls everything by its id, and one person by his name.
type names struct{}

func (names) Component(id string) string { return id }
func (names) Client(id string) string    { return "client " + id }
func (names) Person(id string) string {
	if id == "ivan" {
		return "Иван Петров"
	}
	return id
}

var t0 = time.Date(2026, 11, 23, 3, 4, 10, 0, time.UTC)

func at(seconds float64) time.Time { return t0.Add(time.Duration(seconds * float64(time.Second))) }

// night is a server that was switched off; a client noticed first.
func night() (incident.Incident, []incident.Entry) {
	inc := incident.Incident{
		ID: "msk-r1-k07-u12-1", Component: "srv-0217", Title: "Server srv-0217 is switched off", Site: "msk",
		Severity: incident.Sev3, Status: incident.Resolved,
		Finding: topology.Finding{
			Component: "srv-0217", Kind: inventory.KindServer, Confidence: 0.993, PowerOff: true, Explains: []string{"srv-0217"},
			Evidence: []topology.Evidence{{Text: "BMC of srv-0217: PowerState Off"}, {Text: "499 other servers of the client answer", Count: 499}},
		},
		Servers: []string{"srv-0217"}, Clients: []string{"romashka"}, Restored: []string{"srv-0217"},
		OpenedAt: at(2.4), ResolvedAt: at(190),
	}
	entries := []incident.Entry{
		{Seq: 1, At: at(0), Kind: "report", Actor: "romashka-duty", Via: "telegram", Text: "A client reports that his server is down"},
		{Seq: 2, At: at(2.4), Kind: "opened", Actor: "vakhta", Text: "Opened: Server srv-0217 is switched off"},
		{Seq: 3, At: at(2.4), Kind: "finding", Actor: "vakhta", Text: "srv-0217 is switched off; BMC says PowerState Off"},
		{Seq: 4, At: at(2.5), Kind: "runbook", Actor: "vakhta", Text: "Runbook server-down, revision 3fa9c1d2"},
		{Seq: 5, At: at(3), Kind: "page", Actor: "vakhta", Via: "call", Text: "Paging ivan of team emergency by call"},
		{Seq: 6, At: at(3.2), Kind: "update", Actor: "vakhta", Text: "Update 1: told 3 contacts of 1 client"},
		{Seq: 7, At: at(21), Kind: "acknowledged", Actor: "ivan", Via: "call", Text: "ivan of team emergency has it"},
		{Seq: 8, At: at(40), Kind: "note", Actor: "ivan", Via: "cli", Text: "PSU B | fuse blown, replacing it <now>"},
		{Seq: 9, At: at(60), Kind: "eta", Actor: "ivan", Via: "cli", Text: "Expected to be back by 2026-11-23T03:10:00Z"},
		{Seq: 10, At: at(62), Kind: "update", Actor: "vakhta", Text: "Update 2: told 3 contacts of 1 client"},
		{Seq: 11, At: at(185), Kind: "restored", Actor: "vakhta", Text: "1 of 1 servers answer again: srv-0217"},
		{Seq: 12, At: at(190), Kind: "resolved", Actor: "vakhta", Text: "All servers answer"},
		{Seq: 13, At: at(86400), Kind: "postmortem", Actor: "ivan", Via: "web", Text: "edited: cause", Internal: true},
	}
	return inc, entries
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; look at it and run the test with -update:\n%s", name, got)
	}
}

func TestGoldenDocuments(t *testing.T) {
	inc, entries := night()
	pm := Draft(inc, entries, names{})
	pm.Actions[0].Owner, pm.Actions[0].DoneAt = "ivan", at(90000)
	golden(t, "night.md", Markdown(pm, entries, names{}))
	page, err := HTML(pm, entries, names{})
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "night.html", page)
	golden(t, "night.svg", TimelineSVG(entries, PictureOptions{}))
}

func TestTimesAreSinceTheFirstWord(t *testing.T) {
	inc, entries := night()
	got := Measure(inc, entries)
	want := Times{
		Start: t0, Identify: 2400 * time.Millisecond, Page: 3 * time.Second, Acknowledge: 21 * time.Second,
		Tell: 3200 * time.Millisecond, Restore: 185 * time.Second, Resolve: 190 * time.Second,
	}
	if got != want {
		t.Errorf("Measure = %+v, want %+v", got, want)
	}
	nothing := Measure(incident.Incident{}, nil)
	if len(nothing.List()) != 0 {
		t.Errorf("an empty record has times: %+v", nothing.List())
	}
}

func TestDraftSaysWhoNoticedFirst(t *testing.T) {
	inc, entries := night()
	if pm := Draft(inc, entries, names{}); !strings.Contains(pm.Sections["lessons"], "A client noticed before we did") || len(pm.Actions) != 2 {
		t.Errorf("lessons %q, actions %+v", pm.Sections["lessons"], pm.Actions)
	}
	entries[0].Kind = "alert"
	if pm := Draft(inc, entries, names{}); strings.Contains(pm.Sections["lessons"], "A client noticed") {
		t.Error("an alert came first, the draft blames monitoring")
	}
}

func TestDraftOfAnEmptyRecordIsHonest(t *testing.T) {
	pm := Draft(incident.Incident{ID: "i", Title: "something"}, nil, names{})
	for _, section := range Sections {
		if pm.Sections[section] == "" {
			t.Errorf("section %s is empty", section)
		}
	}
	if !strings.Contains(pm.Sections["summary"], "not resolved yet") || !strings.Contains(pm.Sections["cause"], "No point of failure") {
		t.Errorf("sections %+v", pm.Sections)
	}
	if TimelineSVG(nil, PictureOptions{}) != "" {
		t.Error("a picture of nothing")
	}
}

func TestWhatPeopleWriteCannotBreakThePage(t *testing.T) {
	inc, entries := night()
	const evil = `<script>alert(1)</script>`
	pm := Draft(inc, entries, names{})
	pm.Title = evil
	for _, section := range Sections {
		pm.Sections[section] = evil + "\n\n[x](javascript:alert(1))"
	}
	pm.Actions[0].Text, pm.Actions[0].Owner = evil, evil
	entries[0].Text, entries[0].Kind, entries[0].Actor = evil, evil, evil
	page, err := HTML(pm, entries, names{})
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(page, "<script") || strings.Contains(page, "javascript:") {
		t.Error("the page holds what somebody wrote as markup")
	}
}

func TestSpansReadAsPeopleSayThem(t *testing.T) {
	tests := map[time.Duration]string{
		-1: "—", 0: "0 s", 340 * time.Millisecond: "0.3 s", 2400 * time.Millisecond: "2.4 s", 21 * time.Second: "21 s",
		185 * time.Second: "3 min 5 s", time.Hour: "1 h", 2*time.Hour + 10*time.Minute: "2 h 10 min", 50 * time.Hour: "2 d 2 h",
	}
	for d, want := range tests {
		if got := Span(d); got != want {
			t.Errorf("Span(%v) = %q, want %q", d, got, want)
		}
	}
}

// TestAnyTimelineIsAPicture draws random timelines: the picture is well-formed
// XML and holds every event.
func TestAnyTimelineIsAPicture(t *testing.T) {
	kinds := []string{"opened", "page", "acknowledged", "update", "restored", "note", "strange", "finding"}
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 120).Draw(t, "n")
		span := rapid.Int64Range(0, int64(72*time.Hour)).Draw(t, "span")
		entries := make([]incident.Entry, n)
		for i := range entries {
			entries[i] = incident.Entry{
				Seq: int64(i), At: t0.Add(time.Duration(rapid.Int64Range(0, span).Draw(t, "at"))),
				Kind: rapid.SampledFrom(kinds).Draw(t, "kind"), Text: fmt.Sprintf("event-%d %s", i, rapid.StringN(0, 60, 200).Draw(t, "text")),
			}
		}
		picture := TimelineSVG(entries, PictureOptions{Width: rapid.IntRange(300, 2000).Draw(t, "width")})
		dec := xml.NewDecoder(strings.NewReader(picture))
		var text strings.Builder
		for {
			token, err := dec.Token()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("not XML: %v", err)
			}
			if chars, ok := token.(xml.CharData); ok {
				text.Write(chars)
			}
		}
		for i := range entries {
			if !strings.Contains(text.String(), fmt.Sprintf("event-%d ", i)) {
				t.Fatalf("event %d is not in the picture", i)
			}
		}
	})
}
