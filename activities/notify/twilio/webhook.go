package twilio

import (
	"cmp"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/twilio/twilio-go/client"

	"vakhta/activities/notify"
	"vakhta/internal/incident"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

// Webhook verifies and reads Twilio's callbacks.
type Webhook struct {
	provider  string // the account's name in the ledger
	validator client.RequestValidator
	publicURL string
	now       func() time.Time
}

// NewWebhook takes the account's auth token and the URL by which Twilio reaches
// us: a signature covers the whole URL, and behind a proxy the request's own
// host tells nothing. account is the account's name in the ledger, empty for
// the first one. now may be nil.
func NewWebhook(account, authToken, publicURL string, now func() time.Time) (*Webhook, error) {
	if authToken == "" {
		return nil, fmt.Errorf("twilio webhook: the auth token is empty; configure one")
	}
	u, err := url.Parse(publicURL)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("twilio webhook: public URL %q has no host; write https://…", publicURL)
	}
	if now == nil {
		now = time.Now
	}
	return &Webhook{
		provider:  cmp.Or(account, Provider),
		validator: client.NewRequestValidator(authToken),
		publicURL: strings.TrimRight(publicURL, "/"), now: now,
	}, nil
}

// Gather is what somebody did on the phone.
type Gather struct {
	Notification string
	CallSID      string
	Digits       string
	Reply        Reply // how to answer: [ReplyTwiML]
	// Events has one element if he acknowledged or declined.
	Events []ledger.Event
}

// Status verifies a status callback of a message or a call and returns what it proves.
func (w *Webhook) Status(r *http.Request, body []byte) ([]ledger.Event, error) {
	form, err := w.form(r, body)
	if err != nil {
		return nil, err
	}
	e := ledger.Event{
		Provider: w.provider, Notification: r.URL.Query().Get("n"),
		Code: form.Get("ErrorCode"), At: w.at(form.Get("Timestamp")),
	}
	if code, err := strconv.Atoi(e.Code); err == nil {
		e.OptedOut = wantsNoMore(code)
	}
	var status string
	if sid := form.Get("MessageSid"); sid != "" {
		status = form.Get("MessageStatus")
		e.ProviderID = sid
		e.State, e.Class = messageState(status, e.Code)
	} else if sid := form.Get("CallSid"); sid != "" {
		status = form.Get("CallStatus")
		e.ProviderID = sid
		e.State, e.Class = callState(status, form.Get("AnsweredBy"), e.Code)
		e.HungUp = hungUp(status, form.Get("AnsweredBy"), form.Get("CallDuration"))
	} else {
		return nil, fmt.Errorf("%w: twilio status: neither MessageSid nor CallSid", notify.ErrMalformed)
	}
	if e.State == "" {
		return nil, nil
	}
	if e.State == ledger.Refused && e.Code == "" {
		e.Code = status
	}
	e.Key = e.ProviderID + "/" + status
	return []ledger.Event{e}, nil
}

// Gather verifies the callback of a pressed digit. An answering machine
// acknowledges nothing, whatever it plays.
func (w *Webhook) Gather(r *http.Request, body []byte) (Gather, error) {
	form, err := w.form(r, body)
	if err != nil {
		return Gather{}, err
	}
	query := r.URL.Query()
	g := Gather{
		Notification: query.Get("n"), CallSID: form.Get("CallSid"),
		Digits: form.Get("Digits"), Reply: ReplyUnclear,
	}
	if g.Notification == "" || g.CallSID == "" {
		return Gather{}, fmt.Errorf("%w: twilio gather: no notification or no CallSid", notify.ErrMalformed)
	}
	if isMachine(form.Get("AnsweredBy")) {
		return g, nil
	}
	e := ledger.Event{
		Provider: w.provider, Key: g.CallSID + "/gather/" + g.Digits, Notification: g.Notification,
		ProviderID: g.CallSID, State: ledger.Delivered, At: w.now().UTC(),
	}
	asks := query.Get("q") == "1"
	switch {
	case asks && answerOf[g.Digits] != "":
		g.Reply, e.Acknowledged, e.Answer = ReplyThanks, true, string(answerOf[g.Digits])
	case g.Digits == "1":
		g.Reply, e.Acknowledged = ReplyThanks, true
	case g.Digits == "2" && query.Get("d") == "1":
		g.Reply, e.Declined = ReplyDeclined, true
	case g.Digits == "4":
		g.Reply = ReplyRepeat
		return g, nil
	default:
		return g, nil
	}
	g.Events = []ledger.Event{e}
	return g, nil
}

