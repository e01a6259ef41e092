package maintenance_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/maintenance"
	"vakhta/internal/topology"
)

const estateText = `version: 1
sites: [{id: msk, name: Moscow, timezone: Europe/Moscow, vantages: [out]}]
components:
  - {id: feed-a, kind: feed, in: msk}
  - {id: feed-b, kind: feed, in: msk}
  - {id: pdu-a, kind: pdu, in: msk, needs: {power: [feed-a]}}
  - {id: pdu-b, kind: pdu, in: msk, needs: {power: [feed-b]}}
  - {id: s1, kind: server, in: msk, client: acme, needs: {power: [pdu-a, pdu-b]}}
  - {id: s2, kind: server, in: msk, client: acme, needs: {power: [pdu-b]}}
  - {id: s3, kind: server, in: msk, client: other, needs: {power: [pdu-a, pdu-b]}}
clients:
  - {id: acme, language: ru, timezone: Europe/Moscow, contacts: [{id: a, addresses: {email: a@acme.example}}]}
  - {id: other, language: en, timezone: UTC, contacts: [{id: o, addresses: {email: o@other.example}}]}
teams: [{id: emergency, members: [{id: i, addresses: {email: i@x.example}}], levels: [{members: [i], ackWithin: 1m}]}]
`

func load(t *testing.T, text string) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(text)})
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func clientOf(inv *inventory.Inventory) func(string) string {
	return func(id string) string {
		c, _ := inv.Component(id)
		return c.Client
	}
}

func TestAWorkTouchesWhoLosesServiceAndWhoLosesRedundancy(t *testing.T) {
	inv := load(t, estateText)
	w := maintenance.Work{Components: []string{"feed-b"}}
	w.Measure(topology.New(inv), clientOf(inv))
	if got := w.ByClient; len(got) != 1 || !slices.Equal(got["acme"], []string{"s2"}) {
		t.Errorf("loses service: %v, want s2 of acme", got)
	}
	if got := w.Reduced; len(got) != 2 || !slices.Equal(got["acme"], []string{"s1"}) || !slices.Equal(got["other"], []string{"s3"}) {
		t.Errorf("loses redundancy: %v, want s1 and s3", got)
	}
}

func TestTwoWorksThatBreakARedundancyConflict(t *testing.T) {
	inv := load(t, estateText)
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	w := maintenance.Work{ID: "b", Components: []string{"feed-b"}, StartsAt: at, EndsAt: at.Add(2 * time.Hour)}
	other := func(from, to time.Duration, components ...string) maintenance.Other {
		o := maintenance.Other{Name: "maintenance/a", Components: components, From: at.Add(from)}
		if to != 0 {
			o.To = at.Add(to)
		}
		return o
	}
	for name, c := range map[string]struct {
		other maintenance.Other
		want  []string
	}{
		"the other side at the same time":  {other(-time.Hour, time.Hour, "pdu-a"), []string{"s1", "s3"}},
		"an open incident on the other":    {other(-time.Hour, 0, "feed-a"), []string{"s1", "s3"}},
		"the same side":                    {other(0, time.Hour, "pdu-b"), nil},
		"over before it begins":            {other(-2*time.Hour, 0-time.Nanosecond, "pdu-a"), nil},
		"ends as it begins":                {other(-2*time.Hour, -time.Minute, "pdu-a"), nil},
		"begins as it ends":                {other(2*time.Hour, 3*time.Hour, "pdu-a"), nil},
		"what the inventory does not know": {other(0, time.Hour, "nothing"), nil},
	} {
		got := w.Conflicts(topology.New(inv), []maintenance.Other{c.other})
		if len(c.want) == 0 && len(got) != 0 || len(c.want) > 0 && (len(got) != 1 || !slices.Equal(got[0].Servers, c.want) || got[0].With != "maintenance/a") {
			t.Errorf("%s: %+v, want %v", name, got, c.want)
		}
	}
}

const good = `id: feed-b
title: {ru: Замена ввода, en: Replacement}
components: [feed-b]
timezone: Europe/Moscow
start: 2026-12-01 02:00
end: 2026-12-01 05:00
owner: emergency
notices: [72h, 1h]
`

