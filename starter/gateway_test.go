package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/api/serviceerror"
	"go.temporal.io/api/workflowservice/v1"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/converter"

	"vakhta/activities/records"
	"vakhta/internal/config"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
	"vakhta/internal/store/storetest"
	"vakhta/workflows"
)

const (
	testToken     = "intake-token-of-the-tests"
	testLinkKey   = "0123456789abcdef0123456789abcdef"
	testTwilio    = "twilio-auth-token"
	testTwilio2   = "second-twilio-auth-token"
	testGate      = "gate-password"
	testTelegram  = "telegram-webhook-secret"
	testPublicURL = "https://vakhta.example.net"
)

const testEstate = `version: 1
sites:
  - {id: msk, name: {ru: Москва, en: Moscow}, timezone: Europe/Moscow, vantages: [msk]}
  - {id: spb, name: {ru: Санкт-Петербург, en: St Petersburg}, timezone: Europe/Moscow, vantages: [spb]}
components:
  - {id: msk-r1, kind: room, in: msk}
  - {id: msk-k1, kind: rack, in: msk-r1}
  - {id: srv-0001, kind: server, in: msk-k1, unit: 12, client: acme, probe: {address: 127.10.1.1, tcp: [22]}}
  - {id: spb-r1, kind: room, in: spb}
  - {id: spb-k1, kind: rack, in: spb-r1}
  - {id: srv-0002, kind: server, in: spb-k1, unit: 1, client: acme, probe: {address: 127.20.1.1, tcp: [22]}}
clients:
  - id: acme
    name: Ромашка
    language: ru
    timezone: Europe/Moscow
    contacts:
      - {id: acme-duty, addresses: {telegram: "1001", whatsapp: "+79001112233", email: duty@acme.example}}
teams:
  - id: emergency
    members: [{id: ivan, language: ru, timezone: Europe/Moscow, addresses: {call: "+79001234567", sms: "+79001234567", whatsapp: "+79001234567"}}, {id: anna, name: Anna, addresses: {slack: U0ANNA00001, mattermost: U0ANNA00001}}]
    levels: [{members: [ivan], ackWithin: 2m}]
    repeat: 2
`

// writeConfig writes a configuration with its inventory; the store is SQLite.
func writeConfig(t *testing.T, dir string) string {
	t.Helper()
	write(t, filepath.Join(dir, "estate.yaml"), testEstate)
	path := filepath.Join(dir, "vakhta.yaml")
	write(t, path, "store: sqlite:vakhta.db\ninventory: [estate.yaml]\n")
	return path
}

// call is one call that the gateway made to Temporal.
type call struct {
	kind, workflow, name string
	arg                  any
}

// fakeFlows remembers calls; it stands in for Temporal, not for our code.
type fakeFlows struct {
	mu     sync.Mutex
	calls  []call
	err    error
	answer any

	answers   map[string]any // to queries, by workflow; answer stands for the others
	updateIDs []string
}

func (f *fakeFlows) add(c call) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.calls = append(f.calls, c)
	return f.err
}

func (f *fakeFlows) ExecuteWorkflow(_ context.Context, o client.StartWorkflowOptions, workflow any, args ...any) (client.WorkflowRun, error) {
	return nil, f.add(call{"start", o.ID, workflow.(string), args[0]})
}

func (f *fakeFlows) SignalWithStartWorkflow(_ context.Context, id, signal string, arg any, o client.StartWorkflowOptions, _ any, _ ...any) (client.WorkflowRun, error) {
	return nil, f.add(call{"signal-with-start", id, signal, arg})
}

func (f *fakeFlows) SignalWorkflow(_ context.Context, id, _, signal string, arg any) error {
	return f.add(call{"signal", id, signal, arg})
}

func (f *fakeFlows) QueryWorkflow(_ context.Context, id, _, query string, _ ...any) (converter.EncodedValue, error) {
	if err := f.add(call{"query", id, query, nil}); err != nil {
		return nil, err
	}
	answer, own := f.answers[id]
	if !own {
		answer = f.answer
	}
	payloads, err := converter.GetDefaultDataConverter().ToPayloads(answer)
	return client.NewValue(payloads), err
}

func (f *fakeFlows) DescribeWorkflowExecution(_ context.Context, id, _ string) (*workflowservice.DescribeWorkflowExecutionResponse, error) {
	return &workflowservice.DescribeWorkflowExecutionResponse{}, f.add(call{"describe", id, "", nil})
}

func (f *fakeFlows) GetWorkflow(context.Context, string, string) client.WorkflowRun { return nil }

