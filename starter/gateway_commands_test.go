package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// commandHouse is a gatehouse with a member who has linked his account, a room
// of his team, and an open incident that the room was paged for.
func commandHouse(t *testing.T) *gatehouse {
	t.Helper()
	h := newGatehouse(t)
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(testEstate + `  - id: network
    members:
      - {id: olga, name: Olga, language: ru, timezone: Europe/Moscow, addresses: {telegram: "7001", call: "+79000000011"}}
      - {id: guest, name: Guest, role: viewer, addresses: {telegram: "7002"}}
      - {id: net-room, addresses: {telegram: "-100500"}}
    levels: [{members: [olga], ackWithin: 2m}]
`)})
	must(t, err)
	h.gateway.deps.Inventory = inv
	h.gateway.now = func() time.Time { return time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC) } // 04:00 in Moscow
	for _, component := range []string{"msk-k1", "spb-k1"} {
		_, _, err = h.store.OpenIncident(t.Context(), component, incident.Incident{
			Component: component, Site: "msk", Severity: incident.Sev2, Finding: topology.Finding{Component: component}, Servers: []string{}, Clients: []string{}, Restored: []string{},
			OpenedAt: h.gateway.now(),
		})
		must(t, err)
	}
	_, err = h.store.Enqueue(t.Context(), []ledger.Notification{{
		Subject: "incident/msk-k1-1", Event: "page", Step: "page/network/1.1.0", Revision: 1, Team: "network", Contact: "net-room", Channel: inventory.Telegram, Language: inventory.English, Body: "x",
	}}, h.gateway.now())
	must(t, err)
	return h
}

var updateNumber = 9000

func (h *gatehouse) write(chat, user, text string) {
	h.t.Helper()
	updateNumber++
	code, body := h.telegram(fmt.Sprintf(`{"update_id":%d,"message":{"message_id":1,"date":1,"chat":{"id":%s,"type":"group"},"from":{"id":%s,"first_name":"x"},"text":%q}}`, updateNumber, chat, user, text))
	if code != 204 {
		h.t.Fatalf("answered %d %s", code, body)
	}
}

func TestColleaguesCommandFromTheirMessenger(t *testing.T) {
	me := workflows.Act{By: "olga", Via: "telegram"}
	for _, c := range []struct {
		chat, text, workflow string
		want                 any
	}{
		{"-100500", "/note PSU B is warm", "incident/msk-k1-1", workflows.NoteUpdate{Act: me, Text: "PSU B is warm"}},
		{"-100500", "/note@vakhta_bot spb-k1-1 other story", "incident/spb-k1-1", workflows.NoteUpdate{Act: me, Text: "other story"}},
		{"-100500", "/eta msk-k1 04:30", "incident/msk-k1-1", workflows.SetETAUpdate{Act: me, At: time.Date(2026, 11, 23, 1, 30, 0, 0, time.UTC)}},
		{"-100500", "/checked sw-3 ok so far", "incident/msk-k1-1", workflows.CheckedUpdate{Act: me, Component: "sw-3", Result: "ok so far"}},
		{"7001", "/ack spb-k1", "incident/spb-k1-1", workflows.AcknowledgeUpdate{Act: me}},
		{"7001", "/resolve spb-k1-1 replaced", "incident/spb-k1-1", workflows.ResolveUpdate{Act: me, Reason: "replaced"}},
	} {
		h := commandHouse(t)
		h.write(c.chat, "7001", c.text)
		if len(h.flows.calls) != 1 || h.flows.calls[0].kind != "update" || h.flows.calls[0].workflow != c.workflow || fmt.Sprint(h.flows.calls[0].arg) != fmt.Sprint(c.want) {
			t.Errorf("%s: calls %+v, want %+v of %s", c.text, h.flows.calls, c.want, c.workflow)
		}
		if len(h.botSaid) != 1 || !strings.HasPrefix(h.botSaid[0], "✓ ") {
			t.Errorf("%s: answered %q", c.text, h.botSaid)
		}
	}
}

func TestCommandsThatCannotBeAreAnswered(t *testing.T) {
	for _, c := range []struct{ chat, user, text, says string }{
		{"-100500", "7001", "/eta tomorrow", "/eta [INCIDENT] 04:30"},
		{"-100500", "7001", "/checked sw-3", "/checked [INCIDENT] COMPONENT RESULT"},
		{"7001", "7001", "/note hello", "which incident?"},
		{"-100500", "4242", "/note I was here", "4242 is not linked"},
	} {
		h := commandHouse(t)
		h.write(c.chat, c.user, c.text)
		if len(h.flows.calls) != 0 || len(h.botSaid) != 1 || !strings.Contains(h.botSaid[0], c.says) {
			t.Errorf("%s: answered %q, calls %+v; want %q", c.text, h.botSaid, h.flows.calls, c.says)
		}
	}
}

// A client who writes a slash is a client.
func TestAClientsSlashIsAReport(t *testing.T) {
	h := commandHouse(t)
	h.write("1001", "1001", "/note my server is down")
	all, err := h.store.Reports(t.Context(), store.ReportFilter{})
	must(t, err)
	if len(all) != 1 || all[0].Client != "acme" {
		t.Errorf("reports %+v", all)
	}
}
