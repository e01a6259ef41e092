package config

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"vakhta/internal/inventory"
)

// Providers are the accounts that messages leave by. A provider that is not
// configured is nil, and its channels are not used.
type Providers struct {
	SendGrid *SendGrid `yaml:"sendgrid"`
	SMTP     *SMTP     `yaml:"smtp"`
	Twilio   *Twilio   `yaml:"twilio"`
	Telegram *Telegram `yaml:"telegram"`
	// Slack and Mattermost are for teams.
	Slack      *Slack      `yaml:"slack"`
	Mattermost *Mattermost `yaml:"mattermost"`
	// Shoutrrr are sinks for the rest.
	Shoutrrr *Shoutrrr `yaml:"shoutrrr"`
	// HTTP are gateways that a file describes.
	HTTP []*HTTP `yaml:"http"`
	// Accounts are further accounts at the providers above.
	Accounts []*Account `yaml:"accounts"`
}

// SendGrid is the account for email.
type SendGrid struct {
	URL      string `yaml:"url"` // default: the global API
	Key      Secret `yaml:"key"`
	From     string `yaml:"from"`     // the sender's address
	FromName string `yaml:"fromName"` // the sender's name
	// WebhookPublicKey verifies event webhooks: base64 of the PKIX public key,
	// as SendGrid's settings page shows it. Without it events are refused.
	WebhookPublicKey string `yaml:"webhookPublicKey"`
	// Rate is what the account allows, in mails per second; default: notify.rates.
	Rate float64 `yaml:"rate"`
}

// Twilio is the account for SMS, calls and WhatsApp.
type Twilio struct {
	URL        string `yaml:"url"` // default: the global API
	AccountSID string `yaml:"accountSid"`
	AuthToken  Secret `yaml:"authToken"`
	From       string `yaml:"from"`     // SMS sender
	CallFrom   string `yaml:"callFrom"` // caller's number; default: from
	// WhatsApp is the account's sender there; nil: it has none.
	WhatsApp *WhatsApp `yaml:"whatsapp"`
	// Rates are what the account allows on each of its channels, per second;
	// default: notify.rates.
	Rates map[inventory.Channel]float64 `yaml:"rates"`
}

// WhatsApp is a sender of WhatsApp messages at Twilio.
type WhatsApp struct {
	From string `yaml:"from"` // its number
	// Templates are the SIDs of the approved content templates by language;
	// deploy/whatsapp holds their texts.
	Templates map[inventory.Language]WhatsAppTemplates `yaml:"templates"`
}

// WhatsAppTemplates are those of one language; tell stands in for the others.
type WhatsAppTemplates struct {
	Tell     string `yaml:"tell"`
	Confirm  string `yaml:"confirm"`
	Page     string `yaml:"page"`
	Question string `yaml:"question"`
}

var contentSID = regexp.MustCompile(`^HX[0-9a-fA-F]{32}$`)

// ValidateAndSetDefaults checks the sender: whoever has not written to us for a
// day can be told by a template only, in each language.
func (w *WhatsApp) ValidateAndSetDefaults() error {
	if w.From == "" {
		return errors.New("from: missing; write the number that WhatsApp messages leave from")
	}
	for lang := range w.Templates {
		if lang != inventory.Russian && lang != inventory.English {
			return fmt.Errorf("templates.%s: no such language; there are en, ru", lang)
		}
	}
	for _, lang := range []inventory.Language{inventory.English, inventory.Russian} {
		t := w.Templates[lang]
		if t.Tell == "" {
			return fmt.Errorf("templates.%s.tell: missing; write the SID of the approved template", lang)
		}
		for name, sid := range map[string]string{"tell": t.Tell, "confirm": t.Confirm, "page": t.Page, "question": t.Question} {
			if sid != "" && !contentSID.MatchString(sid) {
				return fmt.Errorf("templates.%s.%s: not the SID of a content template; it is HX and 32 hexadecimal digits", lang, name)
			}
		}
	}
	return nil
}

// Telegram is the bot.
type Telegram struct {
	URL           string `yaml:"url"` // default: the public API
	Token         Secret `yaml:"token"`
	WebhookSecret Secret `yaml:"webhookSecret"`
	// Rate is what the bot may send, in messages per second; default: notify.rates.
	Rate float64 `yaml:"rate"`
}

// account is one configured provider.
type account struct {
	key      string // below providers
	name     string
	section  section
	channels []inventory.Channel
	secrets  map[string]*Secret // by their key within the account
}

type section interface{ ValidateAndSetDefaults() error }

