package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/store"
	"vakhta/internal/topology"
)

// watch stands for the workflows: it remembers what it was asked, and does an
// act of one key once, as Temporal does.
type watch struct {
	live Live
	away error
	err  error
	acts []IncidentAct
	keys map[string]bool
}

func (w *watch) Live(context.Context, string) (Live, error) { return w.live, w.away }

func (w *watch) May(by, _ string) error {
	if by == "guest" {
		return &inventory.ForbiddenError{By: by, Has: inventory.Viewer, Needs: inventory.Responder}
	}
	return nil
}

func (w *watch) Do(_ context.Context, a IncidentAct) error {
	if err := w.May(a.By, a.Act); err != nil {
		return err
	}
	if w.err == nil && !w.keys[a.Act+a.Key] {
		w.keys[a.Act+a.Key] = true
		w.acts = append(w.acts, a)
	}
	return w.err
}

// awake is a watch on a night when one team is paged and another has it.
func awake() *watch {
	return &watch{keys: map[string]bool{}, live: Live{
		Teams: []LiveTeam{
			{
				Team: "emergency", State: "paging", Round: 1, Level: 2, Paged: []string{"ivan", "petr"}, NextAt: now.Add(4 * time.Minute), Members: []string{"ivan", "petr"},
				Next: []LivePage{{"petr", inventory.Call, now.Add(50 * time.Second)}, {"ivan", inventory.SMS, now.Add(2 * time.Minute)}},
			},
			{Team: "network", State: "acknowledged", HasIt: "vera", Since: now.Add(-3 * time.Minute), Via: "call", NextAt: now.Add(27 * time.Minute), Members: []string{"vera", "oleg"}},
		},
		Steps: []LiveStep{{ID: "replace", Kind: "task", State: "running", Asks: true, Title: "Replace the PDU"}},
	}}
}

// passwords are of people, by name.
type passwords map[string]string

func (p passwords) Check(_ context.Context, name, password string) bool {
	return password != "" && p[name] == password
}

func openOne(t *testing.T, st *store.Store) string {
	t.Helper()
	all, err := st.Incidents(t.Context(), store.IncidentFilter{Open: true})
	must(t, err)
	return "/incidents/" + all[0].ID
}

func as(name string) func(*http.Request) {
	return func(r *http.Request) { r.SetBasicAuth(name, name+"'s") }
}

var crew = passwords{"ivan": "ivan's", "guest": "guest's"}

func TestTheIncidentSaysWhoHasItAndWhatIsNext(t *testing.T) {
	st := night(t)
	body := get(pages(t, st, Options{Watch: awake(), People: crew}), openOne(t, st), as("ivan")).Body.String()
	for _, want := range []string{
		"Nobody has it · level 2, round 1", "Paged: Иван Петров, petr", "Next at <b>03:10:50</b>, in 50 s: call → petr", "The next people at <b>03:14:00</b>, in 4 min",
		"<b>vera</b> has it since 03:07:00", "the page returns at 03:37:00", "Replace the PDU", `<button class="take">Take it</button>`,
	} {
		require.Contains(t, body, want)
	}
	require.NotContains(t, body, "Take it for all teams", "one team is paged")
}

func TestATapSentTwiceIsOneAct(t *testing.T) {
	st, wa := night(t), awake()
	h, path := pages(t, st, Options{Watch: wa, People: crew}), openOne(t, st)
	tap := url.Values{"key": {"K-emergency"}, "team": {"emergency"}}
	for range 2 {
		w := post(h, path+"/acknowledge", tap, as("ivan"))
		require.Equal(t, http.StatusSeeOther, w.Code)
		require.Equal(t, path, w.Header().Get("Location"))
	}
	require.Equal(t, []IncidentAct{{Incident: strings.TrimPrefix(path, "/incidents/"), Act: "acknowledge", By: "ivan", Key: "K-emergency", Team: "emergency"}}, wa.acts)
	post(h, path+"/acknowledge", url.Values{"key": {""}, "team": {"emergency"}}, as("ivan"))
	require.NotEmpty(t, wa.acts[1].Key, "an act always has a key")
}

