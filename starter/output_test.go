package main

import (
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

func TestGridHasACellForEachMachineOrGroup(t *testing.T) {
	state := workflows.LocalizeProgress{
		Stage: "sweeping", Round: 2, Total: 500, Checked: 213, Down: 1,
		Sites:  []workflows.SiteProgress{{Site: "msk", Total: 30, Checked: 30, Down: 2}, {Site: "spb", Total: 470, Checked: 183, Down: 1, Unknown: 9}},
		Absent: []string{"spb"},
	}
	p := &progress{}
	if got, want := headline(state), "sweeping, round 2: 213 of 500 checked, 1 down, 9 unknown, no answer from vantage spb"; got != want {
		t.Errorf("headline %q, want %q", got, want)
	}
	const first, last = "  msk ■■■■■■■■■■■■■■■■■■■■■■■■■■■■✗✗ 30/30, 2 down", "183/470, 1 down, 9 unknown; a cell is 3 machines"
	got := p.grid(state, 60)
	if len(got) != 5 || got[0] != first || !strings.HasSuffix(got[4], last) {
		t.Errorf("grid:\n%s", strings.Join(got, "\n"))
	}
	for _, width := range []int{1, 12, 20, 40, 80, 200} {
		marks := 0
		for _, line := range p.grid(state, width) {
			marks += strings.Count(line, "✗")
			if cells := strings.Count(line, "■") + strings.Count(line, "·"); cells > max(width, 20) {
				t.Errorf("width %d: a line of %d cells", width, cells)
			}
		}
		if marks < 2 {
			t.Errorf("width %d hides what is down", width)
		}
	}
}

func TestProgressIsPrintedWhenItChanges(t *testing.T) {
	var out strings.Builder
	p := newProgress(&out)
	at := p.began
	p.now = func() time.Time { at = at.Add(500 * time.Millisecond); return at }
	for range 3 {
		p.show(workflows.LocalizeProgress{Stage: "sweeping", Total: 2, Checked: 1})
	}
	if got, want := out.String(), "sweeping: 1 of 2 checked, 0 down, 2/s, 0.5 s\n"; got != want {
		t.Errorf("a file got %q; want %q", got, want)
	}
}

// That nothing was found is no comfort where nobody could look.
func TestNothingFoundIsNotAllIsWellWhereNobodyLooked(t *testing.T) {
	site := func(total, checked, unknown int) workflows.LocalizeProgress {
		return workflows.LocalizeProgress{Total: total, Checked: checked, Sites: []workflows.SiteProgress{{Site: "spb", Total: total, Checked: checked, Unknown: unknown}}}
	}
	was := site(60, 60, 0)
	was.Down, was.WasSo = 2, 2
	absent := site(60, 60, 60)
	absent.Absent = []string{"spb"}
	for want, s := range map[string]workflows.LocalizeProgress{
		"60 of 60 machines checked, 0 down\nnothing is wrong that a probe can see\n":                   site(60, 60, 0),
		"60 of 60 machines checked, 2 down\nno news: 2 were down before, or are under planned work\n":  was,
		"0 of 0 machines checked, 0 down\nnothing was looked at: the inventory has no machine there\n": site(0, 0, 0),
		"0 of 60 machines checked, 0 down\n! no answer from vantage spb: what only it sees is not judged; see that `vakhta-worker --roles probe --vantage spb` runs there\n" +
			"? spb: of 60 of 60 machines no probe could tell how they are\nnobody could look, so nothing is known: not that all is well\n": absent,
		"50 of 60 machines checked, 0 down\n? spb: of 10 of 60 machines no probe could tell how they are\nof the others, nothing is wrong that a probe can see\n":                                             site(60, 60, 10),
		"0 of 1 machines checked, 0 down\n? 1 of 1 machines can't be asked: the inventory gives them no address and nothing to ask (`probe`)\nnobody could look, so nothing is known: not that all is well\n": site(1, 0, 0),
	} {
		var out strings.Builder
		must(t, printFindings(&out, workflows.LocalizeResult{Progress: s}, nil, inventory.English))
		if out.String() != want {
			t.Errorf("%+v:\n%s\nwant\n%s", s, out.String(), want)
		}
	}
}

func TestEvenOddsHaveNoSign(t *testing.T) {
	var out strings.Builder
	must(t, printFindings(&out, workflows.LocalizeResult{Findings: []topology.Finding{{Component: "pdu-1", Kind: inventory.KindPDU, LogOdds: -0.01}}}, nil, inventory.English))
	if strings.Contains(out.String(), "-0") {
		t.Error(out.String())
	}
}

func TestServicesAreToldApartFromMachines(t *testing.T) {
	var out strings.Builder
	must(t, printFindings(&out, workflows.LocalizeResult{
		Progress: workflows.LocalizeProgress{Total: 2, Checked: 2},
		Notices: []records.Notice{
			{Component: "web", Probe: topology.ProbeHTTP, Unwell: true, Text: "port 80: status 503"},
			{Component: "web", Probe: topology.ProbeTLS, Text: "port 443: certificate expires in 4 days"},
		},
	}, nil, inventory.English))
	want := `2 of 2 machines checked, 0 down
! web answers, but not as it should by HTTP: port 80: status 503
! web: TLS: port 443: certificate expires in 4 days
no machine and no equipment has failed that a probe can see: look at these services
`
	if out.String() != want {
		t.Errorf("got\n%s\nwant\n%s", out.String(), want)
	}
}

func TestFindingsAreATreeWithEvidence(t *testing.T) {
	var out strings.Builder
	err := printFindings(&out, workflows.LocalizeResult{
		Progress: workflows.LocalizeProgress{Total: 24, Checked: 24, Down: 13},
		Findings: []topology.Finding{{
			Component: "pdu-1", Kind: inventory.KindPDU, Confidence: 0.981, Probability: 0.6, LogOdds: 7.25, AmbiguousWith: []string{"feed-a"},
			Explains: []string{"s01", "s02", "s03", "s04", "s05", "s06", "s07", "s08", "s09", "s10", "s11", "s12"},
			Evidence: []topology.Evidence{{Text: "12 servers behind it do not answer", Count: 12}},
		}},
		Unexplained: []string{"s99"},
		Blind:       []string{"spb"},
	}, nil, inventory.English)
	must(t, err)
	want := `24 of 24 machines checked, 13 down
! vantage spb sees nothing of what others see: what it says doesn't count

● pdu pdu-1 has failed
  ├─ component pdu-1 (pdu), confidence 60%, log-odds 7.2
  ├─ 12 servers behind it do not answer
  ├─ explains 12: s01, s02, s03, s04, s05, s06, s07, s08, s09, s10 and 2 more
  └─ can't be told from feed-a; one of these with confidence 98%

? 1 down that nothing explains: s99
`
	if out.String() != want {
		t.Errorf("findings:\n%s\nwant:\n%s", out.String(), want)
	}
}

func TestIncidentIsShownWithStepsTeamsAndTimeline(t *testing.T) {
	var out strings.Builder
	now := time.Date(2026, 11, 23, 3, 10, 0, 0, time.UTC)
	must(t, printIncident(&out, shownIncident{
		IncidentStatus: workflows.IncidentStatus{
			Incident: incident.Incident{
				ID: "pdu-1-1", Title: "PDU pdu-1 has failed", Severity: incident.Sev2, Status: incident.Identified,
				Servers: []string{"s01", "s02"}, Restored: []string{"s01"}, Clients: []string{"acme"}, OpenedAt: now.Add(-time.Minute),
			},
			Steps: []workflows.StepStatus{{ID: "replace-fuse", Kind: "task", State: "running", Manual: true}},
			Teams: map[string]workflows.EscalateStatus{"network": {State: "acknowledged", Round: 1, Level: 2, Paged: []string{"ivan"}, AcknowledgedBy: "ivan", Via: "call"}},
		},
		Timeline: []incident.Entry{{At: now, Kind: "note", Actor: "ivan", Via: "cli", Text: "a\nb"}},
	}, nil, now))
	for _, says := range []string{"sev2, identified, 1 of 2 machines back, network taken by ivan", "lasts 1 min;", "waits for you", "ivan (cli)", "a b\n"} {
		if !strings.Contains(out.String(), says) {
			t.Errorf("output does not say %q:\n%s", says, out.String())
		}
	}
}

// What was found is said in its sentence: where it is, since when, what to do next.
func TestAnIncidentIsShownWithItsFindingsSentence(t *testing.T) {
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(testEstate)})
	must(t, err)
	f := topology.Finding{Component: "msk-k1", Kind: inventory.KindRack, Confidence: .7, Explains: []string{"srv-0001"}}
	var out strings.Builder
	must(t, printIncident(&out, shownIncident{IncidentStatus: workflows.IncidentStatus{Incident: incident.Incident{ID: "k1-1", Finding: f}}}, inv, time.Now()))
	if want := "  " + topology.Sentence(inv, f, inventory.English) + "\n"; !strings.Contains(out.String(), want) {
		t.Errorf("does not say %q:\n%s", want, out.String())
	}
}
