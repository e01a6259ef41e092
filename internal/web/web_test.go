package web

import (
	"context"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"vakhta/internal/acklink"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
	"vakhta/internal/postmortem"
	"vakhta/internal/store"
	"vakhta/internal/store/storetest"
	"vakhta/internal/topology"
)

var update = flag.Bool("update", false, "write the golden files anew")

// names of a small estate.
type names struct{}

func (names) Component(id string) string { return id }
func (names) Client(id string) string {
	return map[string]string{"romashka": "Ромашка", "vasilek": "Василёк"}[id]
}

func (names) Person(id string) string {
	if name := map[string]string{"ivan": "Иван Петров", "duty": "Дежурный Ромашки"}[id]; name != "" {
		return name
	}
	return id
}
func (names) Place(string) string { return "Moscow, room 1, rack K07" }
func (names) ClientOf(server string) string {
	if server == "srv-0300" {
		return "vasilek"
	}
	return "romashka"
}

func (names) Question(q incident.Question) string { return "look at " + q.Component }
func (names) Finding(f topology.Finding) string {
	return "PDU " + f.Component + " (Moscow, room 1, rack K07) has failed: 24 of 500 servers do not answer, 98 % sure"
}

var now = time.Date(2026, 11, 23, 3, 10, 0, 0, time.UTC)

