package sandbox_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"vakhta/internal/lab/sandbox"
)

// BenchmarkSMS sends to ever new numbers through the handler, callbacks included.
func BenchmarkSMS(b *testing.B) {
	var callbacks atomic.Int64
	g := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { callbacks.Add(1) }))
	defer g.Close()
	box, err := sandbox.New(sandbox.Config{TwilioSID: accountSID, TwilioToken: authToken, Timing: quick})
	if err != nil {
		b.Fatal(err)
	}
	defer box.Close()
	h := box.Handler()
	n := 0
	for b.Loop() {
		n++
		form := url.Values{"To": {fmt.Sprintf("+7%010d", n)}, "From": {"+15005550006"}, "Body": {"код"}, "StatusCallback": {g.URL}}
		req := httptest.NewRequestWithContext(b.Context(), http.MethodPost, "/2010-04-01/Accounts/"+accountSID+"/Messages.json", strings.NewReader(form.Encode()))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.SetBasicAuth(accountSID, authToken)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, req)
		if w.Code != http.StatusCreated {
			b.Fatalf("%d %s", w.Code, w.Body)
		}
	}
	b.ReportMetric(float64(n)/b.Elapsed().Seconds(), "sends/s")
	b.ReportMetric(float64(callbacks.Load())/b.Elapsed().Seconds(), "callbacks/s")
}
