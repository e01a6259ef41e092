package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/serviceerror"

	"vakhta/internal/config"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/internal/web"
	"vakhta/workflows"
)

// ruled is an estate where roles hold.
func ruled(t *testing.T) *inventory.Inventory {
	t.Helper()
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(testEstate + `  - id: network
    members:
      - {id: olga, name: Olga, timezone: Europe/Moscow, addresses: {call: "+79000000011", email: olga@host.example}}
      - {id: chief, name: Chief, role: manager, addresses: {call: "+79000000012"}}
      - {id: guest, name: Guest, role: viewer, addresses: {call: "+79000000013"}}
    levels: [{members: [olga], ackWithin: 2m}]
`)})
	must(t, err)
	return inv
}

// olgasLine has the hash of "olga's own words".
const olgasLine = "olga:$2a$10$ykDYu6lZ4SZUCrFsIGE//.tC6SJO1yY51RX4OfubGKvNFI.LhmO12"

// incidentHouse is a gatehouse with an open incident, where roles hold. A proxy
// says who calls, or olga alone has a password.
func incidentHouse(t *testing.T, passwords bool) *gatehouse {
	t.Helper()
	h := newGatehouse(t)
	cfg, d := h.gateway.cfg, h.gateway.deps
	if passwords {
		cfg.PagesPeople = config.NewSecret(olgasLine)
	} else {
		cfg.PagesProxy = &config.PagesProxy{Header: "X-Forwarded-User", From: []string{"10.1.0.0/24"}}
		must(t, cfg.PagesProxy.ValidateAndSetDefaults())
	}
	d.Inventory = ruled(t)
	d.Now = func() time.Time { return time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC) } // 04:00 in Moscow
	var err error
	h.gateway, err = newGateway(cfg, d)
	must(t, err)
	h.handler = h.gateway.Handler()
	_, _, err = h.store.OpenIncident(t.Context(), "msk-k1", incident.Incident{
		Component: "msk-k1", Site: "msk", Title: "Rack msk-k1 has failed", Severity: incident.Sev2, Status: incident.Identified, Finding: topology.Finding{Component: "msk-k1"},
		Servers: []string{}, Clients: []string{}, Restored: []string{}, OpenedAt: d.Now().Add(-5 * time.Minute),
	})
	must(t, err)
	h.flows.answers = map[string]any{
		"incident/msk-k1-1": workflows.IncidentStatus{
			Teams: map[string]workflows.EscalateStatus{"network": {Team: "network", State: "paging"}, "emergency": {Team: "emergency", State: "acknowledged", AcknowledgedBy: "ivan"}},
			Steps: []workflows.StepStatus{{ID: "gate", Kind: "approve", State: "running", Manual: true, Title: "Power-cycle it?"}},
		},
		"escalate/msk-k1-1/network": workflows.EscalateStatus{
			Team: "network", State: "paging", Round: 1, Level: 1, Paged: []string{"olga"}, NextAt: d.Now().Add(2 * time.Minute),
			Next: []workflows.NextPage{{Contact: "olga", Channel: inventory.Call, At: d.Now().Add(40 * time.Second)}},
		},
	}
	return h
}

