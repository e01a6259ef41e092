package config

import (
	"errors"
	"fmt"
	"iter"
	"slices"

	"vakhta/internal/inventory"
)

// Account is a further account at a provider: with a name, a budget and a
// health of its own. Its channels fall back on it, or prefer it by notify.order.
type Account struct {
	Name string `yaml:"name"` // of the account, in notify.order, callbacks and metrics
	// Exactly one of these.
	SendGrid *SendGrid `yaml:"sendgrid"`
	SMTP     *SMTP     `yaml:"smtp"`
	Twilio   *Twilio   `yaml:"twilio"`
}

// accounts are what the account may be, where more than one is an error that validate tells.
func (a *Account) accounts() []account {
	alone := Providers{SendGrid: a.SendGrid, SMTP: a.SMTP, Twilio: a.Twilio}
	out := alone.accounts()
	for i := range out {
		out[i].key, out[i].name = "accounts."+a.Name+"."+out[i].key, a.Name
	}
	return out
}

// ownNames are the names of the providers that have one account each, and of their first accounts.
var ownNames = []string{"sendgrid", "smtp", "twilio", "telegram", "slack", "mattermost", "shoutrrr"}

// validateNames wants every account that is not the first of its provider to
// have a name of its own.
func (p *Providers) validateNames() error {
	taken := slices.Clone(ownNames)
	name := func(key, name string) error {
		if !namePattern.MatchString(name) {
			return fmt.Errorf("providers.%s.name: missing or not lower-case letters, digits and dashes", key)
		}
		if slices.Contains(taken, name) {
			return fmt.Errorf("providers.%s.name: %s is taken; choose another", key, name)
		}
		taken = append(taken, name)
		return nil
	}
	for i, h := range p.HTTP {
		if h == nil {
			h = &HTTP{}
		}
		if err := name(fmt.Sprintf("http[%d]", i), h.Name); err != nil {
			return err
		}
	}
	for i, a := range p.Accounts {
		if a == nil {
			a = &Account{}
		}
		if err := name(fmt.Sprintf("accounts[%d]", i), a.Name); err != nil {
			return err
		}
		if len(a.accounts()) != 1 {
			return fmt.Errorf("providers.accounts.%s: %w", a.Name, errors.New("holds not exactly one of sendgrid, smtp, twilio; write one account below its name"))
		}
	}
	return nil
}

// SendGrids are the accounts at SendGrid by name, the first one as sendgrid.
func (p *Providers) SendGrids() iter.Seq2[string, *SendGrid] {
	return named("sendgrid", p.SendGrid, p.Accounts, func(a *Account) *SendGrid { return a.SendGrid })
}

// SMTPs are the relays by name, the first one as smtp.
func (p *Providers) SMTPs() iter.Seq2[string, *SMTP] {
	return named("smtp", p.SMTP, p.Accounts, func(a *Account) *SMTP { return a.SMTP })
}

// Twilios are the accounts at Twilio by name, the first one as twilio.
func (p *Providers) Twilios() iter.Seq2[string, *Twilio] {
	return named("twilio", p.Twilio, p.Accounts, func(a *Account) *Twilio { return a.Twilio })
}

func named[T any](name string, first *T, more []*Account, of func(*Account) *T) iter.Seq2[string, *T] {
	return func(yield func(string, *T) bool) {
		if first != nil && !yield(name, first) {
			return
		}
		for _, a := range more {
			if a == nil { // said by validateNames
				continue
			}
			if one := of(a); one != nil && !yield(a.Name, one) {
				return
			}
		}
	}
}

func (s *SMTP) rate(inventory.Channel) float64 { return s.Rate }
func (h *HTTP) rate(inventory.Channel) float64 { return h.Rate }
