package sandbox

import (
	"compress/gzip"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

type mailSend struct {
	Personalizations []personalization `json:"personalizations"`
	From             *mailAddress      `json:"from"`
	ReplyTo          *mailAddress      `json:"reply_to"`
	Subject          string            `json:"subject"`
	Content          []mailContent     `json:"content"`
	Attachments      []mailAttachment  `json:"attachments"`
	Headers          map[string]string `json:"headers"`
	CustomArgs       map[string]string `json:"custom_args"`
	Categories       []string          `json:"categories"`
	TemplateID       string            `json:"template_id"`
	MailSettings     struct {
		SandboxMode struct {
			Enable bool `json:"enable"`
		} `json:"sandbox_mode"`
	} `json:"mail_settings"`
}

type personalization struct {
	To            []mailAddress     `json:"to"`
	CC            []mailAddress     `json:"cc"`
	BCC           []mailAddress     `json:"bcc"`
	From          *mailAddress      `json:"from"`
	Subject       string            `json:"subject"`
	Headers       map[string]string `json:"headers"`
	Substitutions map[string]string `json:"substitutions"`
	CustomArgs    map[string]string `json:"custom_args"`
}

type mailAddress struct {
	Email string `json:"email"`
	Name  string `json:"name"`
}

type mailAttachment struct {
	Content  string `json:"content"` // base64
	Type     string `json:"type"`
	Filename string `json:"filename"`
}

type mailContent struct {
	Type  string `json:"type"`
	Value string `json:"value"`
}

func (p personalization) recipients() []mailAddress {
	all := make([]mailAddress, 0, len(p.To)+len(p.CC)+len(p.BCC))
	return append(append(append(all, p.To...), p.CC...), p.BCC...)
}

// mailError is one entry of SendGrid's errors array.
type mailError struct {
	Message string  `json:"message"`
	Field   *string `json:"field"`
	Help    *string `json:"help"`
}

func mailErrors(w http.ResponseWriter, status int, errs ...mailError) {
	writeJSON(w, status, map[string]any{"errors": errs})
}

func (s *Sandbox) serveMailSend(w http.ResponseWriter, r *http.Request) {
	if subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte("Bearer "+s.cfg.SendGridKey)) != 1 {
		mailErrors(w, http.StatusUnauthorized, mailError{Message: "The provided authorization grant is invalid, expired, or revoked"})
		return
	}
	m, status, bad := readMail(r)
	if bad == nil {
		bad, status = m.check(), http.StatusBadRequest
	}
	if bad != nil {
		mailErrors(w, status, *bad)
		return
	}
	to := m.addresses()
	if s.refuse(w, SendGrid, OpSend, ChannelEmail, to...) {
		return
	}
	if wait := s.limits.take("sendgrid", s.cfg.Limits.SendGrid); wait > 0 {
		tooMany(w, SendGrid, wait)
		return
	}
	if m.MailSettings.SandboxMode.Enable {
		w.WriteHeader(http.StatusOK)
		return
	}
	id := messageID()
	s.acceptMail(m, id)
	if s.vanish(w, r, SendGrid, ChannelEmail, to...) {
		return
	}
	w.Header().Set("X-Message-Id", id)
	w.WriteHeader(http.StatusAccepted)
}

// maxMail is SendGrid's limit for a message with everything in it.
const maxMail = 30 << 20

func readMail(r *http.Request) (*mailSend, int, *mailError) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		unzipped, err := gzip.NewReader(r.Body)
		if err != nil {
			return nil, http.StatusBadRequest, &mailError{Message: "Bad Request"}
		}
		body = unzipped
	}
	raw, err := io.ReadAll(io.LimitReader(body, maxMail+1))
	if err != nil {
		return nil, http.StatusBadRequest, &mailError{Message: "Bad Request"}
	}
	if len(raw) > maxMail {
		return nil, http.StatusRequestEntityTooLarge, &mailError{Message: "Your message exceeds the maximum size of 30MB"}
	}
	var m mailSend
	if err := json.Unmarshal(raw, &m); err != nil {
		bad := &mailError{Message: "Bad Request"}
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) {
			bad = invalid(wrong.Field, "Invalid type. Expected: %s, given: %s.", wrong.Type, wrong.Value)
		}
		return nil, http.StatusBadRequest, bad
	}
	return &m, 0, nil
}

// addresses are all recipients, in the order of the call.
func (m *mailSend) addresses() []string {
	var to []string
	for _, p := range m.Personalizations {
		for _, a := range p.recipients() {
			to = append(to, a.Email)
		}
	}
	return to
}