func (f *fakeFlows) UpdateWorkflow(_ context.Context, o client.UpdateWorkflowOptions) (client.WorkflowUpdateHandle, error) {
	f.mu.Lock()
	f.updateIDs = append(f.updateIDs, o.UpdateID)
	f.mu.Unlock()
	return doneUpdate{}, f.add(call{"update", o.WorkflowID, o.UpdateName, o.Args[0]})
}

// doneUpdate is an update that is done.
type doneUpdate struct{ client.WorkflowUpdateHandle }

func (doneUpdate) Get(context.Context, any) error { return nil }

// gatehouse is a gateway on a real store, with Temporal faked.
type gatehouse struct {
	t       *testing.T
	store   *store.Store
	flows   *fakeFlows
	gateway *gateway
	handler http.Handler
	key     *ecdsa.PrivateKey
	bot     *httptest.Server
	botHits []string
	botSaid []string // to who pressed buttons
	log     *transcript
}

// transcript is a log that is read while servers write to it.
type transcript struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *transcript) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *transcript) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

var gateLogin, gatePassword = config.NewSecret("login"), config.NewSecret(testGate)

func newGatehouse(t *testing.T) *gatehouse {
	t.Helper()
	h := &gatehouse{t: t, flows: &fakeFlows{}, log: &transcript{}, store: storetest.Open(t)}
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(testEstate)})
	must(t, err)
	h.key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	public, err := x509.MarshalPKIXPublicKey(&h.key.PublicKey)
	must(t, err)
	h.bot = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.botHits = append(h.botHits, r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:])
		h.botSaid = append(h.botSaid, r.FormValue("text"))
		_, _ = io.WriteString(w, `{"ok":true,"result":true}`)
	}))
	t.Cleanup(h.bot.Close)
	cfg := config.Config{
		Listen: "127.0.0.1:0", PublicURL: testPublicURL,
		LinkSecret: config.NewSecret(testLinkKey), IntakeToken: config.NewSecret(testToken),
		Providers: config.Providers{
			SendGrid: &config.SendGrid{Key: config.NewSecret("SG.x"), From: "noreply@example.net", WebhookPublicKey: base64.StdEncoding.EncodeToString(public)},
			Twilio:   &config.Twilio{AccountSID: "AC1", AuthToken: config.NewSecret(testTwilio), From: "+10000000000"},
			Telegram: &config.Telegram{URL: h.bot.URL, Token: config.NewSecret("1:token"), WebhookSecret: config.NewSecret(testTelegram)},
			Accounts: []*config.Account{
				{Name: "sendgrid-2", SendGrid: &config.SendGrid{Key: config.NewSecret("SG.y"), From: "noreply@example.net", WebhookPublicKey: base64.StdEncoding.EncodeToString(public)}},
				{Name: "twilio-2", Twilio: &config.Twilio{AccountSID: "AC2", AuthToken: config.NewSecret(testTwilio2), From: "+10000000001"}},
			},
			HTTP: []*config.HTTP{{
				Name: "smsgate", Channel: inventory.SMS, Template: "../deploy/providers/smsgate.yaml", Secrets: map[string]*config.Secret{"login": &gateLogin, "password": &gatePassword},
			}},
		},
	}
	h.gateway, err = newGateway(cfg, deps{
		Store: h.store, Flows: h.flows, Inventory: inv, Log: zerolog.New(h.log),
		Records: records.New(h.store, inv, nil, nil, nil, records.Options{}),
	})
	must(t, err)
	h.handler = h.gateway.Handler()
	return h
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send makes a request and returns the status and the body.
func (h *gatehouse) send(method, path, body string, header map[string]string) (int, string) {
	h.t.Helper()
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	for name, value := range header {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	h.handler.ServeHTTP(w, r)
	return w.Code, w.Body.String()
}

func bearer() map[string]string { return map[string]string{"Authorization": "Bearer " + testToken} }

func (h *gatehouse) sendgrid(body string) (int, string) {
	h.t.Helper()
	return h.sendgridAt("/callbacks/sendgrid", body)
}

func (h *gatehouse) sendgridAt(path, body string) (int, string) {
	h.t.Helper()
	stamp := fmt.Sprint(time.Now().Unix())
	sum := sha256.Sum256([]byte(stamp + body))
	signature, err := ecdsa.SignASN1(rand.Reader, h.key, sum[:])
	must(h.t, err)
	return h.send("POST", path, body, map[string]string{
		"X-Twilio-Email-Event-Webhook-Signature": base64.StdEncoding.EncodeToString(signature),
		"X-Twilio-Email-Event-Webhook-Timestamp": stamp,
	})
}

func (h *gatehouse) twilio(path string, form url.Values) (int, string) {
	h.t.Helper()
	return h.signedTwilio(testTwilio, path, form)
}

func (h *gatehouse) signedTwilio(token, path string, form url.Values) (int, string) {
	h.t.Helper()
	text := testPublicURL + path
	for _, name := range slices.Sorted(maps.Keys(form)) {
		text += name + form.Get(name)
	}
	mac := hmac.New(sha1.New, []byte(token))
	mac.Write([]byte(text))
	return h.send("POST", path, form.Encode(), map[string]string{
		"Content-Type":       "application/x-www-form-urlencoded",
		"X-Twilio-Signature": base64.StdEncoding.EncodeToString(mac.Sum(nil)),
	})
}

func (h *gatehouse) telegram(body string) (int, string) {
	return h.send("POST", "/callbacks/telegram", body, map[string]string{"X-Telegram-Bot-Api-Secret-Token": testTelegram})
}

// page enqueues a page to the emergency team and returns it.
func (h *gatehouse) page(channel inventory.Channel) ledger.Notification {
	h.t.Helper()
	return h.enqueue(ledger.Notification{
		Subject: "incident/inc-1", Event: "page", Step: "page/emergency/1", Revision: 1, Team: "emergency", Contact: "ivan",
		Channel: channel, Language: inventory.Russian, Title: "Авария", Body: "Выключен сервер srv-0001.\n\nПодтвердите.",
	})
}

func (h *gatehouse) enqueue(n ledger.Notification) ledger.Notification {
	h.t.Helper()
	ids, err := h.store.Enqueue(h.t.Context(), []ledger.Notification{n}, time.Now())
	must(h.t, err)
	n, err = h.store.Notification(h.t.Context(), ids[0])
	must(h.t, err)
	return n
}

func (h *gatehouse) notification(id string) ledger.Notification {
	h.t.Helper()
	n, err := h.store.Notification(h.t.Context(), id)
	must(h.t, err)
	return n
}

func TestReportIsStoredBeforeItsWorkflowStarts(t *testing.T) {
	h := newGatehouse(t)
	code, body := h.send("POST", "/v1/reports", `{"channel":"phone","client":"acme","text":"у меня лежит сервер"}`, bearer())
	var taken reportTaken
	if code != http.StatusAccepted || json.Unmarshal([]byte(body), &taken) != nil {
		t.Fatalf("answer %d %s", code, body)
	}
	report, err := h.store.Report(t.Context(), taken.Report)
	must(t, err)
	if report.Client != "acme" || report.Text != "у меня лежит сервер" || report.Channel != "phone" {
		t.Errorf("stored %+v", report)
	}
	want := call{"start", workflows.ReportID(taken.Report), workflows.TypeClientReport, workflows.ClientReportInput{Report: taken.Report}}
	if len(h.flows.calls) != 1 || h.flows.calls[0] != want {
		t.Errorf("calls %+v, want %+v", h.flows.calls, want)
	}
	if strings.Contains(h.log.String(), "сервер") {
		t.Error("the log holds the client's words")
	}
}

func TestReportWithAKeyIsTakenOnce(t *testing.T) {
	h := newGatehouse(t)
	header := bearer()
	header["Idempotency-Key"] = "k1"
	body := `{"client":"acme","text":"down"}`
	h.flows.err = serviceerror.NewUnavailable("away")
	if code, _ := h.send("POST", "/v1/reports", body, header); code != http.StatusServiceUnavailable {
		t.Fatalf("Temporal away: %d, want 503", code)
	}
	h.flows.err = nil
	_, first := h.send("POST", "/v1/reports", body, header)
	code, second := h.send("POST", "/v1/reports", body, header)
	if code != http.StatusAccepted || first != second {
		t.Errorf("repeat: %d %s, first %s", code, second, first)
	}
	if code, _ := h.send("POST", "/v1/reports", `{"client":"acme","text":"other"}`, header); code != http.StatusUnprocessableEntity {
		t.Errorf("another report with the same key: %d, want 422", code)
	}
	all, err := h.store.Reports(t.Context(), store.ReportFilter{})
	must(t, err)
	if len(all) != 1 {
		t.Errorf("%d reports stored, want 1", len(all))
	}
}

func TestIntakeRefusesWhatCanNeverBecomeRight(t *testing.T) {
	h := newGatehouse(t)
	tests := []struct {
		name, path, body string
		header           map[string]string
		code             int
		field            string
	}{
		{"no token", "/v1/reports", `{"client":"acme","text":"x"}`, nil, 401, ""},
		{"wrong token", "/v1/reports", `{}`, map[string]string{"Authorization": "Bearer x"}, 401, ""},
		{"not JSON", "/v1/reports", `down!`, bearer(), 400, ""},
		{"empty body", "/v1/reports", ``, bearer(), 400, ""},
		{"unknown field", "/v1/reports", `{"client":"acme","text":"x","prio":1}`, bearer(), 400, ""},
		{"no text", "/v1/reports", `{"client":"acme","text":"  "}`, bearer(), 400, "text"},
		{"nobody to answer", "/v1/reports", `{"text":"down"}`, bearer(), 400, "from"},
		{"unknown channel", "/v1/reports", `{"channel":"pigeon","client":"acme","text":"x"}`, bearer(), 400, "channel"},
		{"too long", "/v1/reports", `{"client":"acme","text":"` + strings.Repeat("x", maxReportBytes) + `"}`, bearer(), 413, ""},
		{"alerts without a token", "/v1/alerts/alertmanager", `{}`, nil, 401, ""},
		{"no alerts", "/v1/alerts/alertmanager", `{"alerts":[]}`, bearer(), 400, "alerts"},
		{"alert without a start", "/v1/alerts/alertmanager", `{"alerts":[{"status":"firing","fingerprint":"f"}]}`, bearer(), 400, "alerts[0].startsAt"},
		{"alert of no status", "/v1/alerts/alertmanager", `{"alerts":[{"status":"?","fingerprint":"f","startsAt":"2026-11-23T03:00:00Z"}]}`, bearer(), 400, "alerts[0].status"},
		{"PagerDuty with a wrong key", "/v2/enqueue", `{"routing_key":"x","event_action":"trigger"}`, nil, 400, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, body := h.send("POST", tt.path, tt.body, tt.header)
			var p problem
			if json.Unmarshal([]byte(body), &p) != nil || code != tt.code || p.Field != tt.field {
				t.Errorf("answer %d %s; want %d, field %q", code, body, tt.code, tt.field)
			}
		})
	}
	if len(h.flows.calls) != 0 {
		t.Errorf("Temporal was called: %+v", h.flows.calls)
	}
}

