package config

import (
	"errors"
	"fmt"
)

// Slack is the bot of a team's workspace.
type Slack struct {
	URL           string `yaml:"url"` // default: the public API
	Token         Secret `yaml:"token"`
	SigningSecret Secret `yaml:"signingSecret"` // of the app; proves who pressed a button
	// Rate is what the bot may send, in messages per second; default: notify.rates.
	Rate float64 `yaml:"rate"`
}

// ValidateAndSetDefaults checks the bot.
func (s *Slack) ValidateAndSetDefaults() error {
	switch {
	case !s.Token.Set():
		return errors.New("token: missing; write env:NAME or file:PATH")
	case !s.SigningSecret.Set():
		return errors.New("signingSecret: missing; write env:NAME or file:PATH")
	case s.Rate < 0:
		return checkRate(s.Rate)
	}
	return urlOr("https://slack.com", &s.URL)
}

// Mattermost is the bot of a team's server.
type Mattermost struct {
	URL          string `yaml:"url"` // of the server
	Token        Secret `yaml:"token"`
	ActionSecret Secret `yaml:"actionSecret"` // ours; proves that a button is
	// CommandToken is what the server gave to the slash command; without it none is taken.
	CommandToken Secret `yaml:"commandToken"`
	// Rate is what the bot may send, in messages per second; default: notify.rates.
	Rate float64 `yaml:"rate"`
}

// ValidateAndSetDefaults checks the bot.
func (m *Mattermost) ValidateAndSetDefaults() error {
	switch {
	case m.URL == "":
		return errors.New("url: missing; write the server's https://…")
	case !m.Token.Set():
		return errors.New("token: missing; write env:NAME or file:PATH")
	case !m.ActionSecret.Set():
		return errors.New("actionSecret: missing; write env:NAME or file:PATH")
	case m.Rate < 0:
		return checkRate(m.Rate)
	}
	return urlOr("", &m.URL)
}

// Shoutrrr passes messages on to services by the library of that name, which
// tells nothing of what becomes of them.
type Shoutrrr struct {
	// URLs are the library's, secrets all of them, by the names of the sinks.
	URLs map[string]*Secret `yaml:"urls"`
	// Rate is in messages per second, over all sinks; default: notify.rates.
	Rate float64 `yaml:"rate"`
}

// ValidateAndSetDefaults checks the sinks.
func (s *Shoutrrr) ValidateAndSetDefaults() error {
	if len(s.URLs) == 0 {
		return errors.New("urls: missing; name at least one sink")
	}
	for _, name := range sortedKeys(s.URLs) {
		if u := s.URLs[name]; !namePattern.MatchString(name) || u == nil || !u.Set() {
			return fmt.Errorf("urls.%s: name it by lower-case letters, digits and dashes, and write env:NAME or file:PATH", name)
		}
	}
	return checkRate(s.Rate)
}

// RevealAll are the sinks' URLs by name.
func (s *Shoutrrr) RevealAll() map[string]string {
	out := make(map[string]string, len(s.URLs))
	for name, u := range s.URLs {
		out[name] = u.Reveal()
	}
	return out
}
