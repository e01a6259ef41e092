package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/api/serviceerror"

	"vakhta/internal/config"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// carrier stands in for a telephone provider.
type carrier struct {
	*httptest.Server
	mu    sync.Mutex
	texts []string
}

func newCarrier(t *testing.T) *carrier {
	c := &carrier{}
	c.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.texts = append(c.texts, r.FormValue("Body")+r.FormValue("Twiml"))
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]any{"sid": fmt.Sprintf("SM%032d", len(c.texts)), "status": "queued"})
	}))
	t.Cleanup(c.Close)
	return c
}

func (c *carrier) said() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.texts...)
}

// raisingGatehouse is a gateway that pages by itself, at a carrier.
func raisingGatehouse(t *testing.T) (*gatehouse, *carrier) {
	h, c := newGatehouse(t), newCarrier(t)
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(testEstate)})
	must(t, err)
	together := 30 * time.Second
	cfg := config.Config{
		PublicURL: testPublicURL, LinkSecret: config.NewSecret(testLinkKey), IntakeToken: config.NewSecret(testToken), Alerts: config.Alerts{Together: &together},
		Providers: config.Providers{Twilio: &config.Twilio{URL: c.URL, AccountSID: "AC00000000000000000000000000000001", AuthToken: config.NewSecret("0123456789abcdef0123456789abcdef"), From: "+10000000000"}},
	}
	p, err := newPager(cfg, inv, h.store)
	must(t, err)
	h.gateway, err = newGateway(cfg, deps{Store: h.store, Flows: h.flows, Inventory: inv, Pager: p, Log: zerolog.New(h.log)})
	must(t, err)
	h.handler = h.gateway.Handler()
	return h, c
}

func criticalAlert(component, key string) string {
	return fmt.Sprintf(`{"alerts": [{"status": "firing", "labels": {"severity": "critical", "component": %q}, "annotations": {"summary": "host is down"},
		"startsAt": "2026-11-23T00:00:00Z", "fingerprint": %q}]}`, component, key)
}

func TestACriticalAlertPagesFromTheGatewayOnce(t *testing.T) {
	h, c := raisingGatehouse(t)
	for range 3 { // Alertmanager repeats
		if code, body := h.send("POST", "/v1/alerts/alertmanager", criticalAlert("srv-0001", "aa"), bearer()); code != 202 {
			t.Fatalf("answered %d %s", code, body)
		}
		h.gateway.pagings.Wait()
	}
	if said := c.said(); len(said) != 1 || !strings.Contains(said[0], "host is down") {
		t.Fatalf("the carrier had %q, want one page; log %s", said, h.log.String())
	}
	var started []string
	for _, call := range h.flows.calls {
		if call.kind == "start" {
			started = append(started, call.workflow)
			if in, ok := call.arg.(workflows.IncidentInput); !ok || in.Incident != "msk-1" {
				t.Errorf("started with %+v", call.arg)
			}
		}
	}
	if len(started) != 3 || started[0] != "incident/msk-1" {
		t.Errorf("started %v: each repeat makes sure that it runs", started)
	}
	all, err := h.store.Notifications(context.Background(), store.NotificationFilter{Subject: "incident/msk-1"})
	must(t, err)
	if len(all) != 1 || all[0].State != ledger.Accepted || all[0].Revision != 1 || all[0].Step != "page/emergency/1.1.0" {
		t.Errorf("ledger %+v", all)
	}
}

func TestAPageLeavesWhileTemporalIsAwayAndTheSenderComesAgain(t *testing.T) {
	h, c := raisingGatehouse(t)
	h.flows.err = serviceerror.NewUnavailable("away")
	if code, _ := h.send("POST", "/v1/alerts/alertmanager", criticalAlert("srv-0001", "aa"), bearer()); code != 503 {
		t.Errorf("answered %d, want 503: nothing promises the rest yet", code)
	}
	h.gateway.pagings.Wait()
	h.flows.err = nil
	if code, _ := h.send("POST", "/v1/alerts/alertmanager", criticalAlert("srv-0001", "aa"), bearer()); code != 202 {
		t.Errorf("answered %d", code)
	}
	h.gateway.pagings.Wait()
	if said := c.said(); len(said) != 1 {
		t.Errorf("the carrier had %q, want one page", said)
	}
}

func TestAnAlertThatCanWaitPagesNobodyFromTheGateway(t *testing.T) {
	h, c := raisingGatehouse(t)
	mild := strings.Replace(criticalAlert("srv-0001", "aa"), "critical", "warning", 1)
	if code, _ := h.send("POST", "/v1/alerts/alertmanager", mild, bearer()); code != 202 {
		t.Errorf("answered %d", code)
	}
	h.gateway.pagings.Wait()
	if said := c.said(); len(said) != 0 {
		t.Errorf("the carrier had %q", said)
	}
	if len(h.flows.calls) != 1 || h.flows.calls[0].workflow != "triage/msk" {
		t.Errorf("calls %+v", h.flows.calls)
	}
}
