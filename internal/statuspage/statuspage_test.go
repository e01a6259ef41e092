package statuspage_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
	"vakhta/internal/statuspage"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

const estate = `version: 1
sites:
  - {id: msk, name: {ru: Москва, en: Moscow}, timezone: Europe/Moscow}
  - {id: spb, name: {ru: Санкт-Петербург, en: St Petersburg}, timezone: Europe/Moscow}
components:
  - {id: msk-r1, kind: room, in: msk, name: {ru: зал 1, en: room 1}}
  - {id: msk-k7, kind: rack, in: msk-r1}
  - {id: pdu-secret, kind: pdu, in: msk-k7}
  - {id: srv-1, kind: server, in: msk-k7, client: acme}
  - {id: spb-r1, kind: room, in: spb, name: {ru: зал 1, en: room 1}}
clients:
  - {id: acme, name: Ромашка, language: ru, timezone: Europe/Moscow, contacts: [{id: acme-duty, addresses: {telegram: "1"}}]}
`

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

// facts stand for the store.
type facts struct {
	incidents []incident.Incident
	works     []maintenance.Work
	err       error
	asked     int
}

func (f *facts) Incidents(_ context.Context, by store.IncidentFilter) (out []incident.Incident, err error) {
	f.asked++
	for _, in := range f.incidents {
		if !by.Open || in.Status != incident.Resolved {
			out = append(out, in)
		}
	}
	return out, f.err
}

func (f *facts) Maintenances(context.Context, time.Time, time.Time) ([]maintenance.Work, error) {
	return f.works, f.err
}

type site struct {
	*facts
	t    *testing.T
	now  time.Time
	mux  *http.ServeMux
	page *statuspage.Page
}

func open(t *testing.T) *site {
	t.Helper()
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(estate)})
	require.NoError(t, err)
	s := &site{facts: &facts{}, t: t, now: now, mux: http.NewServeMux()}
	s.page = &statuspage.Page{Source: s.facts, Inventory: inv, Name: "Пример & Co", Now: func() time.Time { return s.now }, Log: zerolog.Nop()}
	s.page.Register(s.mux)
	return s
}