func TestWhatCannotBeDoneIsSaidInASentence(t *testing.T) {
	st, wa := night(t), awake()
	h, path := pages(t, st, Options{Watch: wa, People: crew}), openOne(t, st)

	wa.err = errors.New("incident pdu-k07-a-1: from: petr has it now, no longer vera")
	w := post(h, path+"/handOver", url.Values{"key": {"OLD"}, "team": {"network"}, "to": {"oleg"}, "from": {"vera"}}, as("ivan"))
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	for _, want := range []string{"petr has it now, no longer vera", `value="vera"`, `<option value="oleg" selected>oleg</option>`} {
		require.Contains(t, w.Body.String(), want)
	}
	require.NotContains(t, w.Body.String(), `value="OLD"`, "what was refused for good is a new act when it is sent anew")

	wa.err = fmt.Errorf("%w: is a worker running?", ErrNoAnswer)
	w = post(h, path+"/note", url.Values{"key": {"OLD"}, "text": {"warm <b>PSU</b>"}}, as("ivan"))
	require.Equal(t, http.StatusServiceUnavailable, w.Code)
	require.Contains(t, w.Body.String(), `value="OLD"`, "what may have been done keeps its key")
	require.Contains(t, w.Body.String(), "warm &lt;b&gt;PSU", "what was written is not lost")

	wa.err = nil
	w = post(h, path+"/note", url.Values{"text": {"x"}}, as("guest"))
	require.Equal(t, http.StatusForbidden, w.Code)
	require.Contains(t, w.Body.String(), "guest is a viewer")
	require.Equal(t, http.StatusNotFound, post(h, path+"/explode", url.Values{}, as("ivan")).Code)
	require.Equal(t, http.StatusNotFound, get(h, path+"/explode", as("ivan")).Code)
	require.Equal(t, http.StatusNotFound, get(h, "/incidents/nope/note", as("ivan")).Code)
	require.Equal(t, http.StatusConflict, get(h, path+"/reopen", as("ivan")).Code, "it is open")
	require.Empty(t, wa.acts)
}

func TestOnlyWhatMakesSenseIsOffered(t *testing.T) {
	st, wa := night(t), awake()
	h := pages(t, st, Options{Watch: wa, People: crew})
	all, err := st.Incidents(t.Context(), store.IncidentFilter{})
	must(t, err)
	for _, inc := range all {
		body := get(h, "/incidents/"+inc.ID, as("ivan")).Body.String()
		for act, want := range map[string]bool{"resolve": inc.Status != incident.Resolved, "setEta": inc.Status != incident.Resolved, "reopen": inc.Status == incident.Resolved, "note": true} {
			require.Equal(t, want, strings.Contains(body, "/"+act+`"`), "%s of %s", act, inc.ID)
		}
		guest := get(h, "/incidents/"+inc.ID, as("guest")).Body.String()
		require.Contains(t, guest, "You look only")
		require.NotContains(t, guest, "/note")
	}
	wa.live, wa.away = Live{}, errors.New("no worker")
	body := get(h, openOne(t, st), as("ivan")).Body.String()
	require.Contains(t, body, "does not answer")
	require.Contains(t, body, "Take it for all teams", "nobody knows who is paged; whoever wants it can say so")
}

func TestNamesThatNobodyProvesAreSaidToBeUnproven(t *testing.T) {
	st, wa := night(t), awake()
	path := openOne(t, st)
	shared := func(r *http.Request) { r.SetBasicAuth("ivan", "pw") }
	h := pages(t, st, Options{Watch: wa, Password: "pw"})
	require.Contains(t, get(h, path+"/note", shared).Body.String(), "Nobody proves this name, ivan")
	require.Contains(t, get(h, path, shared).Body.String(), ">ivan?</span>")
	proven := get(pages(t, st, Options{Watch: wa, People: crew}), path+"/note", as("ivan")).Body.String()
	require.NotContains(t, proven, "Nobody proves")
	require.NotContains(t, proven, `name="by"`)

	// Where there is no password at all, the form asks.
	h = pages(t, st, Options{Watch: wa})
	body := get(h, path, nil).Body.String()
	require.Contains(t, body, `href="`+path+`/acknowledge?team=emergency"`)
	w := post(h, path+"/acknowledge", url.Values{"team": {"emergency"}}, nil)
	require.Equal(t, http.StatusUnprocessableEntity, w.Code)
	require.Contains(t, w.Body.String(), `name="by"`)
	require.Equal(t, http.StatusSeeOther, post(h, path+"/acknowledge", url.Values{"team": {"emergency"}, "by": {"vera"}}, nil).Code)
	require.Equal(t, "vera", wa.acts[0].By)
}

func TestForeignPagesActOnNoIncident(t *testing.T) {
	st, wa := night(t), awake()
	h, path := pages(t, st, Options{Watch: wa, People: crew, PublicURL: "https://vakhta.example"}), openOne(t, st)
	send := func(origin, site string) int {
		return post(h, path+"/resolve", url.Values{"reason": {"x"}}, func(r *http.Request) {
			as("ivan")(r)
			r.Header.Set("Sec-Fetch-Site", site)
			r.Header.Set("Origin", origin)
			if site == "" {
				r.Header.Del("Sec-Fetch-Site")
			}
		}).Code
	}
	require.Equal(t, http.StatusForbidden, send("https://evil.example", "cross-site"))
	require.Equal(t, http.StatusForbidden, send("https://evil.example", ""))
	require.Empty(t, wa.acts)
	require.Equal(t, http.StatusSeeOther, send("https://vakhta.example", ""), "a proxy that changes the Host is ours")
}

