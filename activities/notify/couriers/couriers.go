// Package couriers makes the providers that a configuration names, for every
// process that sends: the worker, and the gateway, which sends first pages.
package couriers

import (
	"crypto/x509"
	"fmt"
	"maps"
	"os"
	"slices"

	"vakhta/activities/notify"
	"vakhta/activities/notify/described"
	"vakhta/activities/notify/mattermost"
	"vakhta/activities/notify/sendgrid"
	"vakhta/activities/notify/shoutrrr"
	"vakhta/activities/notify/slack"
	"vakhta/activities/notify/smtp"
	"vakhta/activities/notify/telegram"
	"vakhta/activities/notify/twilio"
	"vakhta/internal/config"
	"vakhta/internal/inventory"
	"vakhta/internal/store"
)

// made are the providers that are configured, by channel and name.
type made map[inventory.Channel]map[string]notify.Provider

// add takes a provider, or passes on why there is none.
func (m made) add(channel inventory.Channel, name string, perSecond float64, ch notify.Channel, err error) error {
	if err != nil {
		return fmt.Errorf("providers.%s: %w", name, err)
	}
	if m[channel] == nil {
		m[channel] = map[string]notify.Provider{}
	}
	m[channel][name] = notify.Provider{Name: name, Channel: ch, Rate: notify.Rate{PerSecond: perSecond}}
	return nil
}

// Routes makes the providers that are configured and puts those of each
// channel into their order.
func Routes(cfg config.Config, st *store.Store) (notify.Routes, error) {
	m := made{}
	for _, makeOf := range []func(made, config.Config, *store.Store) error{sendgridOf, smtpOf, twilioOf, telegramOf, slackOf, mattermostOf, shoutrrrOf, describedOf} {
		if err := makeOf(m, cfg, st); err != nil {
			return nil, err
		}
	}
	routes := notify.Routes{}
	for _, channel := range slices.Sorted(maps.Keys(m)) {
		for _, name := range cfg.ProvidersOf(channel) {
			routes[channel] = append(routes[channel], m[channel][name])
		}
	}
	return routes, nil
}

func sendgridOf(m made, cfg config.Config, _ *store.Store) error {
	for name, p := range cfg.Providers.SendGrids() {
		ch, err := sendgrid.New(sendgrid.Config{URL: p.URL, Key: p.Key.Reveal(), From: p.From, FromName: p.FromName})
		if err := m.add(inventory.Email, name, p.Rate, ch, err); err != nil {
			return err
		}
	}
	return nil
}

func smtpOf(m made, cfg config.Config, _ *store.Store) error {
	for name, p := range cfg.Providers.SMTPs() {
		roots, err := rootsOf(p.CA)
		if err != nil {
			return fmt.Errorf("providers.%s.ca: %w", name, err)
		}
		ch, err := smtp.New(smtp.Config{
			Address: p.Address, Security: smtp.Security(p.Security), User: p.User, Password: p.Password.Reveal(),
			From: p.From, FromName: p.FromName, Hello: p.Hello, Roots: roots,
		})
		if err := m.add(inventory.Email, name, p.Rate, ch, err); err != nil {
			return err
		}
	}
	return nil
}

// rootsOf are the system's certificates and those of a file; nil without one.
func rootsOf(path string) (*x509.CertPool, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	roots, err := x509.SystemCertPool()
	if err != nil {
		return nil, fmt.Errorf("read the system's certificates: %w", err)
	}
	if !roots.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate in PEM", path)
	}
	return roots, nil
}

func twilioOf(m made, cfg config.Config, st *store.Store) error {
	for name, p := range cfg.Providers.Twilios() {
		if err := twilioAccount(m, name, p, cfg.PublicURL, st); err != nil {
			return err
		}
	}
	return nil
}

func twilioAccount(m made, name string, p *config.Twilio, publicURL string, st *store.Store) error {
	account := twilio.Config{
		Account: name, URL: p.URL, AccountSID: p.AccountSID, AuthToken: p.AuthToken.Reveal(), From: p.From, CallFrom: p.CallFrom,
		PublicURL: publicURL, Known: st.KnownElsewhere,
	}
	sms, err := twilio.NewSMS(account)
	if err := m.add(inventory.SMS, name, p.Rates[inventory.SMS], sms, err); err != nil {
		return err
	}
	if w := p.WhatsApp; w != nil {
		ch, err := twilio.NewWhatsApp(account, twilio.WhatsAppConfig{From: w.From, Templates: templatesOf(w), Heard: st.Heard})
		if err := m.add(inventory.WhatsApp, name, p.Rates[inventory.WhatsApp], ch, err); err != nil {
			return err
		}
	}
	call, err := twilio.NewCall(account)
	return m.add(inventory.Call, name, p.Rates[inventory.Call], call, err)
}

func templatesOf(w *config.WhatsApp) map[inventory.Language]twilio.Templates {
	out := make(map[inventory.Language]twilio.Templates, len(w.Templates))
	for lang, t := range w.Templates {
		out[lang] = twilio.Templates(t)
	}
	return out
}

func telegramOf(m made, cfg config.Config, _ *store.Store) error {
	p := cfg.Providers.Telegram
	if p == nil {
		return nil
	}
	ch, err := telegram.New(telegram.Config{URL: p.URL, Token: p.Token.Reveal()})
	return m.add(inventory.Telegram, telegram.Provider, p.Rate, ch, err)
}

func slackOf(m made, cfg config.Config, _ *store.Store) error {
	p := cfg.Providers.Slack
	if p == nil {
		return nil
	}
	ch, err := slack.New(slack.Config{URL: p.URL, Token: p.Token.Reveal()})
	return m.add(inventory.Slack, slack.Provider, p.Rate, ch, err)
}

func mattermostOf(m made, cfg config.Config, _ *store.Store) error {
	p := cfg.Providers.Mattermost
	if p == nil {
		return nil
	}
	ch, err := mattermost.New(mattermost.Config{URL: p.URL, Token: p.Token.Reveal(), ActionSecret: p.ActionSecret.Reveal(), PublicURL: cfg.PublicURL})
	return m.add(inventory.Mattermost, mattermost.Provider, p.Rate, ch, err)
}

func shoutrrrOf(m made, cfg config.Config, _ *store.Store) error {
	p := cfg.Providers.Shoutrrr
	if p == nil {
		return nil
	}
	shoutrrr.Bound(cfg.Notify.SendTimeout)
	ch, err := shoutrrr.New(p.RevealAll())
	return m.add(inventory.Sink, shoutrrr.Provider, p.Rate, ch, err)
}

func describedOf(m made, cfg config.Config, _ *store.Store) error {
	for _, p := range cfg.Providers.HTTP {
		ch, err := described.New(described.Config{Name: p.Name, File: p.Template, From: p.From, Secrets: p.RevealAll(), PublicURL: cfg.PublicURL})
		if err := m.add(p.Channel, p.Name, p.Rate, ch, err); err != nil {
			return err
		}
	}
	return nil
}

// Rates are what the configuration allows each provider of a channel.
func Rates(c config.Notify) map[inventory.Channel]notify.Rate {
	out := map[inventory.Channel]notify.Rate{}
	for ch, perSecond := range c.Rates {
		out[ch] = notify.Rate{PerSecond: perSecond}
	}
	return out
}

// Breaker says when a provider is left alone.
func Breaker(b config.Breaker) notify.Breaker {
	return notify.Breaker{Failures: b.Failures, Pause: b.Pause, MaxPause: b.MaxPause, Storm: b.Storm}
}