// form verifies the signature over the public URL and returns the parameters.
func (w *Webhook) form(r *http.Request, body []byte) (url.Values, error) {
	uri := r.RequestURI
	if uri == "" {
		uri = r.URL.RequestURI()
	}
	if strings.Contains(uri, "://") { // absolute form, as a proxy is asked
		uri = r.URL.RequestURI()
	}
	signature := r.Header.Get("X-Twilio-Signature")
	if signature == "" || !w.validator.ValidateBody(w.publicURL+uri, body, signature) {
		return nil, fmt.Errorf("%w: twilio", notify.ErrSignature)
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, fmt.Errorf("%w: twilio: the body is no form", notify.ErrMalformed)
	}
	return form, nil
}

func (w *Webhook) at(stamp string) time.Time {
	if t, err := time.Parse(time.RFC1123Z, stamp); err == nil {
		return t.UTC()
	}
	return w.now().UTC()
}

func messageState(status, code string) (ledger.State, ledger.Class) {
	switch status {
	case "accepted", "scheduled", "queued", "sending":
		return ledger.Accepted, ledger.ClassNone
	case "sent":
		return ledger.Sent, ledger.ClassNone
	case "delivered":
		return ledger.Delivered, ledger.ClassNone
	case "read":
		return ledger.Read, ledger.ClassNone
	case "undelivered", "failed", "canceled":
		return ledger.Refused, failureClass(code)
	default:
		return "", ledger.ClassNone
	}
}

// callState: only a person who picked up has been told; a call that nobody
// took wants the next rung.
func callState(status, answeredBy, code string) (ledger.State, ledger.Class) {
	switch status {
	case "queued", "initiated":
		return ledger.Accepted, ledger.ClassNone
	case "ringing", "in-progress", "answered":
		return ledger.Sent, ledger.ClassNone
	case "completed":
		if answeredBy == "human" || answeredBy == "unknown" {
			return ledger.Delivered, ledger.ClassNone
		}
		return ledger.Sent, ledger.ClassNone
	case "busy", "no-answer", "failed", "canceled":
		return ledger.Refused, failureClass(code)
	default:
		return "", ledger.ClassNone
	}
}

// atOnce is how long a call may last, in seconds, whose text nobody has listened to.
const atOnce = 6

// hungUp: a person took the call and put it down before the text was out.
func hungUp(status, answeredBy, duration string) bool {
	seconds, err := strconv.Atoi(duration)
	return status == "completed" && !isMachine(answeredBy) && err == nil && seconds <= atOnce
}

// failureClass: after Twilio has accepted it, a failure without a code, or
// with one that we don't know, still leaves the next rung to try.
func failureClass(code string) ledger.Class {
	n, err := strconv.Atoi(code)
	if err != nil {
		return ledger.ClassNext
	}
	if class := errorClass(n); class != ledger.ClassRetry {
		return class
	}
	return ledger.ClassNext
}

func isMachine(answeredBy string) bool {
	return strings.HasPrefix(answeredBy, "machine") || answeredBy == "fax"
}

// answerOf are the answers that digits stand for, to a question.
var answerOf = map[string]incident.Answer{"1": incident.Yes, "2": incident.No, "3": incident.CantTell}

// gatherQuery is the query of a gather's action; Twilio signs it with the rest.
// Only a page or a task can be declined: d says so. q: it is a question. The
// account that calls is the notification's provider.
func gatherQuery(n ledger.Notification) string {
	q := "n=" + url.QueryEscape(n.ID) + accountQuery(n.Provider)
	if message.CanDecline(n.Event) {
		q += "&d=1"
	}
	if message.TakesAnswer(n.Event) {
		q += "&q=1"
	}
	return q
}