// as makes a request as somebody: a form if there are fields.
func (h *gatehouse) as(who, path string, fields url.Values, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodGet, testPublicURL+path, nil)
	if fields != nil {
		r = httptest.NewRequest(http.MethodPost, testPublicURL+path, strings.NewReader(fields.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	r.RemoteAddr = "10.1.0.7:4711"
	r.Header.Set("X-Forwarded-User", who)
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

func TestThePageSaysWhoHasItAndWhatComesNext(t *testing.T) {
	h := incidentHouse(t, false)
	w := h.as("olga", "/incidents/msk-k1-1", nil, nil)
	require.Equal(t, http.StatusOK, w.Code)
	for _, want := range []string{
		"<b>ivan</b> has it", "Paged: Olga", "01:00:40", "call → Olga", "01:02:00", "Take it", "Power-cycle it?", ">olga</span>",
	} {
		require.Contains(t, w.Body.String(), want)
	}
	require.NotContains(t, w.Body.String(), "Nobody proves")
	h.flows.err = serviceerror.NewUnavailable("away")
	w = h.as("olga", "/incidents/msk-k1-1", nil, nil)
	require.Equal(t, http.StatusOK, w.Code)
	require.Contains(t, w.Body.String(), "does not answer", "without its workflows the page is whole, and says so")
	require.Contains(t, w.Body.String(), "Rack msk-k1 has failed")
}

func TestAnActOfThePageIsAnUpdateInTheNameOfWhoHasSignedIn(t *testing.T) {
	h := incidentHouse(t, false)
	w := h.as("olga", "/incidents/msk-k1-1/note", url.Values{"text": {"PSU B is warm"}, "key": {"K1"}, "by": {"chief"}}, nil)
	require.Equal(t, http.StatusSeeOther, w.Code, w.Body.String())
	require.Equal(t, call{"update", "incident/msk-k1-1", "note", workflows.NoteUpdate{Act: workflows.Act{By: "olga", Via: "page"}, Text: "PSU B is warm"}}, h.flows.calls[0])
	h.as("olga", "/incidents/msk-k1-1/note", url.Values{"text": {"PSU B is warm"}, "key": {"K1"}}, nil)
	require.Equal(t, []string{"page-note-K1", "page-note-K1"}, h.flows.updateIDs, "the same form sent twice is one update to Temporal")

	h.flows.err = serviceerror.NewDeadlineExceeded("slow")
	w = h.as("olga", "/incidents/msk-k1-1/note", url.Values{"text": {"again"}, "key": {"K2"}}, nil)
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), `value="K2"`, "nobody knows whether it was done: the key stays")
	require.Contains(t, w.Body.String(), "Nobody can say yet")
}

func TestRolesHoldOnThePages(t *testing.T) {
	h := incidentHouse(t, false)
	work := url.Values{
		"components": {"srv-0001"}, "start": {"2030-12-01T02:00"}, "end": {"2030-12-01T05:00"}, "timezone": {"Europe/Moscow"},
		"title-ru": {"Замена"}, "title-en": {"Replacement"}, "do": {"plan"},
	}
	for _, c := range []struct {
		who, path string
		fields    url.Values
		code      int
		says      string
	}{
		{"guest", "/incidents/msk-k1-1/acknowledge", url.Values{"key": {"1"}}, 403, "guest is a viewer"},
		{"guest", "/incidents/msk-k1-1/resolve", url.Values{"key": {"2"}, "reason": {"x"}}, 403, "responder"},
		{"olga", "/incidents/msk-k1-1/approve", url.Values{"key": {"3"}, "step": {"gate"}}, 403, "manager"},
		{"guest", "/works/new", work, 422, "guest is a viewer"},
		{"chief", "/incidents/msk-k1-1/approve", url.Values{"key": {"4"}, "step": {"gate"}}, 303, ""},
		{"olga", "/works/new", work, 303, ""},
	} {
		h.flows.calls = nil
		h.flows.answer = workflows.MaintenanceStatus{Next: "it lapses"}
		w := h.as(c.who, c.path, c.fields, nil)
		require.Equal(t, c.code, w.Code, c.path+": "+w.Body.String())
		require.Contains(t, w.Body.String(), c.says)
		for _, call := range h.flows.calls {
			require.False(t, c.code != 303 && call.kind != "query", "%s by %s came to %+v", c.path, c.who, call)
		}
	}
	w := h.as("guest", "/incidents/msk-k1-1", nil, nil)
	require.Contains(t, w.Body.String(), "You look only")
	require.NotContains(t, w.Body.String(), "Take it")
}

func TestWhoHasNoPasswordOfHisOwnStaysOutside(t *testing.T) {
	h := incidentHouse(t, true)
	path, note := "/incidents/msk-k1-1", url.Values{"text": {"x"}, "key": {"K"}}
	for name, change := range map[string]func(*http.Request){
		"nobody":                   func(*http.Request) {},
		"a wrong password":         func(r *http.Request) { r.SetBasicAuth("olga", "chief's own words") },
		"a stranger":               func(r *http.Request) { r.SetBasicAuth("boris", "olga's own words") },
		"this machine, signed out": func(r *http.Request) { r.RemoteAddr, r.Host = "127.0.0.1:1", "localhost" },
	} {
		w := h.as("olga", path+"/note", note, change) // a header of no proxy
		require.Equal(t, http.StatusUnauthorized, w.Code, name)
		require.NotContains(t, w.Body.String(), "msk-k1")
	}
	require.Empty(t, h.flows.calls)
	require.NotContains(t, h.log.String(), "own words")
	w := h.as("", path+"/note", note, func(r *http.Request) { r.SetBasicAuth("olga", "olga's own words") })
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, "olga", h.flows.calls[0].arg.(workflows.NoteUpdate).By)
}