// acceptMail puts a copy into every recipient's inbox and lets the events begin.
func (s *Sandbox) acceptMail(m *mailSend, id string) {
	n := 0
	for _, p := range m.Personalizations {
		replace := substituter(p.Substitutions)
		subject := p.Subject
		if subject == "" {
			subject = m.Subject
		}
		text, html := m.content("text/plain"), m.content("text/html")
		from := m.From
		if p.From != nil {
			from = p.From
		}
		for _, to := range p.recipients() {
			it := &Item{
				Provider: SendGrid, Channel: ChannelEmail, To: to.Email, From: from.Email,
				ID:      fmt.Sprintf("%s.recvd-sandbox-%d.0", id, n),
				Subject: replace(subject), Text: replace(text), HTML: replace(html),
				Args: union(m.CustomArgs, p.CustomArgs), Headers: union(m.Headers, p.Headers),
				Categories: m.Categories, Calendar: m.calendar(),
			}
			n++
			s.inbox.add(it, "accepted")
			s.mailLife(it.ID, to.Email, it.Args, m.Categories)
		}
	}
}

// calendar is the calendar that is attached; what is no base64 is refused as the provider does, by silence.
func (m *mailSend) calendar() string {
	for _, a := range m.Attachments {
		if text, err := base64.StdEncoding.DecodeString(a.Content); err == nil && strings.HasPrefix(a.Type, "text/calendar") {
			return string(text)
		}
	}
	return ""
}

func (m *mailSend) content(kind string) string {
	for _, c := range m.Content {
		if c.Type == kind {
			return c.Value
		}
	}
	return ""
}

// substituter replaces a personalization's keys in one pass.
func substituter(pairs map[string]string) func(string) string {
	if len(pairs) == 0 {
		return func(s string) string { return s }
	}
	list := make([]string, 0, 2*len(pairs))
	for k, v := range pairs {
		list = append(list, k, v)
	}
	return strings.NewReplacer(list...).Replace
}

func union(base, over map[string]string) map[string]string {
	if len(base) == 0 && len(over) == 0 {
		return nil
	}
	u := make(map[string]string, len(base)+len(over))
	for k, v := range base {
		u[k] = v
	}
	for k, v := range over {
		u[k] = v
	}
	return u
}

func messageID() string { return base64.RawURLEncoding.EncodeToString(random(16)) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return b
}

// mailLife lets one copy be processed and then delivered, or not.
func (s *Sandbox) mailLife(id, to string, args map[string]string, categories []string) {
	box := *s.people.of(to).Mail
	tell := func(event string, more map[string]any) {
		s.mailEvent(id, to, event, args, categories, more)
	}
	if box.Drop || s.people.isSuppressed(to) {
		s.agenda.after(0, func() {
			s.inbox.change(id, func(it *Item) { it.set("dropped", 0) })
			tell("dropped", map[string]any{"reason": "Bounced Address", "status": "5.0.0"})
		})
		return
	}
	s.agenda.after(0, func() {
		s.inbox.change(id, func(it *Item) { it.set("processed", 0) })
		tell("processed", nil)
	})
	s.agenda.after(s.cfg.Timing.MailDelivered, func() { s.mailArrives(id, to, box, tell) })
}

func (s *Sandbox) mailArrives(id, to string, box Mailbox, tell func(string, map[string]any)) {
	if box.Bounce {
		s.people.suppress(to)
		s.inbox.change(id, func(it *Item) { it.set("bounce", 0) })
		tell("bounce", map[string]any{"reason": "550 5.1.1 The email account that you tried to reach does not exist", "status": "5.1.1", "type": "bounce", "bounce_classification": "Invalid Address"})
		return
	}
	if box.Defer {
		box.Defer = false
		s.inbox.change(id, func(it *Item) { it.set("deferred", 0) })
		tell("deferred", map[string]any{"response": "451 4.7.1 try again later", "attempt": "1"})
		s.agenda.after(s.cfg.Timing.MailDelivered, func() { s.mailArrives(id, to, box, tell) })
		return
	}
	s.inbox.change(id, func(it *Item) { it.set("delivered", 0) })
	tell("delivered", map[string]any{"response": "250 OK"})
	open := func(machine bool) {
		s.inbox.change(id, func(it *Item) { it.Opened = it.Opened || !machine })
		tell("open", map[string]any{"sg_machine_open": machine, "useragent": "Mozilla/5.0", "ip": "192.0.2.1"})
	}
	if box.MachineOpen {
		s.agenda.after(0, func() { open(true) })
	}
	if box.Open {
		s.agenda.after(time.Duration(box.After), func() { open(false) })
	}
}
