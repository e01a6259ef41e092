package config

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// redacted is all that a Secret shows of itself.
const redacted = "[secret]"

// Secret is a value that the configuration holds by reference only: env:NAME
// or file:PATH. However it is printed, it reads "[secret]"; Reveal is the one
// way to its value.
type Secret struct {
	ref   string
	value string
}

// NewSecret makes a secret of a value that is already at hand: a test, or a
// process that made up its own keys.
func NewSecret(value string) Secret { return Secret{ref: "value", value: value} }

// Reveal returns the value; it is empty until the secret is resolved.
func (s Secret) Reveal() string { return s.value }

// Set reports whether the configuration names the secret at all.
func (s Secret) Set() bool { return s.ref != "" }

// String hides the value.
func (s Secret) String() string {
	if !s.Set() {
		return ""
	}
	return redacted
}

// GoString hides the value from %#v.
func (s Secret) GoString() string { return "config.Secret{" + s.String() + "}" }

// MarshalText hides the value from JSON, YAML and zerolog's Interface.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalYAML takes the reference; whether it is one is said by validation,
// which knows the key's name.
func (s *Secret) UnmarshalYAML(decode func(any) error) error {
	var ref string
	if err := decode(&ref); err != nil {
		// The library's error may quote the text, which may be a secret.
		return errors.New("a reference is expected here, env:NAME or file:PATH")
	}
	s.ref = ref
	return nil
}

// check refuses anything that is not a reference, without repeating it.
func (s *Secret) check(key string) error {
	if !s.Set() {
		return nil
	}
	kind, rest, found := strings.Cut(s.ref, ":")
	if !found || (kind != "env" && kind != "file") {
		return fmt.Errorf("%s: holds a literal value; write env:NAME or file:PATH and keep the secret there", key)
	}
	if rest == "" {
		return fmt.Errorf("%s: %s: names nothing; write env:NAME or file:PATH", key, kind)
	}
	return nil
}

// resolve reads the value. A file's trailing newline is not part of it.
func (s *Secret) resolve(key, dir string) error {
	if !s.Set() || s.value != "" {
		return nil
	}
	kind, rest, _ := strings.Cut(s.ref, ":")
	switch kind {
	case "env":
		s.value = os.Getenv(rest)
		if s.value == "" {
			return fmt.Errorf("%s: environment variable %s is not set", key, rest)
		}
	case "file":
		text, err := os.ReadFile(absolute(dir, rest))
		if err != nil {
			return fmt.Errorf("%s: %w", key, err)
		}
		s.value = strings.TrimRight(string(text), "\r\n")
		if s.value == "" {
			return fmt.Errorf("%s: file %s is empty", key, rest)
		}
	}
	return nil
}

// absolute reads a path relative to the folder of the configuration file.
func absolute(dir, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(dir, path)
}
