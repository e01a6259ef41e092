package labtest_test

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/incident"
	"vakhta/internal/lab/labtest"
	"vakhta/internal/store"
)

const alertsPath = "/v1/alerts/alertmanager"

// A PDU takes 24 machines down and Alertmanager speaks of each, again and
// again: one incident, with all alerts.
func TestAlertsOfAMassFailureBecomeOneIncident(t *testing.T) {
	s := labtest.Shared(t)
	const pdu = "msk-r3-k02-pdu-a"
	outage := s.Outage(pdu, "down", "romashka-duty")
	s.Break(t, pdu)
	hook := webhook(outage.Blast.Servers)
	require.Equal(t, http.StatusAccepted, s.Post(t, alertsPath, s.IntakeToken, hook).Code)
	outage.Incident = awaitIncident(t, s, pdu)
	awaitAlerts(t, s, outage.Incident, len(outage.Blast.Servers))

	// Alertmanager repeats itself; the alert of another machine follows, so
	// that we know when the repeats were looked at.
	for range 3 {
		require.Equal(t, http.StatusAccepted, s.Post(t, alertsPath, s.IntakeToken, hook).Code)
	}
	other := s.Estate.Inventory().ServersAt("msk")[0]
	s.Break(t, other)
	require.Equal(t, http.StatusAccepted, s.Post(t, alertsPath, s.IntakeToken, webhook([]string{other})).Code)
	second := awaitIncident(t, s, other)
	awaitAlerts(t, s, second, 1)
	awaitAlerts(t, s, outage.Incident, len(outage.Blast.Servers))
	require.NoError(t, outage.CheckOneIncident(t.Context()))

	in, err := s.Store.Incident(t.Context(), outage.Incident)
	require.NoError(t, err)
	require.ElementsMatch(t, outage.Blast.Servers, in.Servers)

	for _, broken := range []string{pdu, other} {
		s.Heal(t, broken)
	}
	for _, id := range []string{outage.Incident, second} {
		require.NoError(t, s.AwaitResolved(t.Context(), id))
	}
	require.NoError(t, s.Audit(t.Context()))
}

func TestAlertsThatAreNoneAreRefused(t *testing.T) {
	s := labtest.Shared(t)
	for _, c := range []struct {
		name, token string
		document    any
		code        int
		says        string
	}{
		{"no token", "", webhook([]string{"m1-0101"}), http.StatusUnauthorized, "Bearer"},
		{"wrong token", "guess", webhook([]string{"m1-0101"}), http.StatusUnauthorized, "Bearer"},
		{"no JSON", s.IntakeToken, "{", http.StatusBadRequest, "body"},
		{"no alerts", s.IntakeToken, `{"alerts":[]}`, http.StatusBadRequest, "alerts"},
		{"no start", s.IntakeToken, `{"alerts":[{"status":"firing","fingerprint":"x"}]}`, http.StatusBadRequest, "alerts[0].startsAt"},
		{"no status", s.IntakeToken, `{"alerts":[{"fingerprint":"x"}]}`, http.StatusBadRequest, "alerts[0].status"},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := s.Post(t, alertsPath, c.token, c.document)
			require.Equal(t, c.code, got.Code, got.Body)
			require.Contains(t, got.Body, c.says)
		})
	}
}

// webhook is what Alertmanager posts, version 4.
func webhook(servers []string) map[string]any {
	alerts := make([]map[string]any, 0, len(servers))
	for i, id := range servers {
		alerts = append(alerts, map[string]any{
			"status": "firing", "labels": map[string]string{"alertname": "HostDown", "component": id},
			"annotations": map[string]string{"summary": id + " does not answer"},
			"startsAt":    time.Date(2026, 3, 14, 3, 0, i%60, 0, time.UTC), "endsAt": time.Time{},
			"fingerprint": fmt.Sprintf("f-%s", id),
		})
	}
	return map[string]any{"version": "4", "status": "firing", "receiver": "vakhta", "groupKey": "{}:{}", "truncatedAlerts": 0, "alerts": alerts}
}

func awaitIncident(t *testing.T, s *labtest.Lab, component string) string {
	t.Helper()
	var found []incident.Incident
	s.Await(t, "an incident of "+component, func() (bool, error) {
		var err error
		found, err = s.Store.Incidents(t.Context(), store.IncidentFilter{Component: component, Open: true})
		return len(found) > 0, err
	})
	return found[0].ID
}

func awaitAlerts(t *testing.T, s *labtest.Lab, incident string, n int) {
	t.Helper()
	s.Await(t, fmt.Sprintf("%d alerts to be linked to %s", n, incident), func() (bool, error) {
		alerts, err := s.Store.Alerts(t.Context(), store.AlertFilter{Incident: incident})
		return len(alerts) == n, err
	})
}
