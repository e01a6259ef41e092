package main

import (
	"bytes"
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
	"github.com/stretchr/testify/require"

	"vakhta/activities/notify"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/topology"
)

func TestFlagsSayWhatIsMissing(t *testing.T) {
	t.Setenv("VAKHTA_CONFIG", "")
	for _, c := range []struct {
		name, wrong string
		args        []string
	}{
		{"no configuration", "--config: must be given", []string{"--vantage", "msk"}},
		{"a role that is none", `--roles: "cook" is none of`, []string{"--config", "x", "--roles", "cook", "--vantage", "msk"}},
		{"no role", "--roles: give at least one", []string{"--config", "x", "--roles", ","}},
		{"probes from nowhere", "--vantage: must be given", []string{"--config", "x", "--roles", "probe"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parseFlags(c.args, &bytes.Buffer{})
			require.ErrorContains(t, err, c.wrong)
		})
	}
}

func TestFlagsOfAProbeWorker(t *testing.T) {
	f, err := parseFlags([]string{"--config", "x", "--roles", "probe", "--vantage", "msk, spb"}, &bytes.Buffer{})
	require.NoError(t, err)
	require.Equal(t, []string{"msk", "spb"}, f.vantages)
	require.True(t, f.has(roleProbe))
	require.False(t, f.has(roleNotify))
	require.Equal(t, 20*time.Second, f.drain)
}

func TestAWorkerThatNeedsNoVantageStartsWithoutOne(t *testing.T) {
	_, err := parseFlags([]string{"--config", "x", "--roles", "workflows,records,notify"}, &bytes.Buffer{})
	require.NoError(t, err)
}

func TestMetricsCountAttemptsAndProbesWithoutPeople(t *testing.T) {
	m, err := newMetrics()
	require.NoError(t, err)
	m.attempted(inventory.SMS, ledger.Outcome{State: ledger.Retry, Class: ledger.ClassRetry, Message: "+79001234567"})
	m.observed("msk", []topology.Observation{{Component: "srv-1", Probe: topology.ProbeTCP, Result: topology.Down}})
	m.watchProviders(func() []notify.Health {
		return []notify.Health{{Channel: inventory.SMS, Provider: "twilio", Reason: "down"}}
	})
	w := httptest.NewRecorder()
	promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{}).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	page := w.Body.String()
	require.Contains(t, page, `vakhta_notification_attempts_total{channel="sms",class="retry",state="retry"} 1`)
	require.Contains(t, page, `vakhta_probes_total{probe="tcp",result="down",vantage="msk"} 1`)
	require.Contains(t, page, `vakhta_provider_up{channel="sms",provider="twilio"} 0`)
	require.NotContains(t, page, "79001234567")
	require.False(t, strings.Contains(page, "srv-1"))
}

func TestNotReadyBeforeTheWorkersStand(t *testing.T) {
	var ready atomic.Bool
	require.ErrorContains(t, readiness(context.Background(), nil, nil, &ready), "starting or draining")
}
