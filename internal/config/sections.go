package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vakhta/internal/inventory"
)

// Providers are the accounts that messages leave by. A provider that is not
// configured is nil, and its channels are not used.
type Providers struct {
	SendGrid *SendGrid `yaml:"sendgrid"`
	Twilio   *Twilio   `yaml:"twilio"`
	Telegram *Telegram `yaml:"telegram"`
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
}

// Twilio is the account for SMS and calls.
type Twilio struct {
	URL        string `yaml:"url"` // default: the global API
	AccountSID string `yaml:"accountSid"`
	AuthToken  Secret `yaml:"authToken"`
	From       string `yaml:"from"`     // SMS sender
	CallFrom   string `yaml:"callFrom"` // caller's number; default: from
}

// Telegram is the bot.
type Telegram struct {
	URL           string `yaml:"url"` // default: the public API
	Token         Secret `yaml:"token"`
	WebhookSecret Secret `yaml:"webhookSecret"`
}

// ValidateAndSetDefaults checks the accounts that are configured.
func (p *Providers) ValidateAndSetDefaults() error {
	if p.SendGrid != nil {
		if err := p.SendGrid.ValidateAndSetDefaults(); err != nil {
			return fmt.Errorf("providers.sendgrid.%w", err)
		}
	}
	if p.Twilio != nil {
		if err := p.Twilio.ValidateAndSetDefaults(); err != nil {
			return fmt.Errorf("providers.twilio.%w", err)
		}
	}
	if p.Telegram != nil {
		if err := p.Telegram.ValidateAndSetDefaults(); err != nil {
			return fmt.Errorf("providers.telegram.%w", err)
		}
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
	return urlOr("https://api.twilio.com", &t.URL)
}

// ValidateAndSetDefaults checks the bot.
func (t *Telegram) ValidateAndSetDefaults() error {
	switch {
	case !t.Token.Set():
		return errors.New("token: missing; write env:NAME or file:PATH")
	case !t.WebhookSecret.Set():
		return errors.New("webhookSecret: missing; write env:NAME or file:PATH")
	}
	return urlOr("https://api.telegram.org", &t.URL)
}

// Probe limits what a sweep may do.
type Probe struct {
	Timeout     time.Duration `yaml:"timeout"`     // budget of one probe
	Attempts    int           `yaml:"attempts"`    // inside that budget
	Rate        int           `yaml:"rate"`        // packets or connections per second of one worker
	Concurrency int           `yaml:"concurrency"` // connections open at once
	PerTarget   int           `yaml:"perTarget"`   // probes within a second to one address
	PerNetwork  int           `yaml:"perNetwork"`  // probes within a second to one /24 or /64
	// GapFloor and GapCeiling bound the time between two attempts at a host whose
	// usual round trip is known.
	GapFloor       time.Duration `yaml:"gapFloor"`
	GapCeiling     time.Duration `yaml:"gapCeiling"`
	ServiceTimeout time.Duration `yaml:"serviceTimeout"` // budget of one TLS, HTTP, DNS or SSH check
	BMCTimeout     time.Duration `yaml:"bmcTimeout"`     // budget of one conversation with a BMC or a hypervisor
	SNMPTimeout    time.Duration `yaml:"snmpTimeout"`    // budget of one conversation with a switch or a PDU
}

// ValidateAndSetDefaults fills the limits.
func (p *Probe) ValidateAndSetDefaults() error {
	setDefault(&p.Timeout, 300*time.Millisecond)
	setDefault(&p.Attempts, 3)
	setDefault(&p.Rate, 100_000)
	setDefault(&p.Concurrency, 256)
	setDefault(&p.PerTarget, 40)
	setDefault(&p.PerNetwork, 4000)
	setDefault(&p.GapFloor, 20*time.Millisecond)
	setDefault(&p.GapCeiling, 250*time.Millisecond)
	setDefault(&p.ServiceTimeout, 2*time.Second)
	setDefault(&p.BMCTimeout, 2*time.Second)
	setDefault(&p.SNMPTimeout, 2*time.Second)
	return errors.Join(
		within("probe.timeout", p.Timeout, 10*time.Millisecond, 30*time.Second),
		within("probe.attempts", p.Attempts, 1, 10),
		within("probe.rate", p.Rate, 1, 1_000_000),
		within("probe.concurrency", p.Concurrency, 1, 10_000),
		within("probe.perTarget", p.PerTarget, 2*p.Attempts, 10_000),
		within("probe.perNetwork", p.PerNetwork, 2*p.Attempts, 1_000_000),
		within("probe.gapFloor", p.GapFloor, time.Millisecond, 10*time.Second),
		within("probe.gapCeiling", p.GapCeiling, p.GapFloor, 10*time.Second),
		within("probe.serviceTimeout", p.ServiceTimeout, 100*time.Millisecond, 30*time.Second),
		within("probe.bmcTimeout", p.BMCTimeout, 100*time.Millisecond, time.Minute),
		within("probe.snmpTimeout", p.SNMPTimeout, 100*time.Millisecond, time.Minute),
	)
}

// Notify says how fast messages may leave and how the ledger leases them.
type Notify struct {
	// Rates are messages per second of the provider's account, per channel.
	Rates map[inventory.Channel]float64 `yaml:"rates"`
	// LeaseSeconds is how long a sender may take for what it claimed.
	LeaseSeconds int `yaml:"leaseSeconds"`
	// SendTimeout is how long one request to a provider may take.
	SendTimeout time.Duration `yaml:"sendTimeout"`
	// SettleAfter is how long a callback may settle an unknown before the
	// provider is asked.
	SettleAfter time.Duration `yaml:"settleAfter"`
}

// Lease is LeaseSeconds as a duration.
func (n *Notify) Lease() time.Duration { return time.Duration(n.LeaseSeconds) * time.Second }

// defaultRates are the providers' published defaults (FIELD-NOTES §1–3).
var defaultRates = map[inventory.Channel]float64{
	inventory.Email: 100, inventory.Telegram: 30, inventory.SMS: 1, inventory.Call: 1,
}

// ValidateAndSetDefaults fills the rates of the channels that are not named.
func (n *Notify) ValidateAndSetDefaults() error {
	rates := maps.Clone(defaultRates)
	for _, channel := range sortedKeys(n.Rates) {
		if _, known := defaultRates[channel]; !known {
			return fmt.Errorf("notify.rates.%s: no such channel; there are email, telegram, sms, call", channel)
		}
		if n.Rates[channel] <= 0 {
			return fmt.Errorf("notify.rates.%s: must be more than 0 messages per second", channel)
		}
		rates[channel] = n.Rates[channel]
	}
	n.Rates = rates
	setDefault(&n.LeaseSeconds, 60)
	setDefault(&n.SettleAfter, 15*time.Second)
	setDefault(&n.SendTimeout, 20*time.Second)
	return errors.Join(
		within("notify.leaseSeconds", n.LeaseSeconds, 5, 3600),
		within("notify.sendTimeout", n.SendTimeout, 100*time.Millisecond, 5*time.Minute),
		within("notify.settleAfter", n.SettleAfter, 100*time.Millisecond, time.Hour),
	)
}

// Runbooks says which runbooks serve, and their inputs.
type Runbooks struct {
	// Dir is a folder of *.yaml; empty: those that come with Vakhta.
	Dir string `yaml:"dir"`
	// Inputs replace the runbooks' default inputs of the same name, for
	// example {updateEvery: 5m}.
	Inputs map[string]any `yaml:"inputs"`
}

// Temporal says where Temporal is, unless the environment (TEMPORAL_ADDRESS
// and its sisters) says otherwise.
type Temporal struct {
	Address   string `yaml:"address"`
	Namespace string `yaml:"namespace"`
	Profile   string `yaml:"profile"` // of Temporal's own configuration file
}

// ValidateAndSetDefaults has nothing to fill: the SDK's defaults hold.
func (t *Temporal) ValidateAndSetDefaults() error {
	if t.Address != "" && t.Profile != "" {
		return errors.New("temporal: address and profile exclude each other; keep one")
	}
	return nil
}

func urlOr(fallback string, value *string) error {
	if *value == "" {
		*value = fallback
	}
	return validateURL("url", value)
}

func setDefault[T comparable](value *T, fallback T) {
	var zero T
	if *value == zero {
		*value = fallback
	}
}

func within[T time.Duration | int](key string, value, low, high T) error {
	if value < low || value > high {
		return fmt.Errorf("%s: %v is out of range; write %v to %v", key, value, low, high)
	}
	return nil
}

func sortedKeys[K ~string, V any](m map[K]V) []K { return slices.Sorted(maps.Keys(m)) }
