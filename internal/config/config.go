// Package config reads the one YAML file that the gateway and the workers
// share. It is strict: an unknown key is an error that names the file and the
// line, a secret stands in it by reference only, and every setting that may be
// left out has a default that works.
//
//	store: sqlite:vakhta.db
//	inventory: [estate.yaml]
//	publicUrl: https://vakhta.example.net
//	linkSecret: file:link.key
//	intakeToken: env:VAKHTA_INTAKE_TOKEN
//	providers:
//	  telegram: {token: env:TELEGRAM_TOKEN, webhookSecret: env:TELEGRAM_WEBHOOK_SECRET}
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"vakhta/internal/seal"
)

// Config is the whole file.
type Config struct {
	// Store says where facts are kept: sqlite:PATH, postgres://… without a
	// password, or a reference env:NAME or file:PATH to either. StoreDSN is the answer.
	Store string `yaml:"store"`
	// Inventory are the YAML documents that describe the estate.
	Inventory []string `yaml:"inventory"`
	// PublicURL is where clients and providers reach the gateway.
	PublicURL string `yaml:"publicUrl"`
	// Listen is the gateway's own address.
	Listen string `yaml:"listen"`
	// DataKeys encrypt the addresses that the store keeps: each the base64 of 32
	// bytes, the one to encrypt with first. None: they are kept in the clear.
	DataKeys []Secret `yaml:"dataKeys"`
	// LinkSecret is the key of the links in messages.
	LinkSecret Secret `yaml:"linkSecret"`
	// IntakeToken is the bearer token of the intake (reports and alerts).
	IntakeToken Secret `yaml:"intakeToken"`
	// PagesPeople opens the engineers' pages beyond this machine to those whom an
	// htpasswd file (bcrypt) names; PagesProxy to those whom a proxy has signed in;
	// PagesPassword to everybody who knows it, and it proves no name.
	PagesPeople   Secret      `yaml:"pagesPeople"`
	PagesProxy    *PagesProxy `yaml:"pagesProxy"`
	PagesPassword Secret      `yaml:"pagesPassword"`
	// StatusPage opens GET /status to everybody; without it there is none.
	StatusPage *StatusPage `yaml:"statusPage"`

	Providers Providers `yaml:"providers"`
	Probe     Probe     `yaml:"probe"`
	Notify    Notify    `yaml:"notify"`
	Hands     Hands     `yaml:"hands"`
	Alerts    Alerts    `yaml:"alerts"`
	Runbooks  Runbooks  `yaml:"runbooks"`
	Temporal  Temporal  `yaml:"temporal"`

	dir      string
	storeDSN Secret
	ring     *seal.Ring
}

// StoreDSN is the resolved address of the store; it may hold a password.
func (c *Config) StoreDSN() string { return c.storeDSN.Reveal() }

// Ring holds the data keys; nil where there are none.
func (c *Config) Ring() *seal.Ring { return c.ring }

// Load reads, validates and completes the file and resolves every secret. A
// process that serves or works calls it.
func Load(path string) (Config, error) {
	c, err := LoadWithoutSecrets(path)
	if err != nil {
		return Config{}, err
	}
	if err := c.resolveSecrets(); err != nil {
		return Config{}, fmt.Errorf("read configuration %s: %w", path, err)
	}
	return c, nil
}

// LoadWithoutSecrets is Load, but leaves all secrets unread except the store's
// address and its data keys: an engineer's command line needs no provider key.
func LoadWithoutSecrets(path string) (Config, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration: %w", err)
	}
	c, err := parse(path, text)
	if err != nil {
		return Config{}, fmt.Errorf("read configuration %w", err)
	}
	dir, err := filepath.Abs(filepath.Dir(path))
	if err != nil {
		return Config{}, fmt.Errorf("read configuration %s: %w", path, err)
	}
	c.dir = dir
	if err := c.ValidateAndSetDefaults(); err != nil {
		return Config{}, fmt.Errorf("read configuration %s: %w", path, err)
	}
	return c, nil
}

// parse decodes strictly; its errors begin with file:line:column.
func parse(path string, text []byte) (Config, error) {
	var c Config
	err := yaml.NewDecoder(bytes.NewReader(text), yaml.Strict()).Decode(&c)
	if err == nil || errors.Is(err, io.EOF) {
		return c, nil
	}
	var positioned yaml.Error
	if errors.As(err, &positioned) && positioned.GetToken() != nil {
		at := positioned.GetToken().Position
		return Config{}, fmt.Errorf("%s:%d:%d: %s", path, at.Line, at.Column, positioned.GetMessage())
	}
	return Config{}, fmt.Errorf("%s: %w", path, err)
}