// night fills a store with an open incident, a resolved one and its postmortem.
func night(t *testing.T) *store.Store {
	t.Helper()
	ctx := t.Context()
	st := storetest.Open(t)
	servers := []string{"srv-0300"}
	for i := range 12 {
		servers = append(servers, "srv-"+string(rune('a'+i)))
	}
	open, _, err := st.OpenIncident(ctx, "one", incident.Incident{
		Component: "pdu-k07-a", Title: "PDU pdu-k07-a has failed", Site: "msk", Severity: incident.Sev2, Status: incident.Identified,
		Finding: topology.Finding{
			Component: "pdu-k07-a", Kind: inventory.KindPDU, Confidence: 0.98, AmbiguousWith: []string{"feed-msk-a", "feed-msk-b"},
			Alternatives: []topology.Alternative{{Components: []string{"feed-msk-a", "feed-msk-b"}, Probability: .02}},
			Evidence:     []topology.Evidence{{Text: "24 servers on it do not answer, 0 answer", Count: 24}, {Text: "BMC of srv-a: no answer"}},
		},
		Servers: servers, Clients: []string{"romashka", "vasilek"}, Restored: []string{"srv-a"}, ETA: now.Add(time.Hour), OpenedAt: now.Add(-5 * time.Minute),
	})
	must(t, err)
	done, _, err := st.OpenIncident(ctx, "two", incident.Incident{
		Component: "srv-0217", Title: "Server srv-0217 is switched off", Site: "spb", Severity: incident.Sev3, Status: incident.Investigating,
		Servers: []string{"srv-0217"}, Clients: []string{"romashka"}, OpenedAt: now.Add(-3 * time.Hour),
	})
	must(t, err)
	done.Status, done.ResolvedAt, done.Restored = incident.Resolved, now.Add(-170*time.Minute), done.Servers
	must(t, st.SaveIncident(ctx, done))
	subject := "incident/" + open.ID
	must(t, st.Append(ctx, []incident.Entry{
		{Key: "1", Subject: subject, At: now.Add(-5 * time.Minute), Kind: "alert", Actor: "alertmanager", Text: "HostDown: 24 alerts"},
		{Key: "2", Subject: subject, At: now.Add(-298 * time.Second), Kind: "finding", Actor: "vakhta", Text: "pdu-k07-a has failed"},
		{Key: "3", Subject: subject, At: now.Add(-297 * time.Second), Kind: "page", Actor: "vakhta", Via: "call", Text: "Paging ivan of team emergency by call"},
		{Key: "4", Subject: subject, At: now.Add(-250 * time.Second), Kind: "acknowledged", Actor: "ivan", Via: "call", Text: "ivan of team emergency has it"},
		{Key: "5", Subject: subject, At: now.Add(-200 * time.Second), Kind: "note", Actor: "ivan", Via: "cli", Text: "Fuse blown <b>twice</b>", Internal: true},
		{Key: "6", Subject: subject, At: now.Add(-60 * time.Second), Kind: "restored", Actor: "vakhta", Text: "1 of 13 servers answer again: srv-a"},
		{Key: "7", Subject: "incident/" + done.ID, At: now.Add(-3 * time.Hour), Kind: "report", Text: "A client reports that his server is down"},
		{Key: "8", Subject: "incident/" + done.ID, At: now.Add(-170 * time.Minute), Kind: "resolved", Text: "All servers answer"},
	}))
	pm := postmortem.Draft(done, nil, names{})
	pm.CreatedAt, pm.UpdatedAt = now, now
	must(t, st.SavePostmortem(ctx, pm, 0))
	_, err = st.Enqueue(ctx, []ledger.Notification{
		{Subject: subject, Event: "page", Step: "page/emergency/1", Team: "emergency", Contact: "ivan", Channel: inventory.Call, Language: inventory.Russian, Body: "…"},
		{
			Subject: subject, Event: "incident.update", Step: "update", Revision: 1, Client: "romashka", Contact: "duty", Channel: inventory.Telegram, Language: inventory.Russian,
			Title: "Авария питания: 12 ваших серверов", Body: "Не работает питание стойки K07 (Москва, зал 1).\nЗатронуты ваши серверы: srv-a, srv-b и ещё 10.\n\nДежурный инженер уже занимается. Следующее сообщение — через 15 минут.",
		},
	}, now.Add(-4*time.Minute))
	must(t, err)
	work := maintenance.Work{
		ID: "feed-b", Title: map[string]string{"ru": "Замена ввода Б", "en": "Replacement of feed B"}, Components: []string{"feed-b", "pdu-k07-b"},
		Impacts: map[string]maintenance.Impact{"pdu-k07-b": maintenance.Degraded}, StartsAt: now.Add(9 * time.Hour), EndsAt: now.Add(12 * time.Hour),
		MovedFrom: now.Add(-15 * time.Hour), Status: maintenance.Approved, Announced: now.Add(-time.Hour), Revision: 2, PlannedBy: "ivan", ApprovedBy: "vera",
		ByClient: map[string][]string{"romashka": {"srv-0217", "srv-0300"}, "vasilek": {"srv-a"}, "<b>acme": {"srv-b"}},
	}
	must(t, st.PutMaintenance(ctx, work))
	must(t, st.TellMaintenance(ctx, work.ID, 2, "vasilek", "vera", now.Add(-time.Minute)))
	_, err = st.Enqueue(ctx, []ledger.Notification{{
		Subject: "maintenance/feed-b", Event: "maintenance.announced", Step: "announcement", Revision: 2, Client: "romashka", Contact: "duty",
		Channel: inventory.SMS, Language: inventory.Russian, Body: "Работы 02:00-05:00",
	}}, now.Add(-3*time.Minute))
	must(t, err)
	return st
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func pages(t *testing.T, st *store.Store, o Options) http.Handler {
	t.Helper()
	o.Now, o.Log = func() time.Time { return now }, zerolog.Nop()
	if o.Desk == nil {
		o.Desk = &desk{}
	}
	if o.Watch == nil {
		o.Watch = &watch{}
	}
	mux := http.NewServeMux()
	New(st, names{}, o).Register(mux)
	signer, err := acklink.NewSigner(strings.Repeat("k", 32))
	must(t, err)
	(&AckPage{Store: st, Signer: signer, Now: o.Now, Log: o.Log}).Register(mux)
	(&OptOutPage{
		Notification: st.Notification, Signer: signer, Log: o.Log,
		Out:   func(context.Context, ledger.Notification) (bool, error) { return false, nil },
		Wants: func(context.Context, ledger.Notification, bool) error { return nil },
	}).Register(mux)
	return mux
}

func get(h http.Handler, path string, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("GET", "http://localhost"+path, nil)
	r.RemoteAddr = "127.0.0.1:4711"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestGoldenPages(t *testing.T) {
	st := night(t)
	h := pages(t, st, Options{Watch: awake(), Key: func() string { return "K" }})
	all, err := st.Incidents(t.Context(), store.IncidentFilter{})
	must(t, err)
	var open, done string
	for _, inc := range all {
		if inc.Status == incident.Resolved {
			done = inc.ID
		} else {
			open = inc.ID
		}
	}
	ns, err := st.Notifications(t.Context(), store.NotificationFilter{Client: "romashka"})
	must(t, err)
	signer, err := acklink.NewSigner(strings.Repeat("k", 32))
	must(t, err)
	for name, path := range map[string]string{
		"index.html": "/", "incident.html": "/incidents/" + open, "resolved.html": "/incidents/" + done,
		"postmortem.html": "/postmortems/" + done, "postmortem.md": "/postmortems/" + done + ".md",
		"optout.html": "/u/" + signer.OptOut(ns[0].ID, ns[0].Contact), "acknowledge.html": "/a/" + signer.Sign(ns[0].ID, ns[0].Contact), "absent.html": "/incidents/nope", "works.html": "/works", "work.html": "/works/feed-b",
	} {
		t.Run(name, func(t *testing.T) {
			w := get(h, path, nil)
			if want := http.StatusOK; w.Code != want && name != "absent.html" {
				t.Fatalf("status %d: %s", w.Code, w.Body)
			}
			file := filepath.Join("testdata", name)
			if *update {
				must(t, os.WriteFile(file, w.Body.Bytes(), 0o644))
			}
			want, err := os.ReadFile(file)
			must(t, err)
			if w.Body.String() != string(want) {
				t.Errorf("%s differs; look at it and run the test with -update:\n%s", name, w.Body)
			}
		})
	}
}

func TestPagesLetNothingIn(t *testing.T) {
	h := pages(t, night(t), Options{})
	w := get(h, "/", nil)
	csp := w.Header().Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %q", csp)
	}
	body := w.Body.String()
	for _, outside := range []string{"<script", "src=\"http", "href=\"http", "style=\""} {
		if strings.Contains(body, outside) {
			t.Errorf("the page holds %s", outside)
		}
	}
}

func TestEngineersPagesAreClosedToOthers(t *testing.T) {
	st := night(t)
	from := func(remote, host, header string) func(*http.Request) {
		return func(r *http.Request) {
			r.RemoteAddr, r.Host = remote, host
			if header != "" {
				r.Header.Set(header, "203.0.113.1")
			}
		}
	}
	withPassword := func(password string) func(*http.Request) {
		return func(r *http.Request) {
			r.RemoteAddr, r.Host = "203.0.113.1:1", "vakhta.example.net"
			if password != "" {
				r.SetBasicAuth("ivan", password)
			}
		}
	}
	tests := []struct {
		name, password string
		change         func(*http.Request)
		code           int
	}{
		{"this machine", "", from("127.0.0.1:1", "127.0.0.1:8080", ""), 200},
		{"this machine over IPv6", "", from("[::1]:1", "localhost:8080", ""), 200},
		{"another machine", "", from("203.0.113.1:1", "vakhta.example.net", ""), 403},
		{"a proxy on this machine", "", from("127.0.0.1:1", "127.0.0.1:8080", "X-Forwarded-For"), 403},
		{"a foreign name that resolves to here", "", from("127.0.0.1:1", "evil.example", ""), 403},
		{"no password", "pw", withPassword(""), 401},
		{"wrong password", "pw", withPassword("px"), 401},
		{"right password", "pw", withPassword("pw"), 200},
		{"this machine, too, needs it", "pw", from("127.0.0.1:1", "localhost", ""), 401},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := get(pages(t, st, Options{Password: tt.password}), "/", tt.change)
			if w.Code != tt.code {
				t.Errorf("status %d, want %d", w.Code, tt.code)
			}
			if w.Code != 200 && strings.Contains(w.Body.String(), "PDU") {
				t.Error("the refusal names an incident")
			}
		})
	}
}
