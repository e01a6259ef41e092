package workflows

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/mock"

	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/topology"
)

func (w *world) playReport() { w.play("report/r1", ClientReport, ClientReportInput{Report: "r1"}) }

// said are the replies, in the order in which they left.
func (w *world) said() string { return strings.Join(w.sent, "; ") }

func TestReportIsAnsweredByWhatIsKnown(t *testing.T) {
	down := func(p probe.ShardParams) (probe.ShardResult, error) {
		return probe.ShardResult{BySite: []probe.SiteCount{{Site: p.Vantage, Down: 1}}}, nil
	}
	const received = "reply/1 report.received rung 0; "
	underWork := records.Explanation{Work: "m1", Phase: records.PhaseRunning}
	for name, c := range map[string]struct {
		set  func(*world)
		kind string
		last string // the event of the last reply
		task string
	}{
		"a stranger":   {func(w *world) { w.reporter = records.Reporter{} }, "unknown-client", "report.unknown-client", "stranger"},
		"planned work": {func(w *world) { w.explain = underWork }, "planned", "report.planned", ""},
		"all of it planned": {func(w *world) {
			w.explain = underWork
			w.explain.Whole = true
			w.plan = records.SweepPlan{} // a sweep would be unclear
		}, "planned", "report.planned", ""},
		"planned, and all that is down": {func(w *world) {
			w.explain, w.sweep = underWork, down
			w.infer = func(int) records.Inferred { return records.Inferred{WasSo: 2, Down: 2} }
		}, "planned", "report.planned", ""},
		"planned, and more": {func(w *world) {
			w.explain, w.sweep = underWork, down
			w.infer = func(int) records.Inferred { return records.Inferred{WasSo: 1, Down: 2, Unexplained: []string{"s2"}} }
		}, "unclear", "report.progress", "unclear"},
		"planned, and not checked": {func(w *world) { w.explain, w.reporter.Client = underWork, "nobody" }, "planned", "report.planned", "unchecked"},
		"work that is over":        {func(w *world) { w.explain.Work, w.explain.Phase = "m1", records.PhaseFinished }, "healthy", "report.healthy", ""},
		"all is well":              {func(*world) {}, "healthy", "report.healthy", ""},
		"no machine":               {func(w *world) { w.plan, w.reporter.Servers = records.SweepPlan{}, 0 }, "unclear", "report.progress", "unclear"},
		"not explained":            {func(w *world) { w.sweep = down }, "unclear", "report.progress", "unclear"},
		"not to be told":           {func(w *world) { w.plan.Total = 4 }, "unclear", "report.progress", "unclear"},
		"unknown": {func(w *world) {
			w.sweep = func(p probe.ShardParams) (probe.ShardResult, error) {
				return probe.ShardResult{BySite: []probe.SiteCount{{Site: p.Vantage, Unknown: 1}}}, nil
			}
		}, "unclear", "report.progress", "unclear"},
		"all answers, and one serves badly": {func(w *world) {
			w.infer = func(int) records.Inferred {
				return records.Inferred{Notices: []records.Notice{{Component: "s1", Probe: topology.ProbeHTTP, Unwell: true, Text: "port 80: status 503"}}}
			}
		}, "unclear", "report.progress", "unclear"},
		"a certificate that expires soon": {func(w *world) {
			w.infer = func(int) records.Inferred {
				return records.Inferred{Notices: []records.Notice{{Component: "s1", Probe: topology.ProbeTLS, Text: "port 443: certificate expires in 4 days"}}}
			}
		}, "healthy", "report.healthy", ""},
		"planned, and another serves badly": {func(w *world) {
			w.explain = underWork
			w.infer = func(int) records.Inferred {
				return records.Inferred{Notices: []records.Notice{{Component: "s1", Probe: topology.ProbeHTTP, Unwell: true, Text: "port 80: status 503"}}}
			}
		}, "unclear", "report.progress", "unclear"},
		"absent vantage": {func(w *world) {
			w.sweep = func(probe.ShardParams) (probe.ShardResult, error) { return probe.ShardResult{}, errAbsent }
		}, "unclear", "report.progress", "unclear"},
		"the check fails": {func(w *world) { w.reporter.Client = "nobody" }, "unclear", "report.progress", "unclear"},
		"a finding": {func(w *world) {
			w.OnSignalExternalWorkflow(mock.Anything, "incident/i1", "", SignalReported, mock.Anything).Return(nil)
			w.sweep = down
			w.infer = func(int) records.Inferred { return records.Inferred{Findings: []topology.Finding{pduDown()}, Down: 2} }
			w.open = func(records.OpenIncidentParams) (records.Opened, error) {
				return records.Opened{Incident: w.record}, nil
			}
		}, "finding", "report.finding", ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			c.set(w)
			w.playReport()
			a := must[ReportAnswer](w)
			if a.Kind != c.kind || a.Stage != "answered" || len(w.closed) != 1 || w.closed[0].Answer != c.kind {
				t.Errorf("answer %+v, closed %+v; want %s", a, w.closed, c.kind)
			}
			if last := w.replies[len(w.replies)-1].Event; last != c.last {
				t.Errorf("the last reply is %s, want %s; said: %s", last, c.last, w.said())
			}
			if got := strings.Join(w.taskKeys(), ","); got != c.task {
				t.Errorf("tasks %q, want %q", got, c.task)
			}
			if a.Kind == "healthy" && !strings.HasPrefix(w.said(), received) {
				t.Errorf("said %s", w.said())
			}
		})
	}
}