// ValidateAndSetDefaults checks the whole configuration and fills what may be left out.
func (c *Config) ValidateAndSetDefaults() error {
	if err := c.validateStore(); err != nil {
		return err
	}
	if err := c.validateDataKeys(); err != nil {
		return err
	}
	if len(c.Inventory) == 0 {
		return errors.New("inventory: missing; name the YAML documents that describe the estate")
	}
	for i, path := range c.Inventory {
		if path == "" {
			return fmt.Errorf("inventory[%d]: empty; name a file", i)
		}
		c.Inventory[i] = absolute(c.dir, path)
	}
	if c.Runbooks.Dir != "" {
		c.Runbooks.Dir = absolute(c.dir, c.Runbooks.Dir)
	}
	for _, relay := range c.Providers.SMTPs() {
		if relay.CA != "" {
			relay.CA = absolute(c.dir, relay.CA)
		}
	}
	for _, h := range c.Providers.HTTP {
		if h != nil && h.Template != "" {
			h.Template = absolute(c.dir, h.Template)
		}
	}
	if c.Listen == "" {
		c.Listen = "127.0.0.1:8080"
	}
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		return fmt.Errorf("listen: %w; write host:port", err)
	}
	if c.PublicURL == "" {
		c.PublicURL = "http://" + c.Listen
	}
	if err := validateURL("publicUrl", &c.PublicURL); err != nil {
		return err
	}
	if err := c.validatePages(); err != nil {
		return err
	}
	for key, s := range c.secrets() {
		if err := s.check(key); err != nil {
			return err
		}
	}
	for _, part := range []interface{ ValidateAndSetDefaults() error }{
		&c.Providers, &c.Probe, &c.Notify, &c.Hands, &c.Alerts, &c.Temporal,
	} {
		if err := part.ValidateAndSetDefaults(); err != nil {
			return err
		}
	}
	return c.Notify.checkOrder(&c.Providers)
}

// validateStore turns Store into the address that package store opens.
func (c *Config) validateStore() error {
	const remedy = "write sqlite:PATH, postgres://user@host/database, env:NAME or file:PATH"
	if c.Store == "" {
		return errors.New("store: missing; " + remedy)
	}
	dsn := c.Store
	if kind, _, _ := strings.Cut(dsn, ":"); kind == "env" || kind == "file" {
		s := Secret{ref: dsn}
		if err := s.check("store"); err != nil {
			return err
		}
		if err := s.resolve("store", c.dir); err != nil {
			return err
		}
		dsn = s.Reveal()
	} else if u, err := url.Parse(dsn); err == nil && u.User != nil {
		if _, has := u.User.Password(); has {
			return errors.New("store: holds a literal password; keep the whole address in env:NAME or file:PATH")
		}
	}
	switch {
	case strings.HasPrefix(dsn, "sqlite:") && len(dsn) > len("sqlite:"):
		path := strings.TrimPrefix(dsn, "sqlite:")
		if !strings.HasPrefix(path, ":") && !strings.HasPrefix(path, "file:") {
			path = absolute(c.dir, path)
		}
		dsn = "sqlite:" + path
	case strings.HasPrefix(dsn, "postgres://"), strings.HasPrefix(dsn, "postgresql://"):
	default:
		return errors.New("store: not an address that we know; " + remedy)
	}
	c.storeDSN = NewSecret(dsn)
	return nil
}

// validateDataKeys reads the keys, which whoever opens the store needs.
func (c *Config) validateDataKeys() error {
	keys := make([]string, len(c.DataKeys))
	for i := range c.DataKeys {
		name := fmt.Sprintf("dataKeys[%d]", i)
		if !c.DataKeys[i].Set() {
			return fmt.Errorf("%s: empty; write env:NAME or file:PATH", name)
		}
		if err := c.DataKeys[i].check(name); err != nil {
			return err
		}
		if err := c.DataKeys[i].resolve(name, c.dir); err != nil {
			return err
		}
		keys[i] = c.DataKeys[i].Reveal()
	}
	var err error
	c.ring, err = seal.New(keys...)
	return err
}

// validateURL wants http(s)://host with nothing behind but a path, and drops
// the trailing slash.
func validateURL(key string, value *string) error {
	u, err := url.Parse(*value)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("%s: not a URL; write https://host or http://host:port", key)
	}
	if u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return fmt.Errorf("%s: must not have a user, query or fragment", key)
	}
	*value = strings.TrimRight(*value, "/")
	return nil
}

// secrets are all the references of the file, by key.
func (c *Config) secrets() map[string]*Secret {
	all := map[string]*Secret{"linkSecret": &c.LinkSecret, "intakeToken": &c.IntakeToken, "pagesPassword": &c.PagesPassword, "pagesPeople": &c.PagesPeople}
	for _, a := range c.Providers.accounts() {
		for key, secret := range a.secrets {
			all["providers."+a.key+"."+key] = secret
		}
	}
	return all
}

// resolveSecrets reads every reference; all that fail are named at once.
func (c *Config) resolveSecrets() error {
	var failed []error
	all := c.secrets()
	for _, key := range sortedKeys(all) {
		if err := all[key].resolve(key, c.dir); err != nil {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
