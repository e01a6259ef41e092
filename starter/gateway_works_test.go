package main

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/maintenance"
	"vakhta/internal/web"
	"vakhta/runbooks"
	"vakhta/workflows"
)

func (h *gatehouse) form(path string, fields url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "http://localhost"+path, strings.NewReader(fields.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	r.RemoteAddr = "127.0.0.1:4711"
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w
}

func TestAWorkOfThePageIsWhatTheCommandLineWouldPlan(t *testing.T) {
	h := newGatehouse(t)
	h.flows.answer = workflows.MaintenanceStatus{Next: "it lapses"}
	fields := url.Values{
		"components": {"srv-0001"}, "start": {"2030-12-01T02:00"}, "end": {"2030-12-01T05:00"}, "timezone": {"Europe/Moscow"},
		"title-ru": {"Замена"}, "title-en": {"Replacement"}, "notices": {"72h, 1h"}, "by": {"ivan"}, "do": {"measure"},
	}
	w := h.form("/works/new", fields)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	require.Contains(t, w.Body.String(), "1 machine of 1 client loses service")
	require.Empty(t, h.flows.calls, "looking at it must plan nothing")

	fields.Set("do", "plan")
	w = h.form("/works/new", fields)
	require.Equal(t, http.StatusSeeOther, w.Code, w.Body.String())
	require.Equal(t, "/works/srv-0001-2030-12-01", w.Header().Get("Location"))
	in := h.flows.calls[0].arg.(workflows.MaintenanceInput)
	require.Equal(t, workflows.Act{By: "ivan", Via: "page"}, in.Act)
	require.Equal(t, time.Date(2030, 11, 30, 23, 0, 0, 0, time.UTC), in.Work.StartsAt)
	require.Equal(t, []time.Duration{72 * time.Hour, time.Hour}, in.Work.Notices[maintenance.Outage])

	fields.Set("components", "srv-0001, nothing")
	fields.Set("start", "soon")
	w = h.form("/works/new", fields)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	for _, want := range []string{"components[1]", "start: ", "soon"} {
		require.Contains(t, w.Body.String(), want, "all that is wrong is said at once")
	}
	require.Len(t, h.flows.calls, 2, "what is wrong must start nothing")
}

func TestActsOfThePageAreUpdates(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 10, 0, 0, time.UTC)
	d := worksDesk{now: func() time.Time { return now }}
	by := workflows.Act{By: "ivan", Via: "page"}
	for _, tt := range []struct {
		act  web.WorkAct
		want any
	}{
		{web.WorkAct{Act: "approve"}, workflows.WorkUpdate{Act: by}},
		{web.WorkAct{Act: "told", Client: " acme "}, workflows.ToldUpdate{Act: by, Client: "acme"}},
		{web.WorkAct{Act: "extend", End: "45m"}, workflows.ExtendUpdate{Act: by, For: runbooks.Duration(45 * time.Minute)}},
		{web.WorkAct{Act: "extend", End: "06:30"}, workflows.ExtendUpdate{Act: by, EndsAt: time.Date(2026, 11, 23, 6, 30, 0, 0, time.UTC)}},
		{
			web.WorkAct{Act: "reschedule", Start: "2026-12-02 02:00", End: "2026-12-02 05:00", TimeZone: "Europe/Moscow", Override: "agreed"},
			workflows.RescheduleUpdate{Act: by, StartsAt: time.Date(2026, 12, 1, 23, 0, 0, 0, time.UTC), EndsAt: time.Date(2026, 12, 2, 2, 0, 0, 0, time.UTC), Override: "agreed"},
		},
	} {
		tt.act.By = "ivan"
		got, err := d.update(tt.act)
		require.NoError(t, err)
		require.Equal(t, tt.want, got)
	}
	_, err := d.update(web.WorkAct{Act: "reschedule", Start: "x", End: "y", TimeZone: "Europe/Moscow", By: "ivan"})
	require.ErrorContains(t, err, "start: ")
}
