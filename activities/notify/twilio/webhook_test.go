package twilio

import (
	"crypto/hmac"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

const (
	testToken  = "0123456789abcdef0123456789abcdef"
	testPublic = "https://vakhta.example"
)

// signedForm is a callback as Twilio signs it, for the URL that it was given.
func signedForm(t testing.TB, publicURL, uri string, form url.Values) (*http.Request, []byte) {
	t.Helper()
	keys := make([]string, 0, len(form))
	for k := range form {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	mac := hmac.New(sha1.New, []byte(testToken))
	mac.Write([]byte(publicURL + uri))
	for _, k := range keys {
		mac.Write([]byte(k + form.Get(k)))
	}
	body := form.Encode()
	r := httptest.NewRequest(http.MethodPost, uri, strings.NewReader(body))
	r.Host = "10.0.0.7:8080" // as a proxy inside would ask
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("X-Twilio-Signature", base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	return r, []byte(body)
}

func testHook(t testing.TB) *Webhook {
	t.Helper()
	w, err := NewWebhook("", testToken, testPublic+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func TestStatusesProveWhatTheyProve(t *testing.T) {
	for _, c := range []struct {
		form  url.Values
		state ledger.State
		class ledger.Class
	}{
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"queued"}}, ledger.Accepted, ""},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"sent"}}, ledger.Sent, ""},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"delivered"}}, ledger.Delivered, ""},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"read"}}, ledger.Read, ""},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"undelivered"}, "ErrorCode": {"30005"}}, ledger.Refused, ledger.ClassDead},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"undelivered"}, "ErrorCode": {"30003"}}, ledger.Refused, ledger.ClassNext},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"undelivered"}, "ErrorCode": {"63016"}}, ledger.Refused, ledger.ClassConfig},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"undelivered"}, "ErrorCode": {"63024"}}, ledger.Refused, ledger.ClassDead},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"undelivered"}, "ErrorCode": {"63033"}}, ledger.Refused, ledger.ClassDead},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"failed"}, "ErrorCode": {"63013"}}, ledger.Refused, ledger.ClassConfig},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"failed"}, "ErrorCode": {"63018"}}, ledger.Refused, ledger.ClassNext},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"failed"}, "ErrorCode": {"63049"}}, ledger.Refused, ledger.ClassNext},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"failed"}}, ledger.Refused, ledger.ClassNext},
		{url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"receiving"}}, "", ""},
		{url.Values{"CallSid": {"CA1"}, "CallStatus": {"initiated"}}, ledger.Accepted, ""},
		{url.Values{"CallSid": {"CA1"}, "CallStatus": {"ringing"}}, ledger.Sent, ""},
		{url.Values{"CallSid": {"CA1"}, "CallStatus": {"in-progress"}, "AnsweredBy": {"human"}}, ledger.Sent, ""},
		{url.Values{"CallSid": {"CA1"}, "CallStatus": {"completed"}, "AnsweredBy": {"human"}}, ledger.Delivered, ""},
		{url.Values{"CallSid": {"CA1"}, "CallStatus": {"completed"}, "AnsweredBy": {"machine_start"}}, ledger.Sent, ""},
		{url.Values{"CallSid": {"CA1"}, "CallStatus": {"completed"}}, ledger.Sent, ""},
		{url.Values{"CallSid": {"CA1"}, "CallStatus": {"busy"}}, ledger.Refused, ledger.ClassNext},
		{url.Values{"CallSid": {"CA1"}, "CallStatus": {"no-answer"}}, ledger.Refused, ledger.ClassNext},
	} {
		r, body := signedForm(t, testPublic, StatusPath+"?n=n-1", c.form)
		got, err := testHook(t).Status(r, body)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case c.state == "" && len(got) != 0:
			t.Errorf("%v: %+v, want nothing", c.form, got)
		case c.state != "" && (len(got) != 1 || got[0].State != c.state || got[0].Class != c.class ||
			got[0].Notification != "n-1" || got[0].Acknowledged):
			t.Errorf("%v: %+v, want %s %s", c.form, got, c.state, c.class)
		}
	}
}