func TestAFailureBesidePlannedWorkIsFoundAndFlagged(t *testing.T) {
	w := newWorld(t)
	w.explain = records.Explanation{Work: "m1", Phase: records.PhaseRunning}
	w.infer = func(int) records.Inferred { return records.Inferred{Findings: []topology.Finding{pduDown()}, Down: 2} }
	var opened records.OpenIncidentParams
	w.open = func(p records.OpenIncidentParams) (records.Opened, error) {
		opened = p
		return records.Opened{Incident: w.record, Created: true}, nil
	}
	w.OnWorkflow(Incident, mock.Anything, mock.Anything).Return(IncidentStatus{}, nil)
	w.playReport()
	if a := must[ReportAnswer](w); a.Kind != "finding" || a.Work != "m1" || opened.Beside != "m1" {
		t.Errorf("answer %+v, opened %+v", a, opened)
	}
	if want := "reply/1 report.planned rung 0; reply/2 report.finding rung 0"; w.said() != want {
		t.Errorf("said %s, want %s", w.said(), want)
	}
}

func TestRepliesLeaveInTheOrderTheyWereSaidOneForEachSite(t *testing.T) {
	w := newWorld(t)
	w.playReport()
	must[ReportAnswer](w)
	want := "reply/1 report.received rung 0; reply/2 report.progress rung 0; reply/3 report.healthy rung 0"
	if w.said() != want {
		t.Errorf("said\n %s\nwant\n %s", w.said(), want)
	}
}

func TestRefusedReplyClimbsToTheNextChannelThenToAPerson(t *testing.T) {
	w := newWorld(t)
	w.explain = records.Explanation{Work: "m1", Phase: records.PhaseRunning, Whole: true}
	w.refuse = func(id string) bool { return strings.HasPrefix(id, "reply/") }
	w.replyable = func(p records.ReplyParams) bool { return p.Rung < 2 }
	w.playReport()
	must[ReportAnswer](w)
	if want := "reply/1 report.planned rung 0; reply/1 report.planned rung 1; task/unreachable"; w.said() != want {
		t.Errorf("said %s, want %s", w.said(), want)
	}
}

func TestReportOfAnOpenIncidentJoinsIt(t *testing.T) {
	w := newWorld(t)
	w.explain.Incidents = []string{"i1"}
	var joined []ReportedSignal
	w.OnSignalExternalWorkflow("default-test-namespace", "incident/i1", "", SignalReported, ReportedSignal{Report: "r1", Client: "acme", Told: "anna"}).
		Return(func(_, _, _, _ string, arg any) error {
			joined = append(joined, arg.(ReportedSignal))
			return nil
		})
	w.playReport()
	if a := must[ReportAnswer](w); a.Kind != "incident" || len(joined) != 1 || w.elapsed() > time.Second {
		t.Errorf("answer %+v, joined %v", a, joined)
	}
}

// A client reads of no machine that it answers because nobody could ask it.
func TestWhatNobodyCouldAskIsNotSaidToBeChecked(t *testing.T) {
	got := progressReply(LocalizeProgress{Total: 120, Checked: 120, Down: 2, Sites: []SiteProgress{
		{Site: "msk", Total: 60, Checked: 60, Down: 2}, {Site: "spb", Total: 60, Checked: 60, Unknown: 60},
	}})
	if got.Checked != 60 || got.Down != 2 || got.Total != 120 || got.Sites[0].Checked != 60 || got.Sites[1].Checked != 0 {
		t.Errorf("%+v, want 60 checked of 120, and none at spb", got)
	}
}
