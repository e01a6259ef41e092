package sandbox_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twilio/twilio-go"
	"github.com/twilio/twilio-go/client"
	api "github.com/twilio/twilio-go/rest/api/v2010"
	"vakhta/internal/lab/sandbox"
)

// toSandbox sends the library's requests, which know only Twilio's host, to the
// sandbox. It reads answers whole: the library leaves the body of an error
// open, and with it the connection and the client's timer.
type toSandbox struct {
	base    *url.URL
	next    http.RoundTripper
	timeout time.Duration
}

func (t toSandbox) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Context(), t.timeout)
	defer cancel()
	r = r.Clone(ctx)
	r.URL.Scheme, r.URL.Host, r.Host = t.base.Scheme, t.base.Host, ""
	resp, err := t.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	body, err := io.ReadAll(resp.Body)
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(bytes.NewReader(body))
	return resp, err
}

func (r *rig) twilio(token string) *twilio.RestClient {
	r.t.Helper()
	base, err := url.Parse(r.url)
	if err != nil {
		r.t.Fatal(err)
	}
	c := &client.Client{
		Credentials: client.NewCredentials(accountSID, token),
		HTTPClient:  &http.Client{Transport: toSandbox{base, r.http.Transport, r.http.Timeout}},
	}
	c.SetAccountSid(accountSID)
	return twilio.NewRestClientWithParams(twilio.ClientParams{Client: c})
}

func (r *rig) sms(to, body string) (*api.ApiV2010Message, error) {
	p := &api.CreateMessageParams{}
	p.SetTo(to)
	p.SetFrom("+15005550006")
	p.SetBody(body)
	p.SetStatusCallback(r.gateway.url + "/sms?n=7")
	return r.twilio(authToken).Api.CreateMessage(p)
}

// signed checks a callback's signature with Twilio's own validator.
func (r *rig) signed(c callback) url.Values {
	r.t.Helper()
	v := client.NewRequestValidator(authToken)
	if !v.ValidateBody(r.gateway.url+c.uri, c.body, c.header.Get("X-Twilio-Signature")) {
		r.t.Errorf("the signature of the callback to %s doesn't verify", c.uri)
	}
	if v.ValidateBody(r.gateway.url+c.uri+"&forged=1", c.body, c.header.Get("X-Twilio-Signature")) {
		r.t.Errorf("the signature of %s verifies for another URL", c.uri)
	}
	return c.form(r.t)
}

func code(err error) int {
	var e *client.TwilioRestError
	if !errors.As(err, &e) {
		return 0
	}
	return e.Code
}

// statuses are the values of a field of the callbacks.
func (r *rig) statuses(list []callback, field string) []string {
	var all []string
	for _, c := range list {
		all = append(all, c.form(r.t).Get(field))
	}
	return all
}

func TestSMSIsQueuedSentAndDeliveredWithSignedCallbacks(t *testing.T) {
	r := newRig(t, nil)
	m, err := r.sms("+79990000001", "Сервер выключен, код A1B2C3")
	if err != nil {
		t.Fatal(err)
	}
	if *m.Status != "queued" || !strings.HasPrefix(*m.Sid, "SM") || len(*m.Sid) != 34 || *m.NumSegments != "1" || m.ErrorCode != nil {
		t.Errorf("resource is %+v", m)
	}
	list := r.gateway.until(t, "/sms", atLeast(3))
	for _, c := range list {
		f := r.signed(c)
		if f.Get("MessageSid") != *m.Sid || f.Get("To") != "+79990000001" || f.Get("AccountSid") != accountSID || c.header.Get("I-Twilio-Idempotency-Token") == "" {
			t.Errorf("callback is %v", f)
		}
	}
	if got := r.statuses(list, "MessageStatus"); !slices.Contains(got, "sent") || !slices.Contains(got, "delivered") {
		t.Errorf("statuses are %v", got)
	}
	fetched, err := r.twilio(authToken).Api.FetchMessage(*m.Sid, nil)
	if err != nil || *fetched.Status != "delivered" || fetched.DateSent == nil {
		t.Errorf("fetched %+v, %v; want delivered with a date", fetched, err)
	}
}