func TestAnswerOfAReport(t *testing.T) {
	h := newGatehouse(t)
	h.flows.answer = workflows.ReportAnswer{Report: "r1", Stage: "answered", Kind: "finding"}
	if code, body := h.send("GET", "/v1/reports/r1", "", bearer()); code != 200 || !strings.Contains(body, `"kind":"finding"`) {
		t.Errorf("answer %d %s", code, body)
	}
	h.flows.err = serviceerror.NewNotFound("no such workflow")
	if code, _ := h.send("GET", "/v1/reports/r2", "", bearer()); code != 404 {
		t.Errorf("unknown report: %d, want 404", code)
	}
	h.flows.err = errors.New("no poller")
	if code, _ := h.send("GET", "/v1/reports/r1", "", bearer()); code != 503 {
		t.Errorf("no worker: %d, want 503", code)
	}
}

func TestGatewayIsReadyWhileTheStoreAnswers(t *testing.T) {
	h := newGatehouse(t)
	if code, _ := h.send("GET", "/healthz", "", nil); code != 200 {
		t.Errorf("healthz %d", code)
	}
	if code, body := h.send("GET", "/readyz", "", nil); code != 200 || !strings.Contains(body, `"store":"ok"`) {
		t.Errorf("readyz %d %s", code, body)
	}
	h.send("GET", "/a/token-that-is-secret", "", nil)
	if code, body := h.send("GET", "/metrics", "", nil); code != 200 || !strings.Contains(body, "vakhta_gateway_request_seconds") || strings.Contains(body, "token-that-is-secret") {
		t.Errorf("metrics %d, or they hold a token", code)
	}
	if strings.Contains(h.log.String(), "token-that-is-secret") {
		t.Error("the log holds a link's token")
	}
}

func TestGatewayStopsWhenItsContextEnds(t *testing.T) {
	h := newGatehouse(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	ctx, stop := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- h.gateway.Serve(ctx, listener) }()
	resp, err := http.Get("http://" + listener.Addr().String() + "/healthz")
	must(t, err)
	must(t, resp.Body.Close())
	stop()
	select {
	case err := <-served:
		must(t, err)
	case <-time.After(shutdownWithin):
		t.Fatal("the gateway does not stop")
	}
}
