package web

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
)

// desk remembers what it was asked.
type desk struct {
	forms []WorkForm
	acts  []WorkAct
	by    []string
	err   error
}

func (d *desk) Waiting(context.Context, maintenance.Work) ([]maintenance.Waiting, error) {
	return []maintenance.Waiting{
		{Client: "<b>acme", Machines: 1},
		{
			Client: "romashka", Machines: 2, Told: []maintenance.Told{{Channel: inventory.Email, State: ledger.Delivered}, {Channel: inventory.SMS, State: ledger.Queued}},
			Next: []maintenance.Ahead{{Contact: "ivan", Channel: inventory.Call}},
		},
	}, nil
}

func (d *desk) NextRung(context.Context, maintenance.Work) time.Time { return now.Add(2 * time.Hour) }

func (d *desk) Measure(_ context.Context, f WorkForm) (Measured, error) {
	d.forms = append(d.forms, f)
	m := Measured{
		Clients: 9, Servers: 24, Reduced: 3, Conflicts: []maintenance.Conflict{{With: "maintenance/feed-a", Servers: []string{"srv-7"}}},
		Contacts: 11, Told: 9, Unreachable: 1, Rungs: []MeasuredRung{{1, inventory.Email, 11, 2 * time.Second, true}},
	}
	return m, d.err
}

func (d *desk) Plan(_ context.Context, f WorkForm, by string) (string, error) {
	d.forms, d.by = append(d.forms, f), append(d.by, by)
	return "feed-b", d.err
}

func (d *desk) Do(_ context.Context, a WorkAct) error {
	d.acts = append(d.acts, a)
	return d.err
}

func post(h http.Handler, path string, fields url.Values, change func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest("POST", "http://localhost"+path, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.RemoteAddr = "127.0.0.1:4711"
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAWorkIsPlannedOnThePage(t *testing.T) {
	d := &desk{}
	h := pages(t, night(t), Options{Desk: d, Teams: []string{"emergency"}})
	form := url.Values{
		"components": {"feed-b"}, "impact": {"outage"}, "start": {"2026-12-01T02:00"}, "end": {"2026-12-01T05:00"},
		"title-ru": {"Замена"}, "title-en": {"Replacement"}, "do": {"measure"},
	}
	w := post(h, "/works/new", form, nil)
	require.Equal(t, http.StatusOK, w.Code)
	for _, want := range []string{"24 machines of 9 clients", "maintenance/feed-a", "srv-7", "11 contacts", `value="2026-12-01T02:00"`, ">feed-b</textarea>"} {
		require.Contains(t, w.Body.String(), want)
	}
	require.Equal(t, WorkForm{Components: "feed-b", Impact: "outage", Start: "2026-12-01 02:00", End: "2026-12-01 05:00", TitleRu: "Замена", TitleEn: "Replacement"}, d.forms[0])

	form.Set("do", "plan")
	w = post(h, "/works/new", form, nil)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code, "nobody knows who plans it")
	require.Len(t, d.forms, 1, "nothing may be planned by nobody")

	form.Set("by", "ivan")
	w = post(h, "/works/new", form, nil)
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, "/works/feed-b", w.Header().Get("Location"))
	require.Equal(t, []string{"ivan"}, d.by)

	d.err = errors.New("components[0]: the inventory has no \"feed-b\"")
	w = post(h, "/works/new", form, nil)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Contains(t, w.Body.String(), "the inventory has no")
	require.Contains(t, w.Body.String(), "Замена", "what was written must not be lost")
}

func TestActsOnAWorkNameWhoGaveThem(t *testing.T) {
	d := &desk{}
	st := night(t)
	h := pages(t, st, Options{Desk: d})
	for path, want := range map[string]string{
		"/works/feed-b/cancel": "will not be done", "/works/feed-b/reschedule": "datetime-local", "/works/feed-b/told?client=romashka": "Ромашка",
	} {
		w := get(h, path, nil)
		require.Equal(t, http.StatusOK, w.Code, path)
		require.Contains(t, w.Body.String(), want)
	}
	require.Equal(t, http.StatusConflict, get(h, "/works/feed-b/complete", nil).Code, "it has not begun")
	require.Equal(t, http.StatusNotFound, get(h, "/works/nope/cancel", nil).Code)

	w := post(h, "/works/feed-b/told", url.Values{"client": {"romashka"}}, nil)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Empty(t, d.acts)
	w = post(h, "/works/feed-b/told", url.Values{"client": {"romashka"}, "by": {" vera "}}, nil)
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, WorkAct{Work: "feed-b", Act: "told", By: "vera", Client: "romashka"}, d.acts[0])

	named := pages(t, st, Options{Desk: d, Password: "pw"})
	w = post(named, "/works/feed-b/cancel", url.Values{"by": {"somebody else"}}, func(r *http.Request) { r.SetBasicAuth("ivan", "pw") })
	require.Equal(t, http.StatusSeeOther, w.Code)
	require.Equal(t, "ivan", d.acts[1].By, "who signs in can't act in another's name")
}

func TestAForeignPageChangesNothing(t *testing.T) {
	d := &desk{}
	h := pages(t, night(t), Options{Desk: d, Password: "pw"})
	for name, change := range map[string]func(*http.Request){
		"cross-site":           func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") },
		"an old browser":       func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") },
		"without the password": func(r *http.Request) { r.Header.Del("Authorization") },
	} {
		w := post(h, "/works/feed-b/cancel", url.Values{"by": {"ivan"}}, func(r *http.Request) {
			r.SetBasicAuth("ivan", "pw")
			change(r)
		})
		require.Contains(t, []int{http.StatusForbidden, http.StatusUnauthorized}, w.Code, name)
	}
	require.Empty(t, d.acts)
}
