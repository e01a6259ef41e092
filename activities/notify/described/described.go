// Package described sends messages by any HTTP API that a file describes: the
// regional SMS and call gateways that no library exists for. The file says how
// a message is sent, what in the answer means which outcome, and, where the
// gateway has them, how it is asked for a message and what it calls back.
//
// What the file doesn't speak of is decided with care: an answer that no rule
// knows is a refusal only if its status is 4xx, and unknown if it is 2xx or 5xx.
package described

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// Config is an account at a gateway.
type Config struct {
	Name string // of the provider, in the ledger and in metrics
	File string // path of the description
	From string // sender's name or number
	// Secrets are what the description refers to by name.
	Secrets map[string]string
	// PublicURL is how the gateway reaches us; empty: it isn't asked to call back.
	PublicURL string
	Transport http.RoundTripper // nil: http.DefaultTransport
}

// CallbackPath is the path below the public URL that a provider calls back.
func CallbackPath(name string) string { return "/callbacks/http/" + url.PathEscape(name) }

// Channel sends messages. It is safe for concurrent use.
type Channel struct {
	cfg  Config
	file *file
}

var _ notify.Channel = (*Channel)(nil)

// New reads the description and checks it. Its errors name file, line and field.
func New(cfg Config) (*Channel, error) {
	f, err := load(cfg.File, cfg.Secrets)
	if err != nil {
		return nil, err
	}
	return &Channel{cfg: cfg, file: f}, nil
}

// Capabilities implements [notify.Channel].
func (c *Channel) Capabilities() notify.Capabilities {
	return notify.Capabilities{LookUp: c.file.LookUp != nil, Receipts: c.file.Callback != nil && c.cfg.PublicURL != ""}
}

// Send implements [notify.Channel].
func (c *Channel) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	o := ledger.Outcome{Provider: c.cfg.Name}
	req, err := c.file.Request.build(ctx, c.fields(n, to))
	if err != nil {
		o.State, o.Class, o.Message = ledger.Refused, ledger.ClassConfig, c.scrub(err, to)
		return o
	}
	x := notify.NewExchange(ctx, c.cfg.Transport, nil)
	a, err := exchange(x, req)
	switch {
	case x.Status() == 0:
		o, _ = x.Verdict(c.cfg.Name, err, c.secrets(to)...)
		return o
	case err != nil:
		o.State, o.Class, o.HTTPStatus, o.Wrote = ledger.Unknown, ledger.ClassAmbiguous, x.Status(), true
		o.Message = "the provider's answer broke off"
		return o
	}
	return c.outcome(x, a, to)
}

// LookUp implements [notify.Channel].
func (c *Channel) LookUp(ctx context.Context, n ledger.Notification, to string) (string, bool, error) {
	l := c.file.LookUp
	if l == nil {
		return "", false, notify.ErrNoLookUp
	}
	fail := func(err error) (string, bool, error) {
		return "", false, errors.New("look up at " + c.cfg.Name + ": " + c.scrub(err, to))
	}
	req, err := l.Request.build(ctx, c.fields(n, to))
	if err != nil {
		return fail(err)
	}
	a, err := exchange(notify.NewExchange(ctx, c.cfg.Transport, nil), req)
	switch {
	case err != nil:
		return fail(err)
	case l.Found.holds(a):
		return l.ID.text(a), true, nil
	case l.Missing.holds(a):
		return "", false, nil
	default:
		return fail(fmt.Errorf("the answer, of status %s, is neither found nor missing", strconv.Itoa(a.status)))
	}
}

// maxAnswer bounds what is read of an answer.
const maxAnswer = 64 << 10

func exchange(x *notify.Exchange, req *http.Request) (answer, error) {
	res, err := x.Client().Do(req)
	if err != nil {
		return answer{}, err
	}
	defer func() { _ = res.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	return newAnswer(res.StatusCode, res.Header, body), err
}

// outcome is what the first rule says that knows the answer.
func (c *Channel) outcome(x *notify.Exchange, a answer, to string) ledger.Outcome {
	said := c.file.Answer
	for _, r := range said.Outcomes {
		if !r.When.holds(a) {
			continue
		}
		o := ledger.Outcome{Provider: c.cfg.Name, HTTPStatus: a.status, Wrote: true}
		r.apply(&o)
		if o.State == ledger.Accepted {
			o.ProviderID = c.opaque(said.ID.text(a), to)
			return o
		}
		if o.Code == "" {
			o.Code = notify.Scrub(said.Code.text(a), c.secrets(to)...)
		}
		if o.Message = notify.Scrub(said.Message.text(a), c.secrets(to)...); o.Message == "" {
			o.Message = fmt.Sprintf("the rule in line %d of the description", r.When.line)
		}
		return o
	}
	if o, decided := x.Verdict(c.cfg.Name, nil); decided {
		return o
	}
	o := ledger.Outcome{Provider: c.cfg.Name, HTTPStatus: a.status, Wrote: true, Message: "the provider answered " + strconv.Itoa(a.status) + ", and no rule of the description knows it"}
	o.State, o.Class = ledger.Refused, ledger.ClassConfig
	if a.status < http.StatusMultipleChoices {
		o.State, o.Class = ledger.Unknown, ledger.ClassAmbiguous
	}
	return o
}

// maxID bounds a provider's id.
const maxID = 200

// opaque drops an id that a description makes of the address, or of a secret.
func (c *Channel) opaque(id, to string) string {
	for _, s := range c.secrets(to) {
		if digits := strings.TrimPrefix(s, "+"); digits != "" && strings.Contains(id, digits) {
			return ""
		}
	}
	return id[:min(len(id), maxID)]
}

// fields are what a description's templates may use.
type fields struct {
	To, Digits  string // as it stands in the inventory; its digits alone
	Text, Title string
	ID          string // the notification's, the same in every attempt: an idempotency key
	Code        string // to acknowledge with
	From        string
	Language    string
	Callback    string // empty: no callbacks
}

func (c *Channel) fields(n ledger.Notification, to string) fields {
	f := fields{
		To: to, Text: n.Body, Title: n.Title, ID: n.ID, Code: n.AckCode, From: c.cfg.From, Language: string(n.Language),
		Digits: strings.Map(func(r rune) rune {
			if r < '0' || r > '9' {
				return -1
			}
			return r
		}, to),
	}
	if c.cfg.PublicURL != "" {
		f.Callback = strings.TrimRight(c.cfg.PublicURL, "/") + CallbackPath(c.cfg.Name)
	}
	return f
}

func (c *Channel) secrets(to string) []string {
	out := []string{to}
	for _, s := range c.cfg.Secrets {
		out = append(out, s)
	}
	return out
}

func (c *Channel) scrub(err error, to string) string {
	return notify.Scrub(err.Error(), c.secrets(to)...)
}