func TestSMSThatBreaksARuleIsRefusedWithTwiliosCode(t *testing.T) {
	r := newRig(t, nil)
	for number, refuse := range map[string]int{"+79990000010": 21211, "+79990000011": 21610, "+79990000012": 21614} {
		r.SetPersona(number, sandbox.Persona{SMS: &sandbox.SMS{Refuse: refuse}})
		if _, err := r.sms(number, "x"); code(err) != refuse {
			t.Errorf("persona %d: got %v", refuse, err)
		}
	}
	cases := []struct {
		name   string
		want   int
		change func(*api.CreateMessageParams)
	}{
		{"no recipient", 21604, func(p *api.CreateMessageParams) { p.To = nil }},
		{"recipient not E.164", 21211, func(p *api.CreateMessageParams) { p.SetTo("89990000001") }},
		{"no sender", 21603, func(p *api.CreateMessageParams) { p.From = nil }},
		{"bad sender", 21212, func(p *api.CreateMessageParams) { p.SetFrom("+x") }},
		{"no text", 21602, func(p *api.CreateMessageParams) { p.Body = nil }},
		{"1601 characters", 21617, func(p *api.CreateMessageParams) { p.SetBody(strings.Repeat("я", 1601)) }},
		{"validity of 11 hours", 90007, func(p *api.CreateMessageParams) { p.SetValidityPeriod(39600) }},
		{"callback that is no URL", 21609, func(p *api.CreateMessageParams) { p.SetStatusCallback("gateway/cb") }},
		{"channels mixed", 21910, func(p *api.CreateMessageParams) { p.SetTo("whatsapp:+79990000001") }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			p := &api.CreateMessageParams{}
			p.SetTo("+79990000001")
			p.SetFrom("+15005550006")
			p.SetBody("x")
			c.change(p)
			_, err := r.twilio(authToken).Api.CreateMessage(p)
			if code(err) != c.want {
				t.Errorf("got %v, want %d", err, c.want)
			}
		})
	}
	if _, err := r.twilio("wrong").Api.ListMessage(nil); code(err) != 20003 {
		t.Errorf("wrong token: got %v, want 20003", err)
	}
	if n := len(r.Inbox(sandbox.Query{})); n != 0 {
		t.Errorf("the inbox holds %d items of refused messages", n)
	}
}

func TestSMSThatCannotBeDeliveredSaysWhy(t *testing.T) {
	r := newRig(t, nil)
	r.SetPersona("+79990000001", sandbox.Persona{SMS: &sandbox.SMS{Fail: 30005}})
	m, err := r.sms("+79990000001", "x")
	if err != nil {
		t.Fatal(err)
	}
	list := r.gateway.until(t, "/sms", func(l []callback) bool { return slices.Contains(r.statuses(l, "ErrorCode"), "30005") })
	if got := r.statuses(list, "MessageStatus"); !slices.Contains(got, "undelivered") {
		t.Errorf("statuses are %v", got)
	}
	fetched, err := r.twilio(authToken).Api.FetchMessage(*m.Sid, nil)
	if err != nil || fetched.ErrorCode == nil || *fetched.ErrorCode != 30005 {
		t.Errorf("fetched %+v, %v; want error 30005", fetched, err)
	}
}

func TestListingFindsWhatWasAcceptedThoughTheAnswerWasLost(t *testing.T) {
	r := newRig(t, nil)
	r.fault(sandbox.Fault{Provider: sandbox.Twilio, Kind: sandbox.FaultReset, Count: 1})
	if _, err := r.sms("+79990000001", "код A1B2C3"); err == nil {
		t.Fatal("the answer came, want a reset")
	}
	for i := range 120 {
		if _, err := r.sms("+79990000002", fmt.Sprint("other ", i)); err != nil {
			t.Fatal(err)
		}
	}
	p := &api.ListMessageParams{}
	p.SetTo("+79990000001")
	p.SetDateSentAfter(time.Now().Add(-time.Hour))
	found, err := r.twilio(authToken).Api.ListMessage(p)
	if err != nil || len(found) != 1 || *found[0].Body != "код A1B2C3" {
		t.Fatalf("found %+v, %v", found, err)
	}
	p = &api.ListMessageParams{}
	p.SetTo("+79990000002")
	p.SetPageSize(50)
	all, err := r.twilio(authToken).Api.ListMessage(p)
	if err != nil || len(all) != 120 {
		t.Fatalf("listed %d, %v; want 120 over three pages", len(all), err)
	}
	for i, m := range all {
		if want := "other " + strconv.Itoa(119-i); *m.Body != want {
			t.Fatalf("entry %d is %q, want %q: newest first, none twice", i, *m.Body, want)
		}
	}
	p = &api.ListMessageParams{}
	p.SetDateSentBefore(time.Now().Add(-48 * time.Hour))
	if old, err := r.twilio(authToken).Api.ListMessage(p); err != nil || len(old) != 0 {
		t.Errorf("listed %d of two days ago, %v; want none", len(old), err)
	}
}