func TestTheProxyInFrontSaysWhoCalls(t *testing.T) {
	h := incidentHouse(t, false)
	from := func(peer string, names ...string) func(*http.Request) {
		return func(r *http.Request) {
			r.Header.Del("X-Forwarded-User")
			r.RemoteAddr = peer + ":4711"
			for _, n := range names {
				r.Header.Add("X-Forwarded-User", n)
			}
		}
	}
	note := func(change func(*http.Request)) (int, string) {
		h.flows.calls = nil
		w := h.as("x", "/incidents/msk-k1-1/note", url.Values{"text": {"x"}, "key": {"K"}}, change)
		for _, c := range h.flows.calls {
			if u, ok := c.arg.(workflows.NoteUpdate); ok {
				return w.Code, u.By
			}
		}
		return w.Code, ""
	}
	for name, c := range map[string]struct {
		change func(*http.Request)
		code   int
		by     string
	}{
		"by id":                {from("10.1.0.7", "olga"), 303, "olga"},
		"by mail address":      {from("10.1.0.7", "Olga@Host.example"), 303, "olga"},
		"a viewer":             {from("10.1.0.7", "guest"), 403, ""},
		"who is in no team":    {from("10.1.0.7", "boris"), 403, ""},
		"another machine":      {from("10.2.0.7", "olga"), 403, ""},
		"nobody signed in":     {from("10.1.0.7"), 403, ""},
		"the header twice":     {from("10.1.0.7", "guest", "olga"), 403, ""},
		"this machine, unsaid": {from("127.0.0.1"), 403, ""},
	} {
		code, by := note(c.change)
		require.Equal(t, c.code, code, name)
		require.Equal(t, c.by, by, name)
	}
}