func TestASignatureHoldsForThePublicURLAlone(t *testing.T) {
	form := url.Values{"MessageSid": {"SM1"}, "MessageStatus": {"sent"}}
	const uri = StatusPath + "?n=n-1"
	good, body := signedForm(t, testPublic, uri, form)
	other, _ := signedForm(t, testPublic, StatusPath+"?n=n-2", form)
	moved := good.Clone(t.Context())
	moved.Header = other.Header
	http1, _ := signedForm(t, "http://vakhta.example", uri, form)
	unsigned := good.Clone(t.Context())
	unsigned.Header = http.Header{}
	for name, c := range map[string]struct {
		r    *http.Request
		body string
		want error
	}{
		"good":                       {good, string(body), nil},
		"another body":               {good, "MessageSid=SM1&MessageStatus=read", notify.ErrSignature},
		"another notification":       {moved, string(body), notify.ErrSignature},
		"signed for plain http":      {http1, string(body), notify.ErrSignature},
		"unsigned":                   {unsigned, string(body), notify.ErrSignature},
		"a body that is not a form":  {good, "%zz", notify.ErrSignature},
		"neither message nor a call": {nil, "", notify.ErrMalformed},
	} {
		r, b := c.r, []byte(c.body)
		if r == nil {
			r, b = signedForm(t, testPublic, uri, url.Values{"X": {"1"}})
		}
		if _, err := testHook(t).Status(r, b); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

func TestOnlyAPageCanBeDeclined(t *testing.T) {
	for _, c := range []struct {
		uri, digits, answeredBy string
		reply                   Reply
		acked, declined         bool
	}{
		{"?n=n-1&d=1", "1", "human", ReplyThanks, true, false},
		{"?n=n-1&d=1", "2", "human", ReplyDeclined, false, true},
		{"?n=n-1", "2", "human", ReplyUnclear, false, false},
		{"?n=n-1", "4", "", ReplyRepeat, false, false},
		{"?n=n-1", "9", "", ReplyUnclear, false, false},
		{"?n=n-1", "", "", ReplyUnclear, false, false},
		{"?n=n-1&d=1", "1", "machine_end_beep", ReplyUnclear, false, false},
		{"?n=n-1&d=1", "1", "fax", ReplyUnclear, false, false},
	} {
		form := url.Values{"CallSid": {"CA1"}, "Digits": {c.digits}}
		if c.answeredBy != "" {
			form.Set("AnsweredBy", c.answeredBy)
		}
		r, body := signedForm(t, testPublic, GatherPath+c.uri, form)
		g, err := testHook(t).Gather(r, body)
		if err != nil {
			t.Fatal(err)
		}
		acked := len(g.Events) == 1 && g.Events[0].Acknowledged
		declined := len(g.Events) == 1 && g.Events[0].Declined
		if g.Reply != c.reply || acked != c.acked || declined != c.declined || g.Notification != "n-1" {
			t.Errorf("%s pressed %q by %q: %+v", c.uri, c.digits, c.answeredBy, g)
		}
	}
}

func TestDigitsAnswerAQuestionAndNothingElse(t *testing.T) {
	for _, c := range []struct {
		uri, digits, answeredBy, answer string
		reply                           Reply
	}{
		{"?n=n-1&q=1", "1", "human", "yes", ReplyThanks},
		{"?n=n-1&q=1", "2", "human", "no", ReplyThanks},
		{"?n=n-1&q=1", "3", "human", "cant-tell", ReplyThanks},
		{"?n=n-1&q=1", "4", "human", "", ReplyRepeat},
		{"?n=n-1&q=1", "7", "human", "", ReplyUnclear},
		{"?n=n-1&q=1", "1", "machine_end_beep", "", ReplyUnclear},
		{"?n=n-1&d=1", "1", "human", "", ReplyThanks},
	} {
		r, body := signedForm(t, testPublic, GatherPath+c.uri, url.Values{"CallSid": {"CA1"}, "Digits": {c.digits}, "AnsweredBy": {c.answeredBy}})
		g, err := testHook(t).Gather(r, body)
		if err != nil {
			t.Fatal(err)
		}
		answer := ""
		if len(g.Events) == 1 {
			answer = g.Events[0].Answer
		}
		if g.Reply != c.reply || answer != c.answer {
			t.Errorf("%s pressed %q by %q: %q, %+v", c.uri, c.digits, c.answeredBy, answer, g)
		}
	}
	n := page()
	n.Event = message.EventQuestion
	if got := SpeakTwiML(testPublic, n); !strings.Contains(got, "n=n-1&amp;q=1") {
		t.Errorf("a question's call does not ask for an answer: %s", got)
	}
}
