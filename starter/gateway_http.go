package main

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
)

// metrics are the gateway's own. Labels are routes, never paths: a path holds ids and tokens.
type metrics struct {
	registry  *prometheus.Registry
	requests  *prometheus.HistogramVec
	reports   *prometheus.CounterVec
	alerts    *prometheus.CounterVec
	callbacks *prometheus.CounterVec
}

func newMetrics() *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "vakhta_gateway_request_seconds", Help: "Time to answer a request.",
			Buckets: []float64{.001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
		}, []string{"route", "code"}),
		reports: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vakhta_reports_total", Help: "Client reports taken.",
		}, []string{"channel"}),
		alerts: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vakhta_alerts_total", Help: "Alerts taken.",
		}, []string{"source"}),
		callbacks: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "vakhta_callbacks_total", Help: "Provider events by what became of them: applied, repeated, foreign, refused.",
		}, []string{"provider", "result"}),
	}
	m.registry.MustRegister(m.requests, m.reports, m.alerts, m.callbacks,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// recorder remembers what a handler answered.
type recorder struct {
	http.ResponseWriter
	code int
}

func (r *recorder) WriteHeader(code int) {
	if r.code == 0 {
		r.code = code
	}
	r.ResponseWriter.WriteHeader(code)
}

func (r *recorder) Write(b []byte) (int, error) {
	if r.code == 0 {
		r.code = http.StatusOK
	}
	return r.ResponseWriter.Write(b)
}

func (r *recorder) Unwrap() http.ResponseWriter { return r.ResponseWriter }

// observed logs and measures each request and survives a handler's panic.
func (g *gateway) observed(next *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		rec := &recorder{ResponseWriter: w}
		defer func() {
			if p := recover(); p != nil {
				g.log.Error().Str("route", r.Pattern).Str("panic", fmt.Sprintf("%T", p)).Stack().Msg("handler panicked")
				if rec.code == 0 {
					writeError(rec, http.StatusInternalServerError, "internal error")
				}
			}
			route := r.Pattern
			if route == "" {
				route = "none"
			}
			if rec.code == 0 {
				rec.code = http.StatusOK
			}
			took := time.Since(start)
			g.metrics.requests.WithLabelValues(route, strconv.Itoa(rec.code)).Observe(took.Seconds())
			g.log.Info().Str("route", route).Int("code", rec.code).Int64("bytes", max(r.ContentLength, 0)).
				Dur("took", took).Msg("request")
		}()
		next.ServeHTTP(rec, r)
	})
}

// handle is a handler that gets the whole body, already within its limit.
type handle func(w http.ResponseWriter, r *http.Request, body []byte)

// limited reads the body up to a limit before the handler sees the request.
func limited(limit int64, next handle) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, ok := readBody(w, r, limit)
		if ok {
			next(w, r, body)
		}
	})
}

// authenticated is limited behind the intake's bearer token.
func (g *gateway) authenticated(limit int64, next handle) http.Handler {
	// Hashes have one length: the comparison tells nothing about the token's.
	want := sha256.Sum256([]byte(g.cfg.IntakeToken.Reveal()))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		scheme, token, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		got := sha256.Sum256([]byte(strings.TrimSpace(token)))
		if !strings.EqualFold(scheme, "bearer") || subtle.ConstantTimeCompare(want[:], got[:]) != 1 {
			w.Header().Set("WWW-Authenticate", `Bearer realm="vakhta"`)
			writeError(w, http.StatusUnauthorized, "send the intake's token: Authorization: Bearer …")
			return
		}
		body, ok := readBody(w, r, limit)
		if ok {
			next(w, r, body)
		}
	})
}

func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, limit))
	if err == nil {
		return body, true
	}
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) {
		writeError(w, http.StatusRequestEntityTooLarge, fmt.Sprintf("body: more than %d bytes", limit))
	} else {
		writeError(w, http.StatusBadRequest, "body: cut off")
	}
	return nil, false
}

// problem is the body of every error answer.
type problem struct {
	Error string `json:"error"`
	Field string `json:"field,omitempty"`
}

func writeError(w http.ResponseWriter, code int, text string) {
	if code == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	writeJSON(w, code, problem{Error: text})
}

func writeFieldError(w http.ResponseWriter, field, text string) {
	writeJSON(w, http.StatusBadRequest, problem{Error: field + ": " + text, Field: field})
}

func writeJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(code)
	// The status is out: a failed write is the client's loss of connection.
	_ = json.NewEncoder(w).Encode(v)
}

func writeText(w http.ResponseWriter, code int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(code)
	_, _ = io.WriteString(w, text+"\n")
}