func TestActsOnAnIncidentAreUpdates(t *testing.T) {
	now := time.Date(2026, 11, 23, 1, 0, 0, 0, time.UTC)
	d := incidentWatch{deps{Inventory: ruled(t)}, func() time.Time { return now }}
	by := workflows.Act{By: "olga", Via: "page"}
	for _, c := range []struct {
		act      web.IncidentAct
		workflow string
		want     any
	}{
		{web.IncidentAct{Act: "acknowledge", Team: "network"}, "incident/i1", workflows.AcknowledgeUpdate{Act: by, Team: "network"}},
		{web.IncidentAct{Act: "decline", Team: "network"}, "escalate/i1/network", workflows.DeclineUpdate{Act: by}},
		{web.IncidentAct{Act: "handOver", Team: "network", To: "chief", From: "olga"}, "escalate/i1/network", workflows.HandOverUpdate{Act: by, To: "chief", From: "olga"}},
		{web.IncidentAct{Act: "assign", Team: "network", To: "chief"}, "escalate/i1/network", workflows.HandOverUpdate{Act: by, To: "chief"}},
		{web.IncidentAct{Act: "checked", Component: "sw-3", Result: "ok"}, "incident/i1", workflows.CheckedUpdate{Act: by, Component: "sw-3", Result: "ok"}},
		{web.IncidentAct{Act: "restored", Component: "a, b"}, "incident/i1", workflows.RestoredUpdate{Act: by, Components: []string{"a", "b"}}},
		{web.IncidentAct{Act: "setEta", When: "45m"}, "incident/i1", workflows.SetETAUpdate{Act: by, At: now.Add(45 * time.Minute)}},
		{web.IncidentAct{Act: "setEta", When: "06:30"}, "incident/i1", workflows.SetETAUpdate{Act: by, At: now.Add(2*time.Hour + 30*time.Minute)}}, // by her clock
		{web.IncidentAct{Act: "setSeverity", Severity: "sev1"}, "incident/i1", workflows.SetSeverityUpdate{Act: by, Severity: "sev1"}},
		{web.IncidentAct{Act: "completeTask", Step: "s", Text: "done"}, "incident/i1", workflows.CompleteTaskUpdate{Act: by, Step: "s", Result: "done"}},
		{web.IncidentAct{Act: "approve", Step: "s", Refuse: true, Reason: "no"}, "incident/i1", workflows.ApproveUpdate{Act: by, Step: "s", Refuse: true, Reason: "no"}},
		{web.IncidentAct{Act: "askHands", Component: "m", Probe: "psu", Peer: "p"}, "incident/i1", workflows.AskHandsUpdate{Act: by, Component: "m", Probe: "psu", Peer: "p"}},
		{web.IncidentAct{Act: "answer", Question: "i1/2", Answer: "no", Text: "dark"}, "hands/i1/2", workflows.AnswerUpdate{Act: by, Answer: "no", Note: "dark"}},
		{web.IncidentAct{Act: "resolve", Reason: "over"}, "incident/i1", workflows.ResolveUpdate{Act: by, Reason: "over"}},
		{web.IncidentAct{Act: "reopen", Reason: "again"}, "incident/i1", workflows.ReopenUpdate{Act: by, Reason: "again"}},
	} {
		c.act.By, c.act.Incident = "olga", "i1"
		workflow, got, err := d.update(c.act)
		require.NoError(t, err)
		require.Equal(t, c.workflow, workflow)
		require.Equal(t, c.want, got)
	}
	for want, wrong := range map[string]web.IncidentAct{
		"team: ": {Act: "decline"}, "not understood": {Act: "setEta", When: "soon"}, "none of incident i1": {Act: "answer", Question: "i2/1"}, "there is no": {Act: "explode"},
	} {
		wrong.Incident = "i1"
		_, _, err := d.update(wrong)
		require.ErrorContains(t, err, want)
	}
}

// A page that was sent to a group is taken by whoever presses its button, in his
// own name and with his own role.
func TestAPageInAGroupIsTakenByWhoPresses(t *testing.T) {
	h := commandHouse(t)
	all := h.notifications()
	n := all[len(all)-1]
	press := func(user string) {
		h.t.Helper()
		updateNumber++
		code, body := h.telegram(`{"update_id":` + strconv.Itoa(updateNumber) + `,"callback_query":{"id":"q","from":{"id":` + user + `,"first_name":"x"},"data":"ack:` + n.AckCode +
			`","message":{"message_id":1,"date":1,"chat":{"id":-100500,"type":"group"}}}}`)
		require.Equal(t, 204, code, body)
	}
	for _, user := range []string{"7002", "999"} { // a viewer, a stranger
		press(user)
		require.True(t, h.notification(n.ID).AcknowledgedAt.IsZero(), "%s may only look", user)
		require.Empty(t, h.flows.calls)
		require.Contains(t, h.botSaid[len(h.botSaid)-1], "viewer")
	}
	press("7001")
	require.Equal(t, "olga", h.notification(n.ID).AcknowledgedBy)
	want := workflows.PageAnswer{Contact: "net-room", By: "olga", Notification: n.ID, Via: "telegram"}
	require.Equal(t, call{"signal", "escalate/msk-k1-1/network", workflows.SignalAcknowledged, want}, h.flows.calls[0])
}

func (h *gatehouse) notifications() []ledger.Notification {
	h.t.Helper()
	out, err := h.store.Notifications(h.t.Context(), store.NotificationFilter{Team: "network"})
	must(h.t, err)
	return out
}
