package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// Notify says how fast messages may leave and how the ledger leases them.
type Notify struct {
	// Rates are messages per second of a provider's account, per channel, where
	// the account has no rate of its own.
	Rates map[inventory.Channel]float64 `yaml:"rates"`
	// Order names the providers that a channel uses, the preferred one first;
	// the others are what its messages fall back on.
	Order map[inventory.Channel][]string `yaml:"order"`
	// Ladders are orders of channels for some kinds of message, in place of the
	// contacts' own; the first that fits counts.
	Ladders []ledger.Ladder `yaml:"ladders"`
	// Breaker says when a provider is taken for down.
	Breaker Breaker `yaml:"breaker"`
	// LeaseSeconds is how long a sender may take for what it claimed.
	LeaseSeconds int `yaml:"leaseSeconds"`
	// SendTimeout is how long one request to a provider may take.
	SendTimeout time.Duration `yaml:"sendTimeout"`
	// SettleAfter is how long a callback may settle an unknown before the
	// provider is asked.
	SettleAfter time.Duration `yaml:"settleAfter"`
	// ReceiptsWithin is how long an unknown that only informs waits for its
	// callback where the provider can't be asked, before it is given up.
	ReceiptsWithin time.Duration `yaml:"receiptsWithin"`
}

// Breaker says when a provider is taken for down and how often it is tried then.
type Breaker struct {
	Failures int           `yaml:"failures"` // in a row
	Pause    time.Duration `yaml:"pause"`    // before one message is tried
	MaxPause time.Duration `yaml:"maxPause"` // each trial in vain doubles the pause up to this
	Storm    time.Duration `yaml:"storm"`    // of nothing but rate limits
}

// ValidateAndSetDefaults fills what is left out.
func (b *Breaker) ValidateAndSetDefaults() error {
	setDefault(&b.Failures, 5)
	setDefault(&b.Pause, 5*time.Second)
	setDefault(&b.MaxPause, max(time.Minute, b.Pause))
	setDefault(&b.Storm, time.Minute)
	return errors.Join(
		within("notify.breaker.failures", b.Failures, 1, 1000),
		within("notify.breaker.pause", b.Pause, 100*time.Millisecond, time.Hour),
		within("notify.breaker.maxPause", b.MaxPause, b.Pause, 24*time.Hour),
		within("notify.breaker.storm", b.Storm, time.Second, time.Hour),
	)
}

// Lease is LeaseSeconds as a duration.
func (n *Notify) Lease() time.Duration { return time.Duration(n.LeaseSeconds) * time.Second }

// defaultRates are the providers' published defaults (FIELD-NOTES §1–3).
var defaultRates = map[inventory.Channel]float64{
	inventory.Email: 100, inventory.Telegram: 30, inventory.SMS: 1, inventory.Call: 1,
	inventory.WhatsApp: 10, inventory.Slack: 1, inventory.Mattermost: 10, inventory.Sink: 1,
}

// ValidateAndSetDefaults fills the rates of the channels that are not named.
func (n *Notify) ValidateAndSetDefaults() error {
	rates := maps.Clone(defaultRates)
	for _, channel := range sortedKeys(n.Rates) {
		if _, known := defaultRates[channel]; !known {
			return fmt.Errorf("notify.rates.%s: no such channel; there are %s", channel, listed(sortedKeys(defaultRates)))
		}
		if n.Rates[channel] <= 0 {
			return fmt.Errorf("notify.rates.%s: must be more than 0 messages per second", channel)
		}
		rates[channel] = n.Rates[channel]
	}
	n.Rates = rates
	setDefault(&n.LeaseSeconds, 60)
	setDefault(&n.SettleAfter, 15*time.Second)
	setDefault(&n.ReceiptsWithin, max(time.Minute, n.SettleAfter))
	setDefault(&n.SendTimeout, 20*time.Second)
	for i, l := range n.Ladders {
		if err := checkLadder(fmt.Sprintf("notify.ladders[%d]", i), l); err != nil {
			return err
		}
	}
	return errors.Join(
		n.Breaker.ValidateAndSetDefaults(),
		within("notify.leaseSeconds", n.LeaseSeconds, 5, 3600),
		within("notify.sendTimeout", n.SendTimeout, 100*time.Millisecond, 5*time.Minute),
		within("notify.settleAfter", n.SettleAfter, 100*time.Millisecond, time.Hour),
		within("notify.receiptsWithin", n.ReceiptsWithin, n.SettleAfter, 24*time.Hour),
	)
}

// checkOrder holds the order of each channel against what is configured.
func (n *Notify) checkOrder(p *Providers) error {
	for _, channel := range sortedKeys(n.Order) {
		key := "notify.order." + string(channel)
		if _, known := defaultRates[channel]; !known {
			return fmt.Errorf("%s: no such channel; there are %s", key, listed(sortedKeys(defaultRates)))
		}
		there := p.Of(channel)
		if len(n.Order[channel]) == 0 {
			return fmt.Errorf("%s: empty; name a provider, or leave the channel out", key)
		}
		for i, name := range n.Order[channel] {
			if !slices.Contains(there, name) {
				return fmt.Errorf("%s[%d]: %s is not configured for this channel; there are: %s", key, i, name, listed(there))
			}
			if slices.Contains(n.Order[channel][:i], name) {
				return fmt.Errorf("%s[%d]: %s is listed twice; remove one", key, i, name)
			}
		}
	}
	return nil
}

// ProvidersOf are the names of the providers of a channel, the preferred one first.
func (c *Config) ProvidersOf(channel inventory.Channel) []string {
	if order := c.Notify.Order[channel]; len(order) > 0 {
		return order
	}
	return c.Providers.Of(channel)
}

// listed writes names for a remedy.
func listed[T ~string](names []T) string {
	if len(names) == 0 {
		return "none"
	}
	out := make([]string, len(names))
	for i, name := range names {
		out[i] = string(name)
	}
	return strings.Join(out, ", ")
}