func TestStatusCallbackIsRepeatedByTheURLsOwnRule(t *testing.T) {
	for _, c := range []struct {
		fragment string
		want     int
	}{{"", 1}, {"#rc=3&rp=5xx", 4}, {"#rc=3&rp=4xx,ct", 1}, {"#rc=9&rp=all", 6}} {
		t.Run(c.fragment, func(t *testing.T) {
			r := newRig(t, nil)
			r.SetPersona("+79990000001", sandbox.Persona{SMS: &sandbox.SMS{NoReceipt: true}})
			r.gateway.answers(func(callback) (int, string) { return http.StatusInternalServerError, "" })
			p := &api.CreateMessageParams{}
			p.SetTo("+79990000001")
			p.SetFrom("+15005550006")
			p.SetBody("x")
			p.SetStatusCallback(r.gateway.url + "/sms?n=7" + c.fragment)
			if _, err := r.twilio(authToken).Api.CreateMessage(p); err != nil {
				t.Fatal(err)
			}
			list := r.gateway.until(t, "/sms", func(l []callback) bool { // queued and sent, each so often
				return len(l) >= 2*c.want
			})
			tokens := map[string]int{}
			for _, cb := range list {
				r.signed(cb) // over the URL without its fragment
				tokens[cb.header.Get("I-Twilio-Idempotency-Token")]++
			}
			if len(list) != 2*c.want || len(tokens) != 2 {
				t.Errorf("%d posts with %d tokens, want %d with 2", len(list), len(tokens), 2*c.want)
			}
		})
	}
}

func TestInboundSMSIsSignedAndKept(t *testing.T) {
	r := newRig(t, nil)
	r.SetPersona("+15550001111", sandbox.Persona{SMS: &sandbox.SMS{Reply: "A1B2C3"}})
	if _, err := r.sms("+15550001111", "Reply with the code"); err != nil {
		t.Fatal(err)
	}
	f := r.signed(r.gateway.until(t, "/inbound", atLeast(1))[0])
	if f.Get("Body") != "A1B2C3" || f.Get("From") != "+15550001111" || f.Get("To") != "+15005550006" {
		t.Errorf("inbound form is %v", f)
	}
	r.untilItem("was written by the person", func(it sandbox.Item) bool { return it.Inbound && it.Text == "A1B2C3" })
}

func TestTwilioFaults(t *testing.T) {
	for kind, want := range map[sandbox.FaultKind]string{
		sandbox.FaultRateLimit:   "ApiError 20429",
		sandbox.FaultError:       "ApiError 20500",
		sandbox.FaultUnavailable: "ApiError 20503",
		sandbox.FaultBadGateway:  "error decoding the response for an HTTP error code: 502",
		sandbox.FaultHang:        "deadline exceeded",
	} {
		r := newRig(t, nil)
		r.http.Timeout = 200 * time.Millisecond
		r.fault(sandbox.Fault{Provider: sandbox.Twilio, Channel: "sms", To: "+79990000001", Kind: kind, Count: 1})
		if _, err := r.sms("+79990000002", "x"); err != nil {
			t.Errorf("%s: struck another recipient: %v", kind, err)
		}
		if _, err := r.sms("+79990000001", "x"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", kind, err, want)
		}
	}
}

func TestWhatsAppFreeTextOutsideTheWindowFails(t *testing.T) {
	r := newRig(t, nil)
	send := func(change func(*api.CreateMessageParams)) string {
		p := &api.CreateMessageParams{}
		p.SetTo("whatsapp:+79990000001")
		p.SetFrom("whatsapp:+15005550006")
		change(p)
		m, err := r.twilio(authToken).Api.CreateMessage(p)
		if err != nil {
			t.Fatal(err)
		}
		return *m.Sid
	}
	free := func(p *api.CreateMessageParams) { p.SetBody("hello") }
	outside := send(free)
	r.untilItem("failed with 63016", func(it sandbox.Item) bool { return it.ID == outside && it.ErrorCode == 63016 })
	approved, err := r.LoadContent([]byte(`{"friendly_name": "x", "language": "en", "types": {"twilio/text": {"body": "Hello"}}}`))
	if err != nil {
		t.Fatal(err)
	}
	template := send(func(p *api.CreateMessageParams) { p.SetContentSid(approved) })
	r.untilItem("was delivered", func(it sandbox.Item) bool { return it.ID == template && it.Status == "delivered" })
	if err := r.WriteSMS("whatsapp:+79990000001", "whatsapp:+15005550006", "hi"); err != nil {
		t.Fatal(err)
	}
	inside := send(free)
	r.untilItem("was delivered", func(it sandbox.Item) bool { return it.ID == inside && it.Status == "delivered" })
}
