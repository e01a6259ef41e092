package records_test

import (
	"slices"
	"testing"
	"time"

	"vakhta/internal/maintenance"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/store"
)

func (r *rig) report(channel, from, client string) string {
	r.t.Helper()
	id := "r-" + channel + from + client
	_, err := r.store.PutReport(r.t.Context(), incident.Report{
		ID: id, Channel: channel, From: from, Client: client, Text: "у меня лежит сервер", ReceivedAt: r.now,
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return id
}

func TestTheSenderOfAReportIsKnownByHisAddress(t *testing.T) {
	for name, c := range map[string]struct {
		channel, from, client   string // of the report
		known                   bool
		isClient, isContact     string
		servers, sites, atFirst int
	}{
		"by messenger":                        {"telegram", "1001", "", true, estate.Romashka, "romashka-duty", 500, 2, 300},
		"by mail, in capitals":                {"email", "Tech@Romashka.example", "", true, estate.Romashka, "romashka-tech", 500, 2, 300},
		"by phone":                            {"phone", "+79000000001", "", true, estate.Romashka, "romashka-director", 500, 2, 300},
		"by phone, from a number for SMS":     {"phone", "+79000000101", "", true, "nevsky-media", "nevsky-media-tech", 0, 0, 0},
		"authenticated":                       {"api", "", estate.Romashka, true, estate.Romashka, "romashka-duty", 500, 2, 300},
		"authenticated, another's address":    {"telegram", "1001", "acme", true, "acme", "acme-tech", 0, 0, 0},
		"a stranger":                          {"telegram", "999", "", false, "", "", 0, 0, 0},
		"an engineer is nobody's contact":     {"telegram", "2001", "", false, "", "", 0, 0, 0},
		"a client that the inventory forgot":  {"api", "", "gone", false, "gone", "", 0, 0, 0},
		"a web form that leaves no address":   {"web", "", "", false, "", "", 0, 0, 0},
		"an address of another channel":       {"email", "1001", "", false, "", "", 0, 0, 0},
		"a messenger that is no channel here": {"icq", "1001", "", false, "", "", 0, 0, 0},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			id := r.report(c.channel, c.from, c.client)
			who := must[records.Reporter](t)(r.TakeReport(t.Context(), records.TakeReportParams{Report: id}))
			if who.Known != c.known || who.Client != c.isClient || who.Contact != c.isContact {
				t.Fatalf("%+v", who)
			}
			if c.servers > 0 && (who.Servers != c.servers || len(who.Sites) != c.sites || who.Sites[0].Servers != c.atFirst) {
				t.Errorf("%+v, want %d servers, the larger site first", who, c.servers)
			}
			kept := must[incident.Report](t)(r.store.Report(t.Context(), id))
			if kept.Contact != c.isContact || kept.Client != c.isClient {
				t.Errorf("kept %+v", kept)
			}
			if told := r.timeline("report/" + id); c.known != (len(told) == 1) {
				t.Errorf("timeline %q", told)
			}
		})
	}
}

func TestAReportCanBeMadeOfAClientAndHisWords(t *testing.T) {
	r := newRig(t)
	p := records.TakeReportParams{Report: "r1", Client: estate.Romashka, Text: "лежит"}
	for range 2 { // the second is a retry
		if who := must[records.Reporter](t)(r.TakeReport(t.Context(), p)); !who.Known || who.Contact != "romashka-duty" {
			t.Fatalf("%+v", who)
		}
	}
	if kept := must[incident.Report](t)(r.store.Report(t.Context(), "r1")); kept.Text != "лежит" || kept.Channel != "api" {
		t.Errorf("%+v", kept)
	}
	if told := r.timeline("report/r1"); len(told) != 1 {
		t.Errorf("timeline %q", told)
	}
}

func TestAReportThatCannotBeTakenSaysWhy(t *testing.T) {
	r := newRig(t)
	_, err := r.TakeReport(t.Context(), records.TakeReportParams{Report: "r1", Client: "romashcka"})
	r.wantInvalid(err, records.TypeInvalid, "client", "romashcka")
	_, err = r.TakeReport(t.Context(), records.TakeReportParams{Report: "r2"})
	r.wantInvalid(err, records.TypeNotFound, "r2")
	_, err = r.store.Report(t.Context(), "r1")
	if err == nil {
		t.Error("a report of an unknown client was kept")
	}
}

func TestPlannedWorkAndOpenIncidentsExplainAReport(t *testing.T) {
	r := newRig(t)
	if e := must[records.Explanation](t)(r.Explain(t.Context(), estate.Romashka)); e.Work != "" || e.Incidents != nil {
		t.Fatalf("nothing is planned, nothing is open: %+v", e)
	}
	in := r.open(r.scenario("pdu"))
	work := func(id string, from, to time.Duration) {
		t.Helper()
		err := r.store.PutMaintenance(t.Context(), maintenance.Work{
			ID: id, Title: map[string]string{"ru": "Замена ввода", "en": "Replacing a feed"}, Components: []string{"msk-r1-feed-a"},
			StartsAt: r.now.Add(from), EndsAt: r.now.Add(to), Announced: r.now.Add(-24 * time.Hour),
			ByClient: map[string][]string{estate.Romashka: {"m1-0101"}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	work("over", -2*time.Hour, -time.Hour)
	work("later", time.Hour, 2*time.Hour)
	if e := must[records.Explanation](t)(r.Explain(t.Context(), estate.Romashka)); e.Work != "" || !slices.Equal(e.Incidents, []string{in.ID}) {
		t.Errorf("%+v, want the incident alone", e)
	}
	work("now", -time.Hour, time.Hour)
	if e := must[records.Explanation](t)(r.Explain(t.Context(), estate.Romashka)); e.Work != "now" {
		t.Errorf("%+v, want the work that is under way", e)
	}
	other := slices.IndexFunc(r.inv.Clients(), func(c *inventory.Client) bool { return !slices.Contains(in.Clients, c.ID) })
	if e := must[records.Explanation](t)(r.Explain(t.Context(), r.inv.Clients()[other].ID)); e.Work != "" || e.Incidents != nil {
		t.Errorf("another client's: %+v", e)
	}
	in.Status, in.ResolvedAt = incident.Resolved, r.now
	r.save(in)
	if e := must[records.Explanation](t)(r.Explain(t.Context(), estate.Romashka)); e.Incidents != nil {
		t.Errorf("after it was resolved: %+v", e)
	}
}

func TestAClosedReportStandsOnBothTimelines(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("server"))
	id := r.report("telegram", "1001", "")
	if _, err := r.TakeReport(t.Context(), records.TakeReportParams{Report: id}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		err := r.CloseReport(t.Context(), records.CloseReportParams{Report: id, Answer: "incident", Incident: in.ID, Summary: "It is incident " + in.ID})
		if err != nil {
			t.Fatal(err)
		}
	}
	if told := r.timeline("report/" + id); len(told) != 2 {
		t.Errorf("the report's timeline: %q", told)
	}
	if told := r.timeline("incident/" + in.ID); len(told) != 3 || !slices.Contains(told, "report: romashka reports a failure by telegram") {
		t.Errorf("the incident's timeline: %q", told)
	}
	reports := must[[]incident.Report](t)(r.store.Reports(t.Context(), store.ReportFilter{Incident: in.ID}))
	if len(reports) != 1 || reports[0].Answer != "incident" {
		t.Errorf("%+v", reports)
	}
	r.wantInvalid(r.CloseReport(t.Context(), records.CloseReportParams{Report: "none"}), records.TypeNotFound, "none")
}
