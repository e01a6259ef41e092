package records_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

func TestOnePersonIsPagedOnceForTwoTeamsOfOneIncident(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	p := records.PageParams{Incident: in.ID, Team: "emergency", Contacts: []string{"ivan"}, Channel: inventory.Telegram, Round: 1, Level: 1}
	_, pages := r.page(p)
	q := p
	q.Team = "network"
	if c, _ := r.page(q); !slices.Equal(c.Bundled, []string{"ivan"}) || len(c.Batches) > 0 {
		t.Errorf("the other team's page: %+v, want it bundled", c)
	}
	if c, ns := r.page(p); len(ns) != 1 || len(c.Bundled) > 0 {
		t.Errorf("a retry of the first: %+v", c)
	}
	if _, _, err := r.store.Acknowledge(t.Context(), pages[0].ID, "telegram", r.now); err != nil {
		t.Fatal(err)
	}
	ask := records.PageStateParams{Incident: in.ID, Team: "network"}
	if s := must[records.PageState](t)(r.PageAcknowledged(t.Context(), ask)); s.AcknowledgedBy != "" {
		t.Errorf("%+v, though nothing was bundled", s)
	}
	ask.Bundled = []string{"ivan"}
	if s := must[records.PageState](t)(r.PageAcknowledged(t.Context(), ask)); s.AcknowledgedBy != "ivan" {
		t.Errorf("%+v, want ivan's to count for both", s)
	}
	r.now = r.now.Add(3 * time.Minute)
	q.Level = 2
	if c, ns := r.page(q); len(ns) != 1 {
		t.Errorf("three minutes later: %+v, want a page", c)
	}
}

func TestManyPagesSpareOnlyTheSecondOfASmallIncident(t *testing.T) {
	r := newRig(t)
	var rows []ledger.Notification
	for i := range 6 {
		rows = append(rows, ledger.Notification{
			Key: fmt.Sprintf("k%d", i), Subject: fmt.Sprintf("incident/x%d", i), Event: "page", Step: "page/emergency/1.1.0", Contact: "ivan", Channel: inventory.Telegram, Body: "x",
		})
	}
	if _, err := r.store.Enqueue(t.Context(), rows, r.now); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		scenario string
		spared   bool
	}{{"pdu", false}, {"server", true}} {
		in := r.open(r.scenario(c.scenario))
		p := records.PageParams{Incident: in.ID, Team: "emergency", Contacts: []string{"ivan"}, Channel: inventory.Telegram, Round: 1, Level: 1}
		if _, ns := r.page(p); len(ns) != 1 {
			t.Errorf("%s (%s): the first page is not sent", c.scenario, in.Severity)
		}
		p.Round = 2
		if out, _ := r.page(p); slices.Equal(out.Spared, []string{"ivan"}) != c.spared {
			t.Errorf("%s (%s): the second page: %+v", c.scenario, in.Severity, out)
		}
	}
}

func TestTheRosterSaysWhomALevelPages(t *testing.T) {
	r := newRig(t)
	in := r.open(r.scenario("pdu"))
	usual := []inventory.Rung{{Channel: inventory.Telegram, WaitSeconds: 60}}
	got := must[records.Roster](t)(r.Roster(t.Context(), records.RosterParams{Incident: in.ID, Team: "emergency", Ladder: usual}))
	if got.Levels != 2 || got.Repeat != 2 || got.Gap || len(got.People) == 0 || len(got.People[0].Ladder) == 0 {
		t.Errorf("level 1: %+v", got)
	}
	if got = must[records.Roster](t)(r.Roster(t.Context(), records.RosterParams{Incident: in.ID, Team: "emergency", Level: 2, Ladder: usual})); len(got.People) > 0 || got.Levels != 2 {
		t.Errorf("beyond the last level: %+v", got)
	}
	if got = must[records.Roster](t)(r.Roster(t.Context(), records.RosterParams{Incident: in.ID, Team: "emergency", Fallback: true, Ladder: usual})); len(got.People) != 3 {
		t.Errorf("the fallback is everybody: %+v", got)
	}
	_, err := r.Roster(t.Context(), records.RosterParams{Incident: in.ID, Team: "firemen"})
	r.wantInvalid(err, records.TypeInvalid, "team", "firemen")
}
