package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"vakhta/internal/roster"
)

// people says names in capitals.
type people struct{ Names }

func (people) Person(id string) string { return strings.ToUpper(id) }

func calendarPage(t *testing.T, turns []roster.Turn, failing error) *httptest.ResponseRecorder {
	t.Helper()
	now := time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	mux := http.NewServeMux()
	New(nil, people{}, Options{Now: func() time.Time { return now }, Log: zerolog.Nop(), OnCall: func(context.Context, time.Time, time.Time) ([]roster.Turn, error) {
		return turns, failing
	}}).Register(mux)
	r := httptest.NewRequest(http.MethodGet, "/oncall", nil)
	r.RemoteAddr, r.Host = "127.0.0.1:1", "127.0.0.1"
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, r)
	return w
}

func TestTheCalendarShowsWhoIsOnCallAndWhereNobodyIs(t *testing.T) {
	day := time.Date(2026, 11, 25, 0, 0, 0, 0, time.UTC)
	w := calendarPage(t, []roster.Turn{
		{Team: "network", Rotation: "primary", Person: "vera", From: day, To: day.AddDate(0, 0, 7)},
		{Team: "network", Rotation: "primary", From: day.AddDate(0, 0, 7), To: day.AddDate(0, 0, 8)},
	}, nil)
	body := w.Body.String()
	for _, want := range []string{"<b>VERA</b>", "network · primary", ">VERA</text>", "stroke-dasharray", "There is one stretch", "Wed 25"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if w.Code != http.StatusOK {
		t.Errorf("status %d", w.Code)
	}
	if w := calendarPage(t, nil, errors.New("away")); w.Code != http.StatusServiceUnavailable {
		t.Errorf("status %d though the store is away", w.Code)
	}
}