// accounts are those that are configured, in the order in which a channel
// prefers them unless notify.order says otherwise.
func (p *Providers) accounts() []account {
	var out []account
	if s := p.SendGrid; s != nil {
		out = append(out, account{"sendgrid", "sendgrid", s, []inventory.Channel{inventory.Email}, map[string]*Secret{"key": &s.Key}})
	}
	if s := p.SMTP; s != nil {
		out = append(out, account{"smtp", "smtp", s, []inventory.Channel{inventory.Email}, map[string]*Secret{"password": &s.Password}})
	}
	if s := p.Twilio; s != nil {
		out = append(out, account{"twilio", "twilio", s, s.channels(), map[string]*Secret{"authToken": &s.AuthToken}})
	}
	if s := p.Telegram; s != nil {
		out = append(out, account{
			"telegram", "telegram", s,
			[]inventory.Channel{inventory.Telegram},
			map[string]*Secret{"token": &s.Token, "webhookSecret": &s.WebhookSecret},
		})
	}
	if s := p.Slack; s != nil {
		out = append(out, account{"slack", "slack", s, []inventory.Channel{inventory.Slack}, map[string]*Secret{"token": &s.Token, "signingSecret": &s.SigningSecret}})
	}
	if s := p.Mattermost; s != nil {
		out = append(out, account{
			"mattermost", "mattermost", s,
			[]inventory.Channel{inventory.Mattermost},
			map[string]*Secret{"token": &s.Token, "actionSecret": &s.ActionSecret, "commandToken": &s.CommandToken},
		})
	}
	if s := p.Shoutrrr; s != nil {
		out = append(out, account{"shoutrrr", "shoutrrr", s, []inventory.Channel{inventory.Sink}, prefixed("urls.", s.URLs)})
	}
	for _, more := range p.Accounts {
		if more != nil { // said by validateNames
			out = append(out, more.accounts()...)
		}
	}
	for _, h := range p.HTTP {
		if h != nil { // said by validateNames
			out = append(out, account{"http." + h.Name, h.Name, h, []inventory.Channel{h.Channel}, prefixed("secrets.", h.Secrets)})
		}
	}
	return out
}

func prefixed(prefix string, secrets map[string]*Secret) map[string]*Secret {
	out := make(map[string]*Secret, len(secrets))
	for name, s := range secrets {
		if s != nil { // said by the account's validation
			out[prefix+name] = s
		}
	}
	return out
}

// Of are the names of the configured providers that serve a channel.
func (p *Providers) Of(channel inventory.Channel) []string {
	var out []string
	for _, a := range p.accounts() {
		if slices.Contains(a.channels, channel) {
			out = append(out, a.name)
		}
	}
	return out
}

// ValidateAndSetDefaults checks the accounts that are configured.
func (p *Providers) ValidateAndSetDefaults() error {
	if err := p.validateNames(); err != nil {
		return err
	}
	for _, a := range p.accounts() {
		if err := a.section.ValidateAndSetDefaults(); err != nil {
			return fmt.Errorf("providers.%s.%w", a.key, err)
		}
	}
	return nil
}

// checkRate refuses a rate by which nothing would leave; 0 is left out.
func checkRate(perSecond float64) error {
	if perSecond < 0 {
		return errors.New("rate: must be more than 0 messages per second")
	}
	return nil
}

// ValidateAndSetDefaults checks the account.
func (s *SendGrid) ValidateAndSetDefaults() error {
	switch {
	case !s.Key.Set():
		return errors.New("key: missing; write env:NAME or file:PATH")
	case !strings.Contains(s.From, "@"):
		return errors.New("from: missing or not a mail address")
	}
	if s.FromName == "" {
		s.FromName = "Vakhta"
	}
	if err := checkRate(s.Rate); err != nil {
		return err
	}
	return urlOr("https://api.sendgrid.com", &s.URL)
}

// ValidateAndSetDefaults checks the account.
func (t *Twilio) ValidateAndSetDefaults() error {
	switch {
	case t.AccountSID == "":
		return errors.New("accountSid: missing")
	case !t.AuthToken.Set():
		return errors.New("authToken: missing; write env:NAME or file:PATH")
	case t.From == "":
		return errors.New("from: missing; write the number that SMS leave from")
	}
	if t.CallFrom == "" {
		t.CallFrom = t.From
	}
	if t.WhatsApp != nil {
		if err := t.WhatsApp.ValidateAndSetDefaults(); err != nil {
			return fmt.Errorf("whatsapp.%w", err)
		}
	}
	for _, channel := range sortedKeys(t.Rates) {
		if !slices.Contains(t.channels(), channel) {
			return fmt.Errorf("rates.%s: Twilio doesn't serve this channel here; there are %s", channel, listed(t.channels()))
		}
		if t.Rates[channel] <= 0 {
			return fmt.Errorf("rates.%s: must be more than 0 messages per second", channel)
		}
	}
	return urlOr("https://api.twilio.com", &t.URL)
}

// channels are what the account serves.
func (t *Twilio) channels() []inventory.Channel {
	if t.WhatsApp == nil {
		return []inventory.Channel{inventory.SMS, inventory.Call}
	}
	return []inventory.Channel{inventory.SMS, inventory.WhatsApp, inventory.Call}
}

// ValidateAndSetDefaults checks the bot.
func (t *Telegram) ValidateAndSetDefaults() error {
	switch {
	case !t.Token.Set():
		return errors.New("token: missing; write env:NAME or file:PATH")
	case !t.WebhookSecret.Set():
		return errors.New("webhookSecret: missing; write env:NAME or file:PATH")
	case t.Rate < 0:
		return checkRate(t.Rate)
	}
	return urlOr("https://api.telegram.org", &t.URL)
}

// Organizer is the mail address that calendars name: the sender's; empty without one.
func (c Config) Organizer() string {
	switch p := c.Providers; {
	case p.SendGrid != nil:
		return p.SendGrid.From
	case p.SMTP != nil:
		return p.SMTP.From
	}
	return ""
}
