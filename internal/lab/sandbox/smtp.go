package sandbox

import (
	"bytes"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log"
	"net"
	"net/mail"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// maxRelayed is what the relay takes of one mail.
const maxRelayed = 10 << 20

// mailServer is the relay's server for one opening of its door.
type mailServer struct {
	*smtp.Server

	listener net.Listener
	busy     atomic.Int64 // mails between MAIL and the answer to their data
}

func (s *Sandbox) relayServer(l net.Listener) *mailServer {
	m := &mailServer{listener: l}
	m.Server = smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) {
		return &mailSession{sandbox: s, server: m, conn: c}, nil
	}))
	m.Domain = "relay.sandbox.example"
	m.TLSConfig = s.relay.tls
	m.MaxMessageBytes = maxRelayed
	m.ErrorLog = log.New(io.Discard, "", 0)
	return m
}

// Shutdown takes no more connections, lets the mails in progress end, and then
// closes what is idle: a mail program keeps its connection for the next mail.
func (m *mailServer) Shutdown(ctx context.Context) error {
	_ = m.listener.Close()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for m.busy.Load() > 0 {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
	return nil
}

// Close ends everything at once.
func (m *mailServer) Close() error {
	_ = m.listener.Close()
	return m.Server.Close()
}

// relayListener closes connections unread while the relay is down.
type relayListener struct {
	net.Listener

	sandbox *Sandbox
}

func (l relayListener) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil || !l.sandbox.relayIsDown() {
			return c, err
		}
		hangUp(c)
	}
}

func (s *Sandbox) relayIsDown() bool {
	return s.faults.strike([]FaultKind{FaultDown}, SMTP, OpAny, "", nil, "") != nil
}

// hangUp resets a connection.
func hangUp(c net.Conn) {
	if secure, ok := c.(*tls.Conn); ok {
		c = secure.NetConn()
	}
	if tcp, ok := c.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = c.Close()
}

// mailSession is one connection to the relay.
type mailSession struct {
	sandbox *Sandbox
	server  *mailServer
	conn    *smtp.Conn

	known bool // it has logged in
	open  bool // a mail is under way
	from  string
	to    []string
}

// AuthMechanisms implements [smtp.AuthSession].
func (m *mailSession) AuthMechanisms() []string {
	if m.sandbox.cfg.SMTPUser == "" {
		return nil
	}
	return []string{sasl.Plain}
}

// Auth implements [smtp.AuthSession].
func (m *mailSession) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != m.sandbox.cfg.SMTPUser || password != m.sandbox.cfg.SMTPPassword {
			return smtp.ErrAuthFailed
		}
		m.known = true
		return nil
	}), nil
}

// Mail implements [smtp.Session].
func (m *mailSession) Mail(from string, _ *smtp.MailOptions) error {
	if m.sandbox.relayIsDown() {
		hangUp(m.conn.Conn())
		return no(421, "4.3.2 down")
	}
	if m.sandbox.cfg.SMTPUser != "" && !m.known {
		return no(530, "5.7.0 Authentication required")
	}
	m.from, m.open = from, true
	m.server.busy.Add(1)
	return nil
}

// Rcpt implements [smtp.Session].
func (m *mailSession) Rcpt(to string, _ *smtp.RcptOptions) error {
	s := m.sandbox
	box := *s.people.of(to).Mail
	switch {
	case box.Bounce:
		return no(550, "5.1.1 The email account that you tried to reach does not exist")
	case box.Drop:
		return no(550, "5.7.1 The recipient doesn't want mail from you")
	case box.Defer && s.relay.isFirst(to):
		return no(451, "4.7.1 Greylisted, try again later")
	}
	if f := s.faults.strike(beforeKinds, SMTP, OpSend, ChannelEmail, []string{to}, to); f != nil {
		return refusal(f.Kind)
	}
	if s.limits.take("smtp", s.cfg.Limits.SMTP) > 0 {
		return refusal(FaultRateLimit)
	}
	m.to = append(m.to, to)
	return nil
}

// refusal says a fault in the words of SMTP.
func refusal(kind FaultKind) error {
	switch kind {
	case FaultRateLimit:
		return no(450, "4.7.1 Too many messages, slow down")
	case FaultError:
		return no(451, "4.3.0 Local error in processing")
	default:
		return no(421, "4.3.2 Service not available, closing transmission channel")
	}
}

// no is a reply "code text", where the text begins with an enhanced code.
func no(code int, text string) error {
	var e smtp.EnhancedCode
	enhanced, words, _ := strings.Cut(text, " ")
	_, _ = fmt.Sscanf(enhanced, "%d.%d.%d", &e[0], &e[1], &e[2]) // ours
	return &smtp.SMTPError{Code: code, EnhancedCode: e, Message: words}
}

// Data implements [smtp.Session].
func (m *mailSession) Data(r io.Reader) error {
	raw, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	for _, to := range m.to {
		it, err := received(raw)
		if err != nil {
			return no(554, "5.6.0 "+err.Error())
		}
		it.From, it.To, it.ID = m.from, to, messageID()
		m.sandbox.inbox.add(it, "accepted")
		m.sandbox.inbox.change(it.ID, func(it *Item) { it.set("delivered", 0) })
	}
	m.vanish()
	return nil
}

// vanish lets a fault that comes after acceptance take the answer away. An
// error would be none: by RFC 5321 a relay that says no has not taken the mail.
func (m *mailSession) vanish() {
	s := m.sandbox
	f := s.faults.strike(afterKinds, SMTP, OpSend, ChannelEmail, m.to, first(m.to))
	if f == nil {
		return
	}
	if f.Kind == FaultHang {
		t := time.NewTimer(f.Delay.or(s.cfg.Timing.MaxHang))
		defer t.Stop()
		select {
		case <-t.C:
		case <-s.ctx.Done():
		}
	}
	if f.Kind == FaultLostError {
		_ = m.conn.Conn().Close()
		return
	}
	hangUp(m.conn.Conn())
}

// Reset implements [smtp.Session].
func (m *mailSession) Reset() {
	if m.open {
		m.server.busy.Add(-1)
	}
	m.open, m.from, m.to = false, "", nil
}

// Logout implements [smtp.Session].
func (m *mailSession) Logout() error {
	m.Reset()
	return nil
}

// mustHave are the headers that the relay wants of a mail (RFC 5322 §3.6, and
// what every large provider asks for besides).
var mustHave = []string{"From", "To", "Subject", "Date", "Message-Id"}

// received reads a mail as its recipient's program would.
func received(raw []byte) (*Item, error) {
	m, err := mail.ReadMessage(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("the mail can't be read: %w", err)
	}
	for _, name := range mustHave {
		if len(m.Header[name]) != 1 {
			return nil, fmt.Errorf("the mail has %d headers %s, and not one", len(m.Header[name]), name)
		}
	}
	it := &Item{Provider: SMTP, Channel: ChannelEmail, Headers: map[string]string{}}
	for name, values := range m.Header {
		it.Headers[name] = strings.Join(slices.Clone(values), ", ")
	}
	if it.Subject, err = wordDecoder.DecodeHeader(m.Header.Get("Subject")); err != nil {
		return nil, fmt.Errorf("the subject can't be read: %w", err)
	}
	err = readPart(it, m.Header.Get("Content-Type"), m.Header.Get("Content-Transfer-Encoding"), m.Body)
	return it, err
}