func TestADocumentIsReadAndItsMistakesAreNamed(t *testing.T) {
	inv := load(t, estateText)
	w, err := maintenance.Read("work.yaml", []byte(good), inv)
	if err != nil {
		t.Fatal(err)
	}
	if want := time.Date(2026, 11, 30, 23, 0, 0, 0, time.UTC); !w.StartsAt.Equal(want) || w.EndsAt.Sub(w.StartsAt) != 3*time.Hour || w.Status != maintenance.Planned || len(w.Notices[maintenance.Outage]) != 2 || len(w.Notices[maintenance.Degraded]) != 2 {
		t.Errorf("%+v", w)
	}
	if at := w.AnnounceAt(maintenance.Outage); w.StartsAt.Sub(at) != 72*time.Hour {
		t.Errorf("announced at %s, want 72 hours before", at)
	}
	if r, ok := w.NextReminder(maintenance.Outage, w.StartsAt.Add(-48*time.Hour)); !ok || !r.Equal(w.StartsAt.Add(-time.Hour)) {
		t.Errorf("reminded at %v, want an hour before", r)
	}
	if _, ok := w.NextReminder(maintenance.Outage, w.StartsAt.Add(-time.Hour)); ok {
		t.Error("a reminder after the last one")
	}
	for says, change := range map[string][2]string{
		"id:":                  {"id: feed-b\n", ""},
		"title.en":             {", en: Replacement", ""},
		"components[0]":        {"[feed-b]", "[feed-c]"},
		"timezone:":            {"Europe/Moscow", "Moscow"},
		"start:":               {"2026-12-01 02:00", "tomorrow"},
		"is not after":         {"2026-12-01 05:00", "2026-12-01 01:00"},
		"owner:":               {"emergency", "nobody"},
		"notices.outage[0]":    {"72h", "3 days"},
		"must be told before":  {"[72h, 1h]", "[]"},
		"notices: \"gone\"":    {"[72h, 1h]", "{gone: [1h]}"},
		"impact: \"all\"":      {"owner:", "impact: all\nowner:"},
		"].impact:":            {"[feed-b]", "[{id: feed-b, impact: some}]"},
		"is there twice":       {"[feed-b]", "[feed-b, feed-b]"},
		"work.yaml:1:1":        {"id: feed-b", "idd: feed-b"},
		"comes twice":          {"timezone: Europe/Moscow\nstart: 2026-12-01 02:00", "timezone: Europe/Berlin\nstart: 2026-10-25 02:30"},
		"the clock leaps over": {"timezone: Europe/Moscow\nstart: 2026-12-01 02:00", "timezone: Europe/Berlin\nstart: 2026-03-29 02:30"},
	} {
		if _, err := maintenance.Read("work.yaml", []byte(strings.Replace(good, change[0], change[1], 1)), inv); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want it to say %q", err, says)
		}
	}
	if _, err := maintenance.Read("work.yaml", nil, inv); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("nothing: %v", err)
	}
}

func TestImpactsAndNoticesAreReadPerComponentAndPerImpact(t *testing.T) {
	inv := load(t, estateText)
	text := strings.NewReplacer("[feed-b]", "[{id: pdu-b, impact: reduced-redundancy}, s2]", "[72h, 1h]", "{outage: [14d, 90m], degraded: []}").Replace(good)
	w, err := maintenance.Read("work.yaml", []byte(text), inv)
	if err != nil {
		t.Fatal(err)
	}
	if w.ImpactOf("pdu-b") != maintenance.ReducedRedundancy || w.ImpactOf("s2") != maintenance.Outage || !slices.Equal(w.Dark(), []string{"s2"}) || len(w.Off()) != 2 {
		t.Errorf("%v, dark %v, off %v", w.Impacts, w.Dark(), w.Off())
	}
	if told := w.Told(); len(told) != 1 || w.StartsAt.Sub(w.AnnounceAt(maintenance.Outage)) != 14*24*time.Hour {
		t.Errorf("told are %v, notices %v", told, w.Notices)
	}
}

func TestAClientCountsByTheWorstThatBefallsHim(t *testing.T) {
	w := maintenance.Work{
		Notices:  maintenance.DefaultPolicy(),
		ByClient: map[string][]string{"a": {"s1"}}, Degraded: map[string][]string{"a": {"s2"}, "b": {"s3"}}, Reduced: map[string][]string{"b": {"s4"}, "c": {"s5"}},
	}
	for want, impacts := range map[string][]maintenance.Impact{
		"a b": nil, "a": {maintenance.Outage}, "b": {maintenance.Degraded}, "c": {maintenance.ReducedRedundancy},
	} {
		if got := strings.Join(w.Audience(impacts...), " "); got != want {
			t.Errorf("audience of %v: %s, want %s", impacts, got, want)
		}
	}
	if i, servers := w.Of("b"); i != maintenance.Degraded || !slices.Equal(servers, []string{"s3"}) {
		t.Errorf("b: %s %v", i, servers)
	}
}

func TestOnlyALivingWorkExplains(t *testing.T) {
	at := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	for status, want := range map[maintenance.Status][3]bool{ // before, within, after its window
		"": {false, true, false}, maintenance.Planned: {}, maintenance.Approved: {false, true, false},
		maintenance.Running: {true, true, true}, maintenance.Completed: {}, maintenance.Cancelled: {},
	} {
		w := maintenance.Work{Status: status, StartsAt: at, EndsAt: at.Add(time.Hour)}
		for i, when := range []time.Duration{-time.Minute, time.Minute, 2 * time.Hour} {
			if got := w.Explains(at.Add(when)); got != want[i] {
				t.Errorf("%q, %s after its start: %v, want %v", status, when, got, want[i])
			}
		}
	}
}

func TestAPDUOfTheLabTakesDownWhatHangsOnItAlone(t *testing.T) {
	inv, err := inventory.Load(estate.Generate(estate.Options{Seed: 1}))
	if err != nil {
		t.Fatal(err)
	}
	pdu, err := estate.Scenario("pdu")
	if err != nil {
		t.Fatal(err)
	}
	w := maintenance.Work{Components: []string{pdu}}
	w.Measure(topology.New(inv), clientOf(inv))
	n := 0
	for _, servers := range w.ByClient {
		n += len(servers)
	}
	if n != 24 || len(w.ByClient) < 2 {
		t.Errorf("%d machines of %d clients, want 24 of several", n, len(w.ByClient))
	}
}
