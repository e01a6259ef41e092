// Package sendgrid sends mail through SendGrid's v3 API and reads its event
// webhook. A request is built per call: the library's shared client mixes up
// mails under concurrency.
package sendgrid

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go"
	"github.com/sendgrid/sendgrid-go/helpers/mail"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// Provider is the name of this provider in the ledger.
const Provider = "sendgrid"

// notificationArg is the custom argument that carries our id through SendGrid
// into its events. It is opaque: SendGrid doesn't treat it as personal.
const notificationArg = "vakhta_notification"

// Config is the account.
type Config struct {
	URL       string // origin of the API; empty: the global one
	Key       string
	From      string            // sender's address, of a verified domain
	FromName  string            // sender's name
	Transport http.RoundTripper // nil: http.DefaultTransport
}

// Channel sends mail. It is safe for concurrent use.
type Channel struct {
	cfg    Config
	domain string // of our Message-IDs
}

var _ notify.Channel = (*Channel)(nil)

// New checks the account's settings.
func New(cfg Config) (*Channel, error) {
	if cfg.Key == "" {
		return nil, errors.New("sendgrid: the API key is empty; configure one")
	}
	_, domain, ok := strings.Cut(cfg.From, "@")
	if !ok || domain == "" {
		return nil, errors.New("sendgrid: the sender's address is missing or is none; configure one of a verified domain")
	}
	if cfg.URL != "" {
		if u, err := url.Parse(cfg.URL); err != nil || u.Host == "" {
			return nil, fmt.Errorf("sendgrid: API URL %q has no host; write https://…", cfg.URL)
		}
	}
	cfg.URL = strings.TrimRight(cfg.URL, "/")
	return &Channel{cfg: cfg, domain: domain}, nil
}

// Send implements [notify.Channel].
func (c *Channel) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	req := sendgrid.GetRequest(c.cfg.Key, "/v3/mail/send", c.cfg.URL)
	req.Method = rest.Post
	req.Body = mail.GetRequestBody(c.compose(n, to))
	x := notify.NewExchange(ctx, c.cfg.Transport, nil)
	res, err := (&rest.Client{HTTPClient: x.Client()}).SendWithContext(ctx, req)

	status := x.Status()
	if status >= 200 && status < 300 {
		// Even if the rest of the answer was lost.
		return ledger.Outcome{State: ledger.Accepted, Provider: Provider, ProviderID: x.Header("X-Message-Id"), HTTPStatus: status, Wrote: true}
	}
	if o, decided := x.Verdict(Provider, err, c.cfg.Key, to); decided {
		if o.State == ledger.Retry && status == http.StatusTooManyRequests {
			o.RetryAfter = max(o.RetryAfter, untilReset(x.Header("X-Ratelimit-Reset"), time.Now()))
		}
		return o
	}
	body := ""
	if res != nil {
		body = res.Body
	}
	return c.refusal(x, body, c.cfg.Key, to)
}

// Capabilities implements [notify.Channel].
func (*Channel) Capabilities() notify.Capabilities {
	return notify.Capabilities{Receipts: true}
}

// LookUp implements [notify.Channel]: what SendGrid knows of past mails is a
// paid extra of the account (Email Activity); its events settle an unknown.
func (c *Channel) LookUp(context.Context, ledger.Notification, string) (string, bool, error) {
	return "", false, notify.ErrNoLookUp
}

func (c *Channel) compose(n ledger.Notification, to string) *mail.SGMailV3 {
	m := mail.NewV3Mail()
	m.SetFrom(mail.NewEmail(c.cfg.FromName, c.cfg.From))
	m.Subject = n.Title
	p := mail.NewPersonalization()
	p.AddTos(mail.NewEmail("", to))
	p.SetCustomArg(notificationArg, n.ID)
	m.AddPersonalizations(p)
	m.AddContent(mail.NewContent("text/plain", n.Body))
	if n.HTML != "" {
		m.AddContent(mail.NewContent("text/html", n.HTML))
	}
	if n.Calendar != "" {
		a := mail.NewAttachment()
		a.SetFilename(notify.CalendarFile)
		a.SetType("text/calendar")
		a.SetDisposition("attachment")
		a.SetContent(base64.StdEncoding.EncodeToString([]byte(n.Calendar)))
		m.AddAttachment(a)
	}
	untracked(m)
	for name, value := range c.headers(n) {
		m.SetHeader(name, value)
	}
	return m
}

// untracked keeps links as they are: ours are proofs of reading, nothing may
// rewrite or fetch them.
func untracked(m *mail.SGMailV3) {
	off := mail.NewTrackingSettings()
	off.SetClickTracking(mail.NewClickTrackingSetting().SetEnable(false).SetEnableText(false))
	m.SetTrackingSettings(off)
}

func (c *Channel) headers(n ledger.Notification) map[string]string {
	return notify.MailHeaders(n, c.domain)
}

// refusal reads SendGrid's reasons. One that names the recipient says that the
// address is dead; every other is ours to mend.
func (c *Channel) refusal(x *notify.Exchange, body string, secrets ...string) ledger.Outcome {
	o := ledger.Outcome{
		State: ledger.Refused, Class: ledger.ClassConfig, Provider: Provider,
		HTTPStatus: x.Status(), Wrote: x.Wrote(),
	}
	var answer struct {
		Errors []struct {
			Message string `json:"message"`
			Field   string `json:"field"`
		} `json:"errors"`
	}
	if err := json.Unmarshal([]byte(body), &answer); err != nil || len(answer.Errors) == 0 {
		o.Message = "the provider refused the request without a reason"
		return o
	}
	first := answer.Errors[0]
	o.Code, o.Message = first.Field, notify.Scrub(first.Message, secrets...)
	if x.Status() == http.StatusBadRequest && strings.HasPrefix(first.Field, "personalizations.0.to") {
		o.Class = ledger.ClassDead
	}
	return o
}

// untilReset reads X-Ratelimit-Reset, an instant in Unix seconds.
func untilReset(value string, now time.Time) time.Duration {
	at, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		return 0
	}
	return min(max(time.Unix(at, 0).Sub(now), time.Second), time.Hour)
}
