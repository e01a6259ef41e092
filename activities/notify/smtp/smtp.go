// Package smtp sends mail through an operator's own relay or another mail
// service, by SMTP. The relay says at once whether it takes a mail; what becomes
// of it afterwards comes back as a mail to the sender's address, if at all.
//
// The dialogue is driven step by step, because the step at which it breaks
// decides what is known: until the end of the data is sent, nothing has been
// taken; from then until the reply, nobody knows.
package smtp

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"slices"
	"strings"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// Provider is the name of this provider in the ledger.
const Provider = "smtp"

// Security is how the connection is kept from being read.
type Security string

// The kinds of security.
const (
	StartTLS Security = "starttls" // plain at first, encrypted before anything is said; port 587
	TLS      Security = "tls"      // encrypted from the first byte; port 465
	None     Security = "none"     // for a relay on this machine
)

// Securities are all kinds, the default one first.
var Securities = []Security{StartTLS, TLS, None}

// Config is the relay.
type Config struct {
	Address  string // host:port
	Security Security
	User     string // empty: the relay knows us by our address
	Password string
	From     string         // sender's address; bounces go there
	FromName string         // sender's name
	Hello    string         // our name in EHLO; empty: the domain of From
	Roots    *x509.CertPool // who may vouch for the relay; nil: the system's
}

// Channel sends mail. It is safe for concurrent use.
type Channel struct {
	cfg    Config
	host   string
	domain string // of our Message-IDs
	idle   idle
}

var _ notify.Channel = (*Channel)(nil)

// New checks the relay's settings.
func New(cfg Config) (*Channel, error) {
	host, _, err := net.SplitHostPort(cfg.Address)
	if err != nil || host == "" {
		return nil, fmt.Errorf("smtp: address %q is not host:port", cfg.Address)
	}
	if cfg.Security == "" {
		cfg.Security = StartTLS
	}
	if !slices.Contains(Securities, cfg.Security) {
		return nil, fmt.Errorf("smtp: security %q is unknown; there are %v", cfg.Security, Securities)
	}
	from, err := netmail.ParseAddress(cfg.From)
	if err != nil {
		return nil, errors.New("smtp: the sender's address is missing or is none")
	}
	cfg.From = from.Address
	_, domain, _ := strings.Cut(cfg.From, "@")
	if (cfg.User == "") != (cfg.Password == "") {
		return nil, errors.New("smtp: user and password go together; set both or none")
	}
	if cfg.Hello == "" {
		cfg.Hello = domain
	}
	return &Channel{cfg: cfg, host: host, domain: domain}, nil
}

// Send implements [notify.Channel].
func (c *Channel) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	rcpt, err := netmail.ParseAddress(to)
	if err != nil || strings.ContainsAny(rcpt.Address, "\r\n") {
		return ledger.Outcome{
			State: ledger.Refused, Class: ledger.ClassDead, Provider: Provider,
			Message: "the contact's mail address is none",
		}
	}
	letter, err := c.compose(n, rcpt.Address)
	if err != nil {
		return ledger.Outcome{
			State: ledger.Refused, Class: ledger.ClassConfig, Provider: Provider,
			Message: c.scrub(err, to, rcpt.Address),
		}
	}
	s, at, err := c.begin(ctx)
	if err == nil {
		at, err = s.hand(ctx, rcpt.Address, letter)
		c.release(s, at, err)
	}
	if err != nil {
		return c.failure(at, err, to, rcpt.Address)
	}
	id := strings.Trim(notify.MailHeaders(n, c.domain)["Message-ID"], "<>")
	return ledger.Outcome{State: ledger.Accepted, Provider: Provider, ProviderID: id, Wrote: true}
}

// Capabilities implements [notify.Channel].
func (*Channel) Capabilities() notify.Capabilities { return notify.Capabilities{} }

// LookUp implements [notify.Channel]: SMTP has no question about the past.
func (*Channel) LookUp(context.Context, ledger.Notification, string) (string, bool, error) {
	return "", false, notify.ErrNoLookUp
}

func (c *Channel) scrub(err error, addresses ...string) string {
	return notify.Scrub(err.Error(), append(addresses, c.cfg.Password, c.cfg.User)...)
}