// dark is a phone at night.
func dark() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
			Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}},
		})
		return err
	})
}

// shoot keeps a picture where VAKHTA_SHOTS names a folder, for people to look at.
func shoot(t *testing.T, ctx context.Context, name string) {
	t.Helper()
	dir := os.Getenv("VAKHTA_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	must(t, os.WriteFile(filepath.Join(dir, name+".png"), png, 0o600))
}

func TestAnEngineerWorksOnAnIncidentFromHisPhone(t *testing.T) {
	ctx, wa := browser(t), awake()
	st := night(t)
	srv := httptest.NewServer(pages(t, st, Options{Watch: wa, Key: func() string { return "K" }, Password: ""}))
	defer srv.Close()
	path := openOne(t, st)
	_, err := st.PutQuestion(t.Context(), incident.Question{
		Incident: strings.TrimPrefix(path, "/incidents/"), Number: 1, Component: "msk-r2-k07-pdu-a", Probe: topology.ProbePower, Site: "msk", Team: "msk-hands",
		AskedBy: "vakhta", AskedAt: now, Deadline: now.Add(time.Hour),
	})
	require.NoError(t, err)
	follow := func(selector string) {
		t.Helper()
		_, err := chromedp.RunResponse(ctx, chromedp.Click(selector))
		require.NoError(t, err)
	}
	fits := func(name string) {
		t.Helper()
		wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > window.innerWidth`))
		require.NoError(t, err)
		require.False(t, wide, name+" fits a phone")
		shoot(t, ctx, name)
	}
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(390, 800), dark(), chromedp.Navigate(srv.URL+path)))
	fits("incident")
	for selector, least := range map[string]int{".watch .take": 64, ".watch .acts .button": 48} {
		height, err := chromedp.Run(ctx, chromedp.Evaluate[float64](`document.querySelector("`+selector+`").getBoundingClientRect().height`))
		require.NoError(t, err)
		require.GreaterOrEqual(t, int(height), least, "%s is for a thumb", selector)
	}
	seen, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.querySelector("a[href*='/answer?']").getBoundingClientRect().right <= window.innerWidth`))
	require.NoError(t, err)
	require.True(t, seen, "who has the answer sees where to give it")

	follow(".watch .paging .take")
	fits("take")
	require.NoError(t, chromedp.Do(ctx, chromedp.SendKeys("input[name=by]", "ivan")))
	follow("main form button")

	follow("a[href$='/setEta']")
	fits("eta")
	require.NoError(t, chromedp.Do(ctx, chromedp.SendKeys("input[name=by]", "ivan")))
	follow("button[value='30m']")

	follow("a[href$='/handOver?team=network']")
	fits("handover")
	require.NoError(t, chromedp.Do(ctx, chromedp.SendKeys("input[name=by]", "vera"), chromedp.SetValue("select[name=to]", "oleg")))
	follow("main form button")

	follow("a[href$='/resolve']")
	fits("resolve")
	wa.err = errors.New("incident pdu-k07-a-1: is resolved already")
	require.NoError(t, chromedp.Do(ctx, chromedp.SendKeys("input[name=by]", "ivan"), chromedp.SendKeys("input[name=reason]", "all is back")))
	follow("main form button")
	said, err := chromedp.Run(ctx, chromedp.Text(".notice.bad"))
	require.NoError(t, err)
	require.Contains(t, said, "is resolved already")
	fits("refused")

	id := strings.TrimPrefix(path, "/incidents/")
	require.Equal(t, []IncidentAct{
		{Incident: id, Act: "acknowledge", By: "ivan", Key: "K", Team: "emergency"},
		{Incident: id, Act: "setEta", By: "ivan", Key: "K", When: "30m"},
		{Incident: id, Act: "handOver", By: "vera", Key: "K", Team: "network", To: "oleg", From: "vera"},
	}, wa.acts)
}

// Every act has a form, and no form has a script.
func TestEveryActHasItsForm(t *testing.T) {
	st, wa := night(t), awake()
	wa.live.Steps = append(wa.live.Steps, LiveStep{ID: "gate", Kind: "approve", State: "running", Asks: true})
	h, path := pages(t, st, Options{Watch: wa, People: crew}), openOne(t, st)
	key := regexp.MustCompile(`name="key" value="[A-Z0-9]{20,}"`)
	for _, f := range incidentForms {
		w := get(h, path+"/"+f.Act+"?team=emergency&step=gate", as("ivan"))
		if f.Act == actReopen || f.Act == actAnswer {
			require.Equal(t, http.StatusConflict, w.Code, f.Act)
			continue
		}
		require.Equal(t, http.StatusOK, w.Code, f.Act)
		require.Contains(t, w.Body.String(), f.Means)
		require.Regexp(t, key, w.Body.String(), f.Act)
		require.NotContains(t, w.Body.String(), "<script")
	}
}
