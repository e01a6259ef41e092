package main

import (
	"context"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// brokenStore is a store that can't write.
type brokenStore struct{ *store.Store }

var errDisk = errors.New("disk full")

func (brokenStore) PutReport(context.Context, incident.Report) (bool, error) { return false, errDisk }

func (brokenStore) PutAlerts(context.Context, []incident.Alert) ([]incident.Alert, error) {
	return nil, errDisk
}

func (brokenStore) ApplyEvents(context.Context, []ledger.Event, time.Time) ([]ledger.Applied, error) {
	return nil, errDisk
}

const alertmanagerGroup = `{
  "version": "4", "groupKey": "{}:{}", "truncatedAlerts": 0, "status": "firing", "receiver": "vakhta", "someNewField": [1],
  "groupLabels": {}, "commonLabels": {}, "commonAnnotations": {}, "externalURL": "http://am.example.net",
  "alerts": [
    {"status": "firing", "labels": {"alertname": "HostDown", "instance": "127.10.1.1:9100"}, "annotations": {"summary": "host is down"},
     "startsAt": "2026-11-23T03:00:00.5+03:00", "endsAt": "0001-01-01T00:00:00Z", "generatorURL": "http://p", "fingerprint": "aa"},
    {"status": "firing", "labels": {"alertname": "HostDown", "component": "srv-0002"}, "annotations": {},
     "startsAt": "2026-11-23T00:00:00Z", "endsAt": "2026-11-23T00:05:00Z", "fingerprint": "bb"},
    {"status": "resolved", "labels": {"alertname": "Gone"}, "annotations": {},
     "startsAt": "2026-11-22T23:00:00Z", "endsAt": "2026-11-23T00:00:00Z", "fingerprint": "cc"}
  ]}`

func TestAlertmanagerGroupIsStoredAndSortedByRegion(t *testing.T) {
	h := newGatehouse(t)
	for range 2 { // Alertmanager repeats
		if code, body := h.send("POST", "/v1/alerts/alertmanager", alertmanagerGroup, bearer()); code != 202 {
			t.Fatalf("answered %d %s", code, body)
		}
	}
	all, err := h.store.Alerts(t.Context(), store.AlertFilter{})
	must(t, err)
	byKey := map[string]incident.Alert{}
	for _, a := range all {
		byKey[a.Key] = a
	}
	if len(all) != 3 {
		t.Fatalf("%d alerts stored, want 3: %+v", len(all), all)
	}
	first := byKey["aa/2026-11-23T00:00:00.5Z"]
	if first.Component != "srv-0001" || !first.Firing || !first.EndsAt.IsZero() || first.Summary != "host is down" {
		t.Errorf("first %+v", first)
	}
	second := byKey["bb/2026-11-23T00:00:00Z"]
	if second.Component != "srv-0002" || !second.Firing || !second.EndsAt.IsZero() || second.Summary != "HostDown" {
		t.Errorf("second %+v: a firing alert's endsAt is a guess", second)
	}
	third := byKey["cc/2026-11-22T23:00:00Z"]
	if third.Component != "" || third.Firing || third.EndsAt.IsZero() {
		t.Errorf("third %+v", third)
	}
	got := map[string]any{}
	for _, c := range h.flows.calls {
		if c.kind != "signal-with-start" || c.name != workflows.SignalAlerts {
			t.Errorf("call %+v", c)
		}
		got[c.workflow] = c.arg
	}
	want := map[string]any{
		"triage/msk":     workflows.AlertsSignal{IDs: []string{first.ID}},
		"triage/spb":     workflows.AlertsSignal{IDs: []string{second.ID}},
		"triage/unknown": workflows.AlertsSignal{IDs: []string{third.ID}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("signals %+v, want %+v", got, want)
	}
}

func TestAlertsAreSentAgainWhileTriageCannotBeTold(t *testing.T) {
	h := newGatehouse(t)
	h.flows.err = errors.New("away")
	if code, _ := h.send("POST", "/v1/alerts/alertmanager", alertmanagerGroup, bearer()); code != 503 {
		t.Errorf("answered %d, want 503: Alertmanager repeats on 5xx only", code)
	}
}

func TestAlertWithoutFingerprintHasOneOfItsLabels(t *testing.T) {
	a := fingerprint(map[string]string{"a": "1", "b": "2"})
	if a != fingerprint(map[string]string{"b": "2", "a": "1"}) || a == fingerprint(map[string]string{"a": "12", "b": ""}) {
		t.Error("a fingerprint is of names and values, in any order")
	}
}

func TestPagerDutyEvents(t *testing.T) {
	h := newGatehouse(t)
	trigger := `{"routing_key":"` + testToken + `","event_action":"trigger","dedup_key":"d1","payload":{"summary":"down","source":"127.10.1.1","severity":"critical"}}`
	code, body := h.send("POST", "/v2/enqueue", trigger, nil)
	var answer pagerDutyAnswer
	if json.Unmarshal([]byte(body), &answer) != nil || code != 202 || answer.Status != "success" || answer.DedupKey != "d1" {
		t.Fatalf("trigger: %d %s", code, body)
	}
	alerts, err := h.store.Alerts(t.Context(), store.AlertFilter{})
	must(t, err)
	if len(alerts) != 1 || alerts[0].Component != "srv-0001" || !alerts[0].Firing {
		t.Fatalf("alerts %+v", alerts)
	}
	resolve := `{"routing_key":"` + testToken + `","event_action":"resolve","dedup_key":"d1"}`
	if code, body := h.send("POST", "/v2/enqueue", resolve, nil); code != 202 {
		t.Fatalf("resolve: %d %s", code, body)
	}
	if alerts, err = h.store.Alerts(t.Context(), store.AlertFilter{}); err != nil || len(alerts) != 1 || alerts[0].Firing {
		t.Errorf("after resolve: %+v, %v", alerts, err)
	}
	for name, wrong := range map[string]string{
		"severity":     `{"routing_key":"` + testToken + `","event_action":"trigger","payload":{"summary":"x","source":"y","severity":"bad"}}`,
		"dedup_key":    `{"routing_key":"` + testToken + `","event_action":"resolve"}`,
		"event_action": `{"routing_key":"` + testToken + `","event_action":"dance"}`,
	} {
		if code, body := h.send("POST", "/v2/enqueue", wrong, nil); code != 400 || !strings.Contains(body, name) {
			t.Errorf("%s: %d %s", name, code, body)
		}
	}
}

func TestClipCutsAtACharacter(t *testing.T) {
	if got := clip("привет, мир", 11); got != "прив…" {
		t.Errorf("clip = %q", got)
	}
	if got := clip("short", 10); got != "short" {
		t.Errorf("clip = %q", got)
	}
}

func FuzzAlertmanagerWebhook(f *testing.F) {
	f.Add(alertmanagerGroup)
	f.Add(`{"alerts":[{}]}`)
	f.Add(`{"alerts":[{"status":"firing","startsAt":"2026-11-23T03:00:00Z","labels":{"instance":"[::1"}}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		var hook alertmanagerWebhook
		if decodeJSON([]byte(body), &hook, false) != nil {
			return
		}
		g := &gateway{now: time.Now}
		for _, a := range hook.Alerts {
			delete(a.Labels, "component") // needs no inventory
			delete(a.Labels, "instance")
			alert, field, wrong := g.fromAlertmanager(a)
			if (field == "") != (wrong == "") {
				t.Fatalf("field %q, wrong %q", field, wrong)
			}
			if field == "" && (alert.Key == "" || alert.Summary == "" || len(alert.Summary) > maxSummary) {
				t.Fatalf("alert %+v", alert)
			}
		}
	})
}
