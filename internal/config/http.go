package config

import (
	"errors"
	"fmt"
	"regexp"

	"vakhta/internal/inventory"
)

// HTTP is an account at a gateway that a file describes (package described).
type HTTP struct {
	Name     string            `yaml:"name"` // of the provider, in notify.order and in metrics
	Channel  inventory.Channel `yaml:"channel"`
	Template string            `yaml:"template"` // path of the description
	From     string            `yaml:"from"`     // sender's name or number, for the description's use
	// Secrets are what the description refers to by name.
	Secrets map[string]*Secret `yaml:"secrets"`
	// Rate is what the account allows, in messages per second; default: notify.rates.
	Rate float64 `yaml:"rate"`
}

var namePattern = regexp.MustCompile(`^[a-z][a-z0-9-]{0,30}$`)

// ValidateAndSetDefaults checks the account; what the file says is checked by
// who reads it.
func (h *HTTP) ValidateAndSetDefaults() error {
	if _, known := defaultRates[h.Channel]; !known {
		return fmt.Errorf("channel: missing or no channel; there are %s", listed(sortedKeys(defaultRates)))
	}
	if h.Template == "" {
		return errors.New("template: missing; name the file that describes the provider")
	}
	for name, s := range h.Secrets {
		if s == nil || !s.Set() {
			return fmt.Errorf("secrets.%s: empty; write env:NAME or file:PATH", name)
		}
	}
	return checkRate(h.Rate)
}

// RevealAll are the values of the account's secrets, by name.
func (h *HTTP) RevealAll() map[string]string {
	out := make(map[string]string, len(h.Secrets))
	for name, s := range h.Secrets {
		out[name] = s.Reveal()
	}
	return out
}
