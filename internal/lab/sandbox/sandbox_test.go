package sandbox_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"vakhta/internal/lab/sandbox"
)

const (
	accountSID    = "AC00000000000000000000000000000001"
	authToken     = "f00dfacef00dfacef00dfacef00dface"
	mailKey       = "SG.sandbox"
	telegramToken = "424242:sandbox-token"
	hookSecret    = "hook-secret_1"
)

func TestMain(m *testing.M) {
	// The twilio library rewrites even an IP host by these.
	_ = os.Unsetenv("TWILIO_EDGE")
	_ = os.Unsetenv("TWILIO_REGION")
	goleak.VerifyTestMain(m)
}

// quick is a world in which nothing takes longer than it must.
var quick = sandbox.Timing{
	MailDelivered: 5 * time.Millisecond,
	EventBatch:    5 * time.Millisecond,
	SMSSent:       5 * time.Millisecond,
	SMSDelivered:  5 * time.Millisecond,
	Ring:          time.Millisecond,
	CallSecond:    2 * time.Millisecond,
	Retry:         10 * time.Millisecond,
	RetryMax:      50 * time.Millisecond,
}

// rig is a sandbox on a port, and the gateway that its callbacks go to.
type rig struct {
	*sandbox.Sandbox
	t       *testing.T
	url     string // of the sandbox
	gateway *gateway
	http    *http.Client
}

func newRig(t *testing.T, change func(*sandbox.Config)) *rig {
	t.Helper()
	g := newGateway(t)
	cfg := sandbox.Config{
		SendGridKey: mailKey, SendGridEventURL: g.url + "/sendgrid",
		TwilioSID: accountSID, TwilioToken: authToken, TwilioInboundURL: g.url + "/inbound",
		TelegramToken: telegramToken, TelegramWebhookURL: g.url + "/telegram", TelegramSecret: hookSecret,
		Seed: 1, Timing: quick,
	}
	if change != nil {
		change(&cfg)
	}
	box, err := sandbox.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	box.SetDefaults(sandbox.Persona{Phone: &sandbox.Phone{Digits: "1"}})
	srv := httptest.NewServer(box.Handler())
	tr := &http.Transport{MaxIdleConnsPerHost: 64}
	t.Cleanup(func() {
		box.Close()
		tr.CloseIdleConnections()
		srv.Close()
		g.srv.Close()
	})
	return &rig{Sandbox: box, t: t, url: srv.URL, gateway: g, http: &http.Client{Transport: tr, Timeout: 10 * time.Second}}
}

// callback is a request that the gateway got.
type callback struct {
	path   string
	uri    string
	header http.Header
	body   []byte
	at     time.Time
}

func (c callback) form(t *testing.T) url.Values {
	t.Helper()
	v, err := url.ParseQuery(string(c.body))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// gateway records callbacks and answers them as it is told.
type gateway struct {
	url    string
	srv    *httptest.Server
	mu     sync.Mutex
	got    []callback
	answer func(callback) (int, string)
	more   chan struct{}
}

func newGateway(t *testing.T) *gateway {
	t.Helper()
	g := &gateway{more: make(chan struct{})}
	g.srv = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		c := callback{path: r.URL.Path, uri: r.URL.RequestURI(), header: r.Header.Clone(), body: body, at: time.Now()}
		g.mu.Lock()
		g.got = append(g.got, c)
		answer := g.answer
		close(g.more)
		g.more = make(chan struct{})
		g.mu.Unlock()
		status, text := http.StatusOK, ""
		if answer != nil {
			status, text = answer(c)
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, text)
	}))
	g.url = g.srv.URL
	return g
}

func (g *gateway) answers(f func(callback) (int, string)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.answer = f
}

func (g *gateway) all(path string) []callback {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []callback
	for _, c := range g.got {
		if c.path == path {
			list = append(list, c)
		}
	}
	return list
}

// until waits for the callbacks of a path to fulfil a condition.
func (g *gateway) until(t *testing.T, path string, ok func([]callback) bool) []callback {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		g.mu.Lock()
		more := g.more
		g.mu.Unlock()
		list := g.all(path)
		if ok(list) {
			return list
		}
		select {
		case <-more:
		case <-deadline:
			t.Fatalf("the callbacks to %s never were as expected; got %d: %s", path, len(list), bodies(list))
		}
	}
}

func bodies(list []callback) []byte {
	var all [][]byte
	for _, c := range list {
		all = append(all, c.body)
	}
	return bytes.Join(all, []byte("\n"))
}

func atLeast(n int) func([]callback) bool {
	return func(list []callback) bool { return len(list) >= n }
}

// untilItem waits for an inbox item to fulfil a condition.
func (r *rig) untilItem(what string, ok func(sandbox.Item) bool) sandbox.Item {
	r.t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		_, more := r.Events(1<<62, 0)
		items := r.Inbox(sandbox.Query{})
		for _, it := range items {
			if ok(it) {
				return it
			}
		}
		select {
		case <-more:
		case <-deadline:
			got, _ := json.MarshalIndent(items, "", " ")
			r.t.Fatalf("no item that %s; the inbox holds %s", what, got)
		}
	}
}

func (r *rig) get(target string) (*http.Response, error) {
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodGet, target, http.NoBody)
	if err != nil {
		return nil, err
	}
	return r.http.Do(req)
}

func (r *rig) fault(f sandbox.Fault) {
	r.t.Helper()
	if _, err := r.AddFault(f); err != nil {
		r.t.Fatal(err)
	}
}
