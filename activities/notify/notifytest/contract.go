// Package notifytest holds a channel of package notify against the law that
// every channel obeys: what was certainly not sent may be sent again, what is
// not certain is unknown, and no outcome tells an address or a secret.
package notifytest

import (
	"context"
	"encoding/json"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// Subject is a channel under test.
type Subject struct {
	// Open returns the channel, pointed at a provider at url.
	Open func(t *testing.T, url string) notify.Channel
	// Notification and To are what is sent, to an address that is one.
	Notification ledger.Notification
	To           string
	// Secrets must not appear in any outcome; nor must To.
	Secrets []string
}

// Contract runs the law against a channel.
func Contract(t *testing.T, s Subject) {
	t.Run("no connection is a retry", s.noConnection)
	t.Run("a certificate that isn't trusted is a retry", s.untrusted)
	t.Run("a connection closed unread is no loss and no guess", s.closedUnread)
	t.Run("a reset after the request is unknown", s.resetAfterRequest)
	t.Run("silence is unknown, and ends in time", s.silence)
	t.Run("5xx is unknown", s.serverErrors)
	t.Run("429 is a retry when the provider says so", s.rateLimited)
	t.Run("a redirect is not followed", s.redirect)
}

func (s Subject) send(t *testing.T, url string, within time.Duration) ledger.Outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	o := s.Open(t, url).Send(ctx, s.Notification, s.To)
	Discreet(t, o, s.To, s.Secrets...)
	return o
}

// Discreet fails the test where an outcome tells the address or a secret, or
// takes more than a line.
func Discreet(t *testing.T, o ledger.Outcome, to string, secrets ...string) {
	t.Helper()
	said, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range append([]string{to, strings.TrimPrefix(to, "+")}, secrets...) {
		if strings.Contains(string(said), secret) {
			t.Errorf("the outcome tells a secret or an address: %s", said)
		}
	}
	if strings.ContainsRune(o.Message, '\n') {
		t.Errorf("the outcome's message has several lines: %q", o.Message)
	}
}

func want(t *testing.T, o ledger.Outcome, state ledger.State, class ledger.Class, wrote bool) {
	t.Helper()
	if o.State != state || o.Class != class || o.Wrote != wrote {
		t.Errorf("got %s, class %s, wrote %v; want %s, class %s, wrote %v (%s)",
			o.State, o.Class, o.Wrote, state, class, wrote, o.Message)
	}
}

func (s Subject) noConnection(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + l.Addr().String()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	want(t, s.send(t, url, 5*time.Second), ledger.Retry, ledger.ClassRetry, false)
}

func (s Subject) untrusted(t *testing.T) {
	srv := httptest.NewUnstartedServer(http.NotFoundHandler())
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	defer srv.Close()
	want(t, s.send(t, srv.URL, 5*time.Second), ledger.Retry, ledger.ClassRetry, false)
}

// tcp answers each connection with handle.
func tcp(t *testing.T, handle func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			handle(c.(*net.TCPConn))
		}
	}()
	t.Cleanup(func() {
		_ = l.Close()
		<-ended
	})
	return "http://" + l.Addr().String()
}

func reset(c *net.TCPConn) {
	_ = c.SetLinger(0)
	_ = c.Close()
}

func (s Subject) closedUnread(t *testing.T) {
	o := s.send(t, tcp(t, reset), 5*time.Second)
	switch o.State {
	case ledger.Unknown:
	case ledger.Retry:
		if o.Wrote {
			t.Errorf("something was written, and yet it is to be sent again: %+v", o)
		}
	default:
		t.Errorf("%s from a connection that nobody read", o.State)
	}
}

func (s Subject) resetAfterRequest(t *testing.T) {
	url := tcp(t, func(c *net.TCPConn) {
		req, err := readRequest(c)
		if err == nil {
			_, _ = io.Copy(io.Discard, req.Body)
		}
		reset(c)
	})
	want(t, s.send(t, url, 5*time.Second), ledger.Unknown, ledger.ClassAmbiguous, true)
}

func (s Subject) silence(t *testing.T) {
	release := make(chan struct{})
	srv := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-release
	}))
	defer srv.Close()
	defer close(release)
	begin := time.Now()
	want(t, s.send(t, srv.URL, 300*time.Millisecond), ledger.Unknown, ledger.ClassAmbiguous, true)
	if took := time.Since(begin); took > 5*time.Second {
		t.Errorf("the attempt took %s", took)
	}
}

func (s Subject) serverErrors(t *testing.T) {
	for name, answer := range map[string]http.HandlerFunc{
		"500 JSON": respond(500, "application/json", `{"ok":false,"error_code":500,"description":"Internal Server Error","code":20500,"message":"An internal server error has occurred","status":500}`),
		"502 HTML": respond(502, "text/html", "<html><body><h1>502 Bad Gateway</h1></body></html>"),
		"503":      respond(503, "text/plain", ""),
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(answer)
			defer srv.Close()
			want(t, s.send(t, srv.URL, 5*time.Second), ledger.Unknown, ledger.ClassAmbiguous, true)
		})
	}
}

func (s Subject) rateLimited(t *testing.T) {
	for name, body := range map[string]string{
		"JSON": `{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 7","parameters":{"retry_after":7},"code":20429,"message":"Too Many Requests","status":429,"errors":[{"message":"too many requests"}]}`,
		"HTML": "<html><body>429 Too Many Requests</body></html>",
	} {
		t.Run(name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("Retry-After", "7")
				respond(429, "", body)(w, r)
			}))
			defer srv.Close()
			o := s.send(t, srv.URL, 5*time.Second)
			want(t, o, ledger.Retry, ledger.ClassRetry, true)
			if o.RetryAfter != 7*time.Second {
				t.Errorf("retry after %s, want 7s", o.RetryAfter)
			}
		})
	}
}

func (s Subject) redirect(t *testing.T) {
	var followed atomic.Int32
	there := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { followed.Add(1) }))
	defer there.Close()
	srv := httptest.NewServer(http.RedirectHandler(there.URL, http.StatusTemporaryRedirect))
	defer srv.Close()
	o := s.send(t, srv.URL, 5*time.Second)
	if followed.Load() != 0 {
		t.Error("the message was sent on to another host")
	}
	if o.State == ledger.Accepted || o.State == ledger.Retry {
		t.Errorf("a redirect came to %s", o.State)
	}
}

func respond(status int, contentType, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}
