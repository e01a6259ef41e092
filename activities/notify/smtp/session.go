package smtp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"github.com/wneessen/go-mail/smtp"
)

// step is a step of the dialogue.
type step int

// The steps, in their order.
const (
	connecting step = iota // until the relay has taken our credentials
	sender
	recipient
	data
	ending // from the end of the data to its reply
)

// session is a connection to the relay, past its greetings and credentials.
type session struct {
	client *smtp.Client
	conn   net.Conn
	mails  int
	used   time.Time
}

const (
	// maxMails is how many mails a connection carries: relays end it after some.
	maxMails = 50
	// maxIdle is how long an idle connection is trusted to be alive.
	maxIdle = 15 * time.Second
	// farewell is how long a relay may take to end a mail or a connection.
	farewell = 2 * time.Second
	// dialTimeout leaves time for the rest of the attempt.
	dialTimeout = 10 * time.Second
)

// idle are the connections that nobody uses now.
type idle struct {
	mu   sync.Mutex
	list []*session
}

// take returns the connection that was used last, and closes those that are too old.
func (i *idle) take(now time.Time) *session {
	i.mu.Lock()
	defer i.mu.Unlock()
	for len(i.list) > 0 && now.Sub(i.list[0].used) > maxIdle {
		_ = i.list[0].conn.Close()
		i.list = i.list[1:]
	}
	if len(i.list) == 0 {
		return nil
	}
	s := i.list[len(i.list)-1]
	i.list = i.list[:len(i.list)-1]
	return s
}

func (i *idle) put(s *session) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.list = append(i.list, s)
}

// begin returns a session whose relay has taken our sender. A kept connection
// may have been closed by the relay meanwhile: then another one is opened.
func (c *Channel) begin(ctx context.Context) (*session, step, error) {
	for s := c.idle.take(time.Now()); s != nil; s = c.idle.take(time.Now()) {
		err := s.mail(ctx, c.cfg.From)
		if err == nil {
			return s, sender, nil
		}
		if lasting(err) {
			c.release(s, sender, err)
			return nil, sender, err
		}
		_ = s.conn.Close()
	}
	s, err := c.connect(ctx)
	if err != nil {
		return nil, connecting, err
	}
	if err := s.mail(ctx, c.cfg.From); err != nil {
		c.release(s, sender, err)
		return nil, sender, err
	}
	return s, sender, nil
}

// release keeps a connection that still works for the next mail. One on which
// a mail was refused half way is reset first.
func (c *Channel) release(s *session, at step, err error) {
	_ = s.conn.SetDeadline(time.Now().Add(farewell))
	if err != nil && (at == data || !lasting(err) || s.client.Reset() != nil) {
		_ = s.conn.Close()
		return
	}
	if s.mails >= maxMails {
		_ = s.client.Quit()
		_ = s.conn.Close()
		return
	}
	_ = s.conn.SetDeadline(time.Time{})
	s.used = time.Now()
	c.idle.put(s)
}

// lasting says that an error is a reply after which the connection lives on.
func lasting(err error) bool {
	var reply *textproto.Error
	return errors.As(err, &reply) && reply.Code != 421
}

// connect opens a connection and says who we are.
func (c *Channel) connect(ctx context.Context) (*session, error) {
	conn, err := (&net.Dialer{Timeout: dialTimeout}).DialContext(ctx, "tcp", c.cfg.Address)
	if err != nil {
		return nil, err
	}
	s := &session{conn: conn}
	stop := s.bound(ctx)
	defer stop()
	if err := c.greet(s); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, nil
}

func (c *Channel) greet(s *session) (err error) {
	secure := &tls.Config{ServerName: c.host, RootCAs: c.cfg.Roots, MinVersion: tls.VersionTLS12}
	conn := s.conn
	if c.cfg.Security == TLS {
		conn = tls.Client(conn, secure)
	}
	if s.client, err = smtp.NewClient(conn, c.host); err != nil {
		return err
	}
	if err := s.client.Hello(c.cfg.Hello); err != nil {
		return err
	}
	if c.cfg.Security == StartTLS {
		if ok, _ := s.client.Extension("STARTTLS"); !ok {
			return errNoTLS
		}
		if err := s.client.StartTLS(secure); err != nil {
			return err
		}
	}
	// What isn't ASCII is encoded, so that no relay on the way must be able to carry it.
	s.client.SkipSMTPUTF8(true)
	return c.authenticate(s.client)
}

// Failures that are the configuration's, and that only an operator mends.
var (
	errNoTLS  = errors.New("the server offers no STARTTLS; set the connection's security to what it offers")
	errNoAuth = errors.New("the server offers no way to log in that we know (PLAIN, LOGIN)")
)

func (c *Channel) authenticate(client *smtp.Client) error {
	if c.cfg.User == "" {
		return nil
	}
	ok, offered := client.Extension("AUTH")
	if !ok {
		return errNoAuth
	}
	plain := c.cfg.Security == None
	var way smtp.Auth
	for _, mechanism := range strings.Fields(offered) {
		switch {
		case mechanism == "PLAIN":
			way = smtp.PlainAuth("", c.cfg.User, c.cfg.Password, c.host, plain)
		case mechanism == "LOGIN" && way == nil:
			way = smtp.LoginAuth(c.cfg.User, c.cfg.Password, c.host, plain)
		}
	}
	if way == nil {
		return errNoAuth
	}
	if err := client.Auth(way); err != nil {
		return &authError{err}
	}
	return nil
}

// authError is a failure while logging in.
type authError struct{ error }

func (e *authError) Unwrap() error { return e.error }

// bound ends the dialogue with the context; call stop when it is over.
func (s *session) bound(ctx context.Context) (stop func()) {
	if deadline, ok := ctx.Deadline(); ok {
		_ = s.conn.SetDeadline(deadline)
	}
	cancelled := context.AfterFunc(ctx, func() { _ = s.conn.SetDeadline(time.Unix(1, 0)) })
	return func() {
		if cancelled() {
			_ = s.conn.SetDeadline(time.Time{})
		}
	}
}

// mail begins a mail.
func (s *session) mail(ctx context.Context, from string) error {
	defer s.bound(ctx)()
	s.mails++
	return s.client.Mail("<" + from + ">")
}

// hand gives the relay the mail. The step is the one that failed.
func (s *session) hand(ctx context.Context, to string, letter []byte) (step, error) {
	defer s.bound(ctx)()
	if err := s.client.Rcpt("<" + to + ">"); err != nil {
		return recipient, err
	}
	w, err := s.client.Data()
	if err != nil {
		return data, err
	}
	if _, err := w.Write(letter); err != nil {
		return data, fmt.Errorf("send the mail's text: %w", err)
	}
	return ending, w.Close()
}
