package main

import (
	"fmt"
	"sync/atomic"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/opentelemetry"

	"vakhta/activities/notify"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/topology"
)

// metrics are the SDK's, by OpenTelemetry, and our own, on one page. No label
// holds a person, an address or a client.
type metrics struct {
	registry *prometheus.Registry
	handler  client.MetricsHandler
	attempts *prometheus.CounterVec
	probes   *prometheus.CounterVec
	health   *providerHealth
}

func newMetrics() (*metrics, error) {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		attempts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vakhta_notification_attempts_total", Help: "Attempts to send, by channel, what became of them and the class of failure.",
		}, []string{"channel", "state", "class"}),
		probes: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vakhta_probes_total", Help: "Probes made, by vantage, kind and result.",
		}, []string{"vantage", "probe", "result"}),
		health: &providerHealth{up: prometheus.NewDesc("vakhta_provider_up",
			"Whether this worker sends by the provider: 0 while its breaker is open.", []string{"provider", "channel"}, nil)},
	}
	for _, c := range []prometheus.Collector{
		m.attempts, m.probes, m.health, collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	} {
		if err := m.registry.Register(c); err != nil {
			return nil, fmt.Errorf("prepare metrics: %w", err)
		}
	}
	exporter, err := otelprom.New(otelprom.WithRegisterer(m.registry))
	if err != nil {
		return nil, fmt.Errorf("prepare metrics: %w", err)
	}
	meter := metric.NewMeterProvider(metric.WithReader(exporter)).Meter("temporal-sdk")
	m.handler = opentelemetry.NewMetricsHandler(opentelemetry.MetricsHandlerOptions{Meter: meter})
	return m, nil
}

func (m *metrics) attempted(ch inventory.Channel, o ledger.Outcome) {
	m.attempts.WithLabelValues(string(ch), string(o.State), string(o.Class)).Inc()
}

func (m *metrics) observed(vantage string, obs []topology.Observation) {
	for _, o := range obs {
		m.probes.WithLabelValues(vantage, string(o.Probe), string(o.Result)).Inc()
	}
}

// watchProviders names where the providers' health is to be read.
func (m *metrics) watchProviders(read func() []notify.Health) { m.health.read.Store(&read) }

// providers is the health of the providers now.
func (m *metrics) providers() []notify.Health {
	if read := m.health.read.Load(); read != nil {
		return (*read)()
	}
	return nil
}

// providerHealth reads the providers' health when it is asked for.
type providerHealth struct {
	up   *prometheus.Desc
	read atomic.Pointer[func() []notify.Health]
}

// Describe implements [prometheus.Collector].
func (p *providerHealth) Describe(ch chan<- *prometheus.Desc) { ch <- p.up }

// Collect implements [prometheus.Collector].
func (p *providerHealth) Collect(ch chan<- prometheus.Metric) {
	read := p.read.Load()
	if read == nil {
		return
	}
	for _, h := range (*read)() {
		up := 0.0
		if h.Up {
			up = 1
		}
		ch <- prometheus.MustNewConstMetric(p.up, prometheus.GaugeValue, up, h.Provider, string(h.Channel))
	}
}
