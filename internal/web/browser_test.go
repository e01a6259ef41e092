package web

import (
	"context"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"vakhta/internal/acklink"
	"vakhta/internal/store"
)

// browser opens a real Chromium, without a network of its own.
func browser(t *testing.T) context.Context {
	t.Helper()
	if _, err := exec.LookPath("chromium"); err != nil {
		t.Skip("Chromium is not installed; `make test` installs it")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath("chromium"), chromedp.NoSandbox, chromedp.DisableGPU, chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true),
		chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true),
		chromedp.WSURLReadTimeout(time.Minute))
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	t.Cleanup(cancel)
	ctx, stop := chromedp.NewExecAllocator(ctx, options...)
	t.Cleanup(stop)
	ctx, closeTab := chromedp.NewContext(ctx)
	t.Cleanup(closeTab)
	return ctx
}

func TestAPersonConfirmsWithTheButtonAndAScannerDoesNot(t *testing.T) {
	ctx, st := browser(t), night(t)
	all, err := st.Notifications(ctx, store.NotificationFilter{Contact: "duty"})
	require.NoError(t, err)
	signer, err := acklink.NewSigner(strings.Repeat("k", 32))
	require.NoError(t, err)
	srv := httptest.NewServer(pages(t, st, Options{}))
	defer srv.Close()

	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/a/"+signer.Sign(all[0].ID, all[0].Contact))))
	shown, err := chromedp.Run(ctx, chromedp.Text("article"))
	require.NoError(t, err)
	require.Contains(t, shown, "Не работает питание стойки K07")
	n, err := st.Notification(ctx, all[0].ID)
	require.NoError(t, err)
	require.True(t, n.AcknowledgedAt.IsZero(), "looking at the page, scripts and all, must not acknowledge")

	_, err = chromedp.RunResponse(ctx, chromedp.Click("article button"))
	require.NoError(t, err)
	after, err := chromedp.Run(ctx, chromedp.Text(".done"))
	require.NoError(t, err)
	require.Contains(t, after, "✓")
	n, err = st.Notification(ctx, all[0].ID)
	require.NoError(t, err)
	require.Equal(t, now, n.AcknowledgedAt.UTC())
	require.Equal(t, "page", n.AcknowledgedVia)
}

func TestEngineersWalkFromTheIncidentToItsPostmortem(t *testing.T) {
	ctx, st := browser(t), night(t)
	srv := httptest.NewServer(pages(t, st, Options{}))
	defer srv.Close()

	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/")))
	_, err := chromedp.RunResponse(ctx, chromedp.Click(`a[href*="pdu-k07-a-1"]`))
	require.NoError(t, err)
	shown, err := chromedp.Run(ctx, chromedp.Text("body"))
	require.NoError(t, err)
	require.Contains(t, shown, "Fuse blown <b>twice</b>", "what people write is shown as they wrote it, never run")

	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/incidents/srv-0217-1")))
	_, err = chromedp.RunResponse(ctx, chromedp.Click(`a[href="/postmortems/srv-0217-1"]`))
	require.NoError(t, err)
	dots, err := chromedp.Run(ctx, chromedp.Evaluate[int](`document.querySelectorAll("svg circle").length`))
	require.NoError(t, err)
	require.Positive(t, dots, "the timeline is drawn")

	// On a phone nothing may stick out but the picture, which scrolls in its frame.
	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(390, 800)))
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > window.innerWidth`))
	require.NoError(t, err)
	require.False(t, wide, "the page fits a phone")
}

func TestAnEngineerPlansWorkInTheBrowser(t *testing.T) {
	ctx, d := browser(t), &desk{}
	srv := httptest.NewServer(pages(t, night(t), Options{Desk: d, Teams: []string{"emergency"}}))
	defer srv.Close()
	follow := func(selector string) {
		t.Helper()
		_, err := chromedp.RunResponse(ctx, chromedp.Click(selector))
		require.NoError(t, err)
	}
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate(srv.URL+"/works")))
	follow("a[href='/works/new']")
	require.NoError(t, chromedp.Do(ctx,
		chromedp.SendKeys("textarea[name=components]", "feed-b, sw-3=degraded"), chromedp.SendKeys("input[name=title-ru]", "Замена ввода"),
		chromedp.SendKeys("input[name=title-en]", "Replacement of a feed"), chromedp.SetValue("input[name=start]", "2026-12-01T02:00"),
		chromedp.SetValue("input[name=end]", "2026-12-01T05:00"), chromedp.SendKeys("input[name=by]", "ivan")))
	follow("button[value=measure]")
	shown, err := chromedp.Run(ctx, chromedp.Text(".measured"))
	require.NoError(t, err)
	require.Contains(t, shown, "24 machines of 9 clients lose service")

	// What was written stands in the form still, and is what is kept.
	follow("button[value=plan]")
	require.Equal(t, []string{"ivan"}, d.by)
	want := WorkForm{
		Components: "feed-b, sw-3=degraded", Impact: "outage", Start: "2026-12-01 02:00", End: "2026-12-01 05:00", TitleRu: "Замена ввода", TitleEn: "Replacement of a feed",
	}
	require.Equal(t, []WorkForm{want, want}, d.forms)

	// He tells one of those who have not confirmed, and says so.
	follow("a[href='/works/feed-b/told?client=romashka']")
	require.NoError(t, chromedp.Do(ctx, chromedp.SendKeys("input[name=by]", "vera")))
	follow("main form button")
	require.Equal(t, []WorkAct{{Work: "feed-b", Act: "told", By: "vera", Client: "romashka"}}, d.acts)

	require.NoError(t, chromedp.Do(ctx, chromedp.EmulateViewport(390, 800), chromedp.Navigate(srv.URL+"/works/new")))
	wide, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`document.documentElement.scrollWidth > window.innerWidth`))
	require.NoError(t, err)
	require.False(t, wide, "the form fits a phone")
}
