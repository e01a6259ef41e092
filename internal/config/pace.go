package config

import "vakhta/internal/inventory"

// paced is an account that may have a rate of its own; 0 is none.
type paced interface {
	rate(channel inventory.Channel) float64
}

func (s *SendGrid) rate(inventory.Channel) float64   { return s.Rate }
func (t *Telegram) rate(inventory.Channel) float64   { return t.Rate }
func (s *Slack) rate(inventory.Channel) float64      { return s.Rate }
func (m *Mattermost) rate(inventory.Channel) float64 { return m.Rate }
func (s *Shoutrrr) rate(inventory.Channel) float64   { return s.Rate }
func (t *Twilio) rate(ch inventory.Channel) float64  { return t.Rates[ch] }

// Pace is how many messages per second a channel carries: the rate of its
// first provider. A broadcast's duration is planned by it.
func (c *Config) Pace(channel inventory.Channel) float64 {
	names := c.ProvidersOf(channel)
	for _, a := range c.Providers.accounts() {
		if own, ok := a.section.(paced); ok && len(names) > 0 && a.name == names[0] && own.rate(channel) > 0 {
			return own.rate(channel)
		}
	}
	return c.Notify.Rates[channel]
}

// Paces are the paces of all channels that have a provider.
func (c *Config) Paces() map[inventory.Channel]float64 {
	out := map[inventory.Channel]float64{}
	for _, a := range c.Providers.accounts() {
		for _, ch := range a.channels {
			out[ch] = c.Pace(ch)
		}
	}
	return out
}
