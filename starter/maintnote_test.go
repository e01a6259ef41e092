package main

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"vakhta/internal/maintenance"
	"vakhta/internal/maintnote"
	"vakhta/workflows"
)

func TestAClientsCalendarIsBehindALinkThatNobodyCanGuess(t *testing.T) {
	h := newGatehouse(t)
	at := time.Now().UTC().Add(48 * time.Hour).Truncate(time.Minute)
	work := maintenance.Work{
		ID: "feed-b", Title: map[string]string{"ru": "Замена ввода", "en": "Replacing a feed"}, Components: []string{"srv-0001"}, StartsAt: at, EndsAt: at.Add(time.Hour),
		Status: maintenance.Approved, Revision: 2, Sequence: 4, Announced: at.Add(-72 * time.Hour), ByClient: map[string][]string{"acme": {"srv-0001"}},
	}
	must(t, h.store.PutMaintenance(t.Context(), work))
	untold := work
	untold.ID, untold.Announced = "untold", time.Time{}
	must(t, h.store.PutMaintenance(t.Context(), untold))
	path := "/c/" + h.gateway.signer.Feed("acme") + ".ics"
	code, body := h.send("GET", path, "", nil)
	got, err := maintnote.Read([]byte(body))
	if code != http.StatusOK || err != nil || len(got) != 1 || got[0].Maintenance != "feed-b" || got[0].UID != "feed-b@vakhta.example.net" || got[0].Sequence != 4 ||
		got[0].Organizer != "noreply@example.net" || got[0].Status != maintnote.Confirmed {
		t.Fatalf("%d %v %+v", code, err, got)
	}
	for _, wrong := range []string{"/c/" + h.gateway.signer.Feed("other") + ".ics", strings.Replace(path, "/c/", "/c/A", 1), strings.TrimSuffix(path, ".ics"), "/c/acme.ics", "/c/" + h.gateway.signer.Sign("acme", "acme") + ".ics"} {
		if code, body := h.send("GET", wrong, "", nil); code != http.StatusNotFound {
			t.Errorf("%s: %d %s", wrong, code, body)
		}
	}
}

func TestAnUpstreamsNoticeBecomesADraft(t *testing.T) {
	h := newGatehouse(t)
	at := time.Date(2031, 12, 1, 2, 0, 0, 0, time.UTC)
	n := maintnote.Notice{
		UID: "7@dc.example", Start: at, End: at.Add(time.Hour), Stamp: at, Summary: "Rack 1", Organizer: "noc@dc.example", Provider: "dc.example", Account: "we",
		Maintenance: "CHG-7", Objects: []string{"MSK-K1", "circuit-9"}, Impact: maintnote.Outage, Status: maintnote.Confirmed,
	}
	post := func(n maintnote.Notice) (int, string) {
		return h.send("POST", "/v1/maintnotes", maintnote.Calendar("", n), bearer())
	}
	code, body := post(n)
	if code != http.StatusAccepted || !strings.Contains(body, `"MSK-K1":"msk-k1"`) || !strings.Contains(body, `"circuit-9"`) || !strings.Contains(body, `"drafted"`) {
		t.Fatalf("%d %s", code, body)
	}
	calls := h.flows.calls
	if u, ok := calls[0].arg.(workflows.UpstreamSignal); !ok || calls[0].workflow != workflows.MaintenanceID(maintenance.DraftID(n)) || !u.StartsAt.Equal(at) {
		t.Errorf("%+v", calls)
	}
	n.Objects = []string{"circuit-9"}
	if code, body := post(n); code != http.StatusUnprocessableEntity || !strings.Contains(body, "circuit-9") {
		t.Errorf("nothing can be guessed: %d %s", code, body)
	}
	n.Status = maintnote.Cancelled
	if code, body := post(n); code != http.StatusAccepted || !strings.Contains(body, `"ignored"`) {
		t.Errorf("cancelled and never known: %d %s", code, body)
	}
	must(t, h.store.PutMaintenance(t.Context(), maintenance.Work{ID: maintenance.DraftID(n), Title: map[string]string{"en": "x"}, Components: []string{"msk-k1"}, StartsAt: at, EndsAt: at.Add(time.Hour), Status: maintenance.Planned}))
	if code, body := post(n); code != http.StatusAccepted || !strings.Contains(body, `"told"`) {
		t.Errorf("cancelled and known: %d %s", code, body)
	}
	if code, body := h.send("POST", "/v1/maintnotes", "hello", bearer()); code != http.StatusBadRequest || !strings.Contains(body, "neither a calendar") {
		t.Errorf("%d %s", code, body)
	}
	if code, _ := h.send("POST", "/v1/maintnotes", maintnote.Calendar("", n), nil); code != http.StatusUnauthorized {
		t.Errorf("a stranger's notice: %d", code)
	}
}
