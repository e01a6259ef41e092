package labtest_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vakhta/internal/incident"
	"vakhta/internal/lab/labtest"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
)

// criticalHook is a webhook whose alerts can't wait.
func criticalHook(servers ...string) map[string]any {
	hook := webhook(servers)
	for _, a := range hook["alerts"].([]map[string]any) {
		a["labels"].(map[string]string)["severity"] = "critical"
		a["fingerprint"] = "critical-" + a["fingerprint"].(string)
	}
	return hook
}

// A PDU fails and two dozen critical alerts come one after the other: the first
// pages before anybody has looked for the cause, the others page nobody, and
// the finding goes to the incident that the first one raised. That the gateway
// is killed with the first alert in its hands changes nothing.
func TestACriticalAlertPagesAtOnceAndTheFindingFollows(t *testing.T) {
	s := labtest.Open(t)
	const pdu = "msk-r3-k02-pdu-a"
	outage := s.Outage(pdu, "down", "romashka-duty")
	servers := outage.Blast.Servers
	s.Break(t, pdu)
	go func() { _ = s.Gateway.Kill(false) }()
	for i, id := range servers {
		s.Await(t, "the gateway to take an alert", func() (bool, error) { // as its sender does, who hears nothing or 5xx
			code, err := s.TryPost(alertsPath, s.IntakeToken, criticalHook(id))
			return err == nil && code == http.StatusAccepted, nil
		})
		if i == 0 {
			s.Await(t, "the first page", func() (bool, error) {
				ns, err := s.Store.Notifications(t.Context(), store.NotificationFilter{Subject: "incident/msk-1", Event: "page"})
				return len(ns) > 0, err
			})
		}
	}
	var in incident.Incident
	s.Await(t, "the finding", func() (bool, error) {
		var err error
		in, err = s.Store.Incident(t.Context(), "msk-1")
		return in.Component == pdu && !in.Provisional, err
	})
	require.ElementsMatch(t, servers, in.Servers)
	awaitAlerts(t, s, in.ID, len(servers))
	outage.Incident = in.ID
	form := url.Values{"by": {"ivan"}, "text": {"the breaker has tripped"}, "key": {"pressed-twice"}}
	for range 2 {
		s.Await(t, "the page to take a note", func() (bool, error) {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.GatewayURL+"/incidents/"+in.ID+"/note", strings.NewReader(form.Encode()))
			if err != nil {
				return false, err
			}
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			got, err := http.DefaultClient.Do(r)
			return err == nil && got.Body.Close() == nil && got.StatusCode == http.StatusOK, nil // or he presses once more
		})
	}
	lines, err := s.Store.Timeline(t.Context(), "incident/"+in.ID, 0, 0)
	require.NoError(t, err)
	notes := slices.DeleteFunc(lines, func(e incident.Entry) bool { return e.Kind != "note" || e.Actor != "ivan" })
	require.Len(t, notes, 1, "a button that is pressed twice counts once")
	s.Heal(t, pdu)
	require.NoError(t, s.AwaitResolved(t.Context(), in.ID))
	all, err := s.Store.Incidents(t.Context(), store.IncidentFilter{})
	require.NoError(t, err)
	require.Len(t, all, 1, "one failure, one incident")
	pages, err := s.Store.Notifications(t.Context(), store.NotificationFilter{Event: "page"})
	require.NoError(t, err)
	by := map[string]int{}
	for _, n := range pages {
		if n.State != ledger.Dropped && n.Step == "page/emergency/1.1.0" {
			by[n.Contact]++
		}
	}
	require.NotEmpty(t, by)
	for who, n := range by {
		require.Equal(t, 1, n, "pages of %s", who)
	}
	require.NoError(t, s.Audit(t.Context()))
}