func (s *site) get(path, accept string) (int, string) {
	s.t.Helper()
	r := httptest.NewRequest(http.MethodGet, path, nil)
	r.Header.Set("Accept-Language", accept)
	w := httptest.NewRecorder()
	s.mux.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func (s *site) status() (out statuspage.Status) {
	s.t.Helper()
	code, body := s.get("/status.json", "")
	require.Equal(s.t, 200, code, body)
	require.NoError(s.t, json.Unmarshal([]byte(body), &out))
	return out
}

func outage() incident.Incident {
	return incident.Incident{
		ID: "inc-1", Component: "pdu-secret", Title: "PDU pdu-secret is down", Site: "msk", Status: incident.Identified,
		Finding: topology.Finding{Component: "pdu-secret", Kind: inventory.KindPDU, Since: now.Add(-20 * time.Minute)},
		Servers: []string{"srv-1"}, Clients: []string{"acme"}, OpenedAt: now.Add(-15 * time.Minute), ETA: now.Add(90 * time.Minute),
	}
}

func TestEverybodySeesWhatHasFailedWhereAndSinceWhen(t *testing.T) {
	s := open(t)
	s.incidents = []incident.Incident{outage()}
	code, body := s.get("/status", "ru-RU,ru;q=0.9,en;q=0.8")
	require.Equal(t, 200, code)
	for _, want := range []string{`<html lang="ru">`, "Пример &amp; Co", "Есть неисправность", "Москва, зал 1: неисправность питания", "Причина известна, устраняем", "с 1 марта, 14:40 МСК", "Ожидаем окончания: 1 марта, 16:30 МСК", "Серверов: 1, снова отвечают: 0"} {
		require.Contains(t, body, want)
	}
	_, body = s.get("/status?lang=en", "ru")
	require.Contains(t, body, "Moscow, room 1: power failure")
	require.Equal(t, []statuspage.State{statuspage.Degraded, statuspage.Well}, []statuspage.State{s.status().Sites[0].State, s.status().Sites[1].State})
}

// Nobody learns here who is hit, or what stands where.
func TestNobodyIsNamed(t *testing.T) {
	s := open(t)
	s.incidents = []incident.Incident{outage()}
	for _, path := range []string{"/status", "/status.json"} {
		_, body := s.get(path, "ru")
		for _, secret := range []string{"acme", "Ромашка", "srv-1", "pdu-secret", "msk-k7", "inc-1"} {
			require.NotContains(t, body, secret, path)
		}
	}
}

func TestWhatIsNobodysBusinessIsNotShown(t *testing.T) {
	s := open(t)
	drill, guess, own, nobodys := outage(), outage(), outage(), outage()
	drill.Drill, guess.Provisional, own.Finding.Kind, nobodys.Clients = true, true, inventory.KindServer, nil
	s.incidents = []incident.Incident{drill, guess, own, nobodys}
	require.Empty(t, s.status().Events)
	_, body := s.get("/status", "en")
	require.Contains(t, body, "Everything works")
}

func TestWhileTheCauseIsLookedForNoneIsGuessed(t *testing.T) {
	s := open(t)
	in := outage()
	in.Status = incident.Investigating
	s.incidents = []incident.Incident{in}
	require.Equal(t, statuspage.Unknown, s.status().Events[0].What)
}

func TestAWholeSiteThatIsDownIsCalledSo(t *testing.T) {
	s := open(t)
	in := outage()
	in.Component, in.Finding = "msk", topology.Finding{Component: "msk", Kind: inventory.KindSite}
	s.incidents = []incident.Incident{in, outage()}
	require.Equal(t, statuspage.Down, s.status().Sites[0].State)
}

func TestWhatIsOverIsShownForAWeek(t *testing.T) {
	s := open(t)
	fresh, old := outage(), outage()
	fresh.Status, fresh.ResolvedAt = incident.Resolved, now.Add(-6*24*time.Hour)
	old.Status, old.ResolvedAt = incident.Resolved, now.Add(-8*24*time.Hour)
	s.incidents = []incident.Incident{fresh, old}
	got := s.status()
	require.Len(t, got.Events, 1)
	require.Equal(t, statuspage.Well, got.Sites[0].State)
	_, body := s.get("/status", "en")
	require.Contains(t, body, "Everything works")
}

func TestPlannedWorkIsShownOnceItsClientsWereTold(t *testing.T) {
	s := open(t)
	w := maintenance.Work{
		Title: map[string]string{"ru": "Замена щита", "en": "New switchboard"}, Components: []string{"pdu-secret"},
		StartsAt: now.Add(-time.Hour), EndsAt: now.Add(time.Hour), Status: maintenance.Running, Announced: now.Add(-48 * time.Hour),
	}
	untold, planned := w, w
	untold.Status, untold.Announced, planned.Status = maintenance.Approved, time.Time{}, maintenance.Planned
	s.works = []maintenance.Work{untold, planned, w}
	got := s.status()
	require.Len(t, got.Works, 1)
	require.Equal(t, []string{"msk"}, got.Works[0].Sites)
	require.Equal(t, statuspage.AtWork, got.Sites[0].State)
	_, body := s.get("/status", "ru")
	require.Contains(t, body, "Идут плановые работы")
	require.Contains(t, body, "Замена щита")
	require.NotContains(t, body, "pdu-secret")
}

// Eighteen thousand who look at once are one question to the store, and a store
// that is away leaves the last answer.
func TestTheStoreIsAskedNowAndThenOnly(t *testing.T) {
	s := open(t)
	s.incidents = []incident.Incident{outage()}
	for range 1000 {
		s.get("/status", "en")
	}
	asked := s.asked
	require.LessOrEqual(t, asked, 2)
	s.err, s.now = errors.New("store is away"), now.Add(time.Minute)
	code, body := s.get("/status", "en")
	require.Equal(t, 200, code)
	require.Contains(t, body, "As of 12:00:00 UTC")
	require.Greater(t, s.asked, asked)

	never := open(t)
	never.err = errors.New("store is away")
	code, body = never.get("/status", "ru")
	require.Equal(t, 503, code)
	require.Contains(t, body, "Состояние сейчас не показать")
	code, _ = never.get("/status.json", "")
	require.Equal(t, 503, code)
	require.False(t, strings.Contains(body, "store is away"), "errors are ours")
}
