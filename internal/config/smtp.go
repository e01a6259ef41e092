package config

import (
	"errors"
	"fmt"
	"net"
	"net/mail"
	"slices"
	"strings"
)

// SMTP is a mail relay, the operator's own or a service's.
type SMTP struct {
	Address string `yaml:"address"` // host:port
	// Security is starttls (the default), tls (encrypted from the first byte,
	// port 465) or none (a relay on this machine).
	Security string `yaml:"security"`
	User     string `yaml:"user"` // default: no login
	Password Secret `yaml:"password"`
	From     string `yaml:"from"`     // the sender's address; bounces go there
	FromName string `yaml:"fromName"` // the sender's name
	Hello    string `yaml:"hello"`    // our name in EHLO; default: the domain of from
	CA       string `yaml:"ca"`       // PEM file of a certificate to trust besides the system's
	// Rate is what the relay takes, in mails per second; default: notify.rates.
	Rate float64 `yaml:"rate"`
}

// securities are the kinds of connection, the default one first.
var securities = []string{"starttls", "tls", "none"}

// ValidateAndSetDefaults checks the relay.
func (s *SMTP) ValidateAndSetDefaults() error {
	host, port, err := net.SplitHostPort(s.Address)
	if err != nil || host == "" || port == "" {
		return errors.New("address: missing or not host:port, such as mail.example.net:587")
	}
	setDefault(&s.Security, securities[0])
	if !slices.Contains(securities, s.Security) {
		return fmt.Errorf("security: %q is unknown; there are %s", s.Security, listed(securities))
	}
	if s.Security == "none" && !loopback(host) {
		return errors.New("security: none would send mails and the password readable over the network; it is for a relay on this machine")
	}
	if (s.User == "") == s.Password.Set() {
		return errors.New("user: user and password go together; set both, or none for a relay that knows this machine")
	}
	if from, err := mail.ParseAddress(s.From); err != nil || from.Address != s.From {
		return errors.New("from: missing or not a mail address")
	}
	setDefault(&s.FromName, "Vakhta")
	if strings.ContainsAny(s.Hello, " \t\r\n") {
		return errors.New("hello: not a host name")
	}
	return checkRate(s.Rate)
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
