package sendgrid

import (
	"context"
	"encoding/json"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/sendgrid/rest"
	"github.com/sendgrid/sendgrid-go"
	"github.com/sendgrid/sendgrid-go/helpers/mail"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

const (
	// most is far below SendGrid's 1000 personalizations: a response that is
	// lost leaves as many of which nobody knows.
	most = 200
	// maxOwn bounds what a mail has of its own in a request with others:
	// SendGrid takes 10,000 bytes of substitutions.
	maxOwn = 9000
	// ownText and ownHTML stand in the common content for what is a mail's own.
	ownText, ownHTML = "%vakhta-text%", "%vakhta-html%"
)

var _ notify.Batcher = (*Channel)(nil)

// Most implements [notify.Batcher].
func (c *Channel) Most() int { return most }

// Bundle implements [notify.Batcher]. Mails of one event and language have the
// most in common. A request has one attachment for all: who gets a calendar of
// his own gets a request of his own.
func (c *Channel) Bundle(messages []notify.Addressed) [][]notify.Addressed {
	type kind struct {
		event, language string
		html            bool
	}
	at := map[kind]int{}
	var bundles, alone [][]notify.Addressed
	for _, m := range messages {
		if m.Calendar != "" || strings.Contains(m.Body, ownText) || strings.Contains(m.HTML, ownHTML) {
			alone = append(alone, []notify.Addressed{m})
			continue
		}
		k := kind{m.Event, string(m.Language), m.HTML != ""}
		i, known := at[k]
		if !known {
			i = len(bundles)
			at[k] = i
			bundles = append(bundles, nil)
		}
		bundles[i] = append(bundles[i], m)
	}
	for i, bundle := range bundles {
		fit, large := fits(bundle)
		bundles[i] = fit
		for _, m := range large {
			alone = append(alone, []notify.Addressed{m})
		}
	}
	out := alone
	for _, b := range bundles {
		if len(b) > 0 {
			out = append(out, b)
		}
	}
	return out
}

// fits parts a bundle from the mails that have too much of their own.
func fits(bundle []notify.Addressed) (fit, large []notify.Addressed) {
	text, html := frames(bundle)
	for _, m := range bundle {
		if len(text.own(m.Body))+len(html.own(m.HTML)) > maxOwn {
			large = append(large, m)
			continue
		}
		fit = append(fit, m) // fewer have more in common: what fits stays so
	}
	return fit, large
}

// frame is what all texts of a bundle begin and end with.
type frame struct{ head, tail string }

func frames(bundle []notify.Addressed) (text, html frame) {
	text, html = frame{bundle[0].Body, bundle[0].Body}, frame{bundle[0].HTML, bundle[0].HTML}
	for _, m := range bundle[1:] {
		text, html = text.narrow(m.Body), html.narrow(m.HTML)
	}
	return text.apart(shortest(bundle, func(m notify.Addressed) int { return len(m.Body) })), html.apart(shortest(bundle, func(m notify.Addressed) int { return len(m.HTML) }))
}

func shortest(bundle []notify.Addressed, size func(notify.Addressed) int) int {
	n := size(bundle[0])
	for _, m := range bundle[1:] {
		n = min(n, size(m))
	}
	return n
}

func (f frame) narrow(s string) frame {
	n := 0
	for n < min(len(f.head), len(s)) && f.head[n] == s[n] {
		n++
	}
	f.head = f.head[:n]
	n = 0
	for n < min(len(f.tail), len(s)) && f.tail[len(f.tail)-1-n] == s[len(s)-1-n] {
		n++
	}
	f.tail = f.tail[len(f.tail)-n:]
	return f
}

// apart keeps head and tail from meeting in the shortest text, and from
// cutting a letter in two.
func (f frame) apart(shortest int) frame {
	for len(f.head) > 0 && !utf8.ValidString(f.head) {
		f.head = f.head[:len(f.head)-1]
	}
	f.tail = f.tail[max(0, len(f.tail)-(shortest-len(f.head))):]
	for len(f.tail) > 0 && !utf8.RuneStart(f.tail[0]) {
		f.tail = f.tail[1:]
	}
	return f
}

func (f frame) own(s string) string { return s[len(f.head) : len(s)-len(f.tail)] }

// SendMany implements [notify.Batcher]: one request with a personalization for
// each mail, and a substitution for what is the mail's own.
func (c *Channel) SendMany(ctx context.Context, bundle []notify.Addressed) []ledger.Outcome {
	req := sendgrid.GetRequest(c.cfg.Key, "/v3/mail/send", c.cfg.URL)
	req.Method = rest.Post
	req.Body = mail.GetRequestBody(c.composeMany(bundle))
	x := notify.NewExchange(ctx, c.cfg.Transport, nil)
	res, err := (&rest.Client{HTTPClient: x.Client()}).SendWithContext(ctx, req)

	all := func(o ledger.Outcome) []ledger.Outcome {
		out := make([]ledger.Outcome, len(bundle))
		for i := range out {
			out[i] = o
		}
		return out
	}
	secrets := []string{c.cfg.Key}
	for _, m := range bundle {
		secrets = append(secrets, m.To)
	}
	if status := x.Status(); status >= 200 && status < 300 {
		return all(ledger.Outcome{State: ledger.Accepted, Provider: Provider, ProviderID: x.Header("X-Message-Id"), HTTPStatus: status, Wrote: true})
	}
	if o, decided := x.Verdict(Provider, err, secrets...); decided {
		if o.State == ledger.Retry && x.Status() == http.StatusTooManyRequests {
			o.RetryAfter = max(o.RetryAfter, untilReset(x.Header("X-Ratelimit-Reset"), time.Now()))
		}
		return all(o)
	}
	body := ""
	if res != nil {
		body = res.Body
	}
	out := all(c.refusal(x, body, secrets...))
	named := refused(body)
	if x.Status() != http.StatusBadRequest || len(named) == 0 {
		return out
	}
	for i := range out {
		if why, ok := named[i]; ok {
			out[i].Code, out[i].Message = "personalizations.to", notify.Scrub(why, secrets...)
			out[i].Class = ledger.ClassDead
			continue
		}
		// Refused with the whole request, for another's address: nothing was sent.
		out[i].State, out[i].Class, out[i].RetryAfter = ledger.Retry, ledger.ClassRetry, time.Millisecond
		out[i].Code, out[i].Message = "", "the request was refused for another recipient"
	}
	return out
}

func (c *Channel) composeMany(bundle []notify.Addressed) *mail.SGMailV3 {
	text, html := frames(bundle)
	m := mail.NewV3Mail()
	m.SetFrom(mail.NewEmail(c.cfg.FromName, c.cfg.From))
	m.Subject = bundle[0].Title
	for _, a := range bundle {
		p := mail.NewPersonalization()
		p.AddTos(mail.NewEmail("", a.To))
		p.Subject = a.Title
		p.SetCustomArg(notificationArg, a.ID)
		p.SetSubstitution(ownText, text.own(a.Body))
		if a.HTML != "" {
			p.SetSubstitution(ownHTML, html.own(a.HTML))
		}
		for name, value := range c.headers(a.Notification) {
			p.SetHeader(name, value)
		}
		m.AddPersonalizations(p)
	}
	m.AddContent(mail.NewContent("text/plain", text.head+ownText+text.tail))
	if bundle[0].HTML != "" {
		m.AddContent(mail.NewContent("text/html", html.head+ownHTML+html.tail))
	}
	untracked(m)
	return m
}

var recipientField = regexp.MustCompile(`^personalizations\.(\d+)\.to`)

// refused are the recipients that SendGrid's reasons name, by their place.
func refused(body string) map[int]string {
	var answer struct {
		Errors []struct {
			Message string `json:"message"`
			Field   string `json:"field"`
		} `json:"errors"`
	}
	if json.Unmarshal([]byte(body), &answer) != nil {
		return nil
	}
	named := map[int]string{}
	for _, e := range answer.Errors {
		if m := recipientField.FindStringSubmatch(e.Field); m != nil {
			i, _ := strconv.Atoi(m[1]) // the expression lets nothing else through
			named[i] = e.Message
		}
	}
	return named
}
