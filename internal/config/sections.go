package config

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"
)

// Probe limits what a sweep may do.
type Probe struct {
	Timeout     time.Duration `yaml:"timeout"`     // budget of one probe
	Attempts    int           `yaml:"attempts"`    // inside that budget
	Rate        int           `yaml:"rate"`        // packets or connections per second of one vantage
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
	// Keep is how long the observations of sweeps that led to no incident are kept.
	Keep time.Duration `yaml:"keep"`
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
	setDefault(&p.Keep, 7*24*time.Hour)
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
		within("probe.keep", p.Keep, time.Hour, 10*365*24*time.Hour),
	)
}

// Alerts says how critical alerts are raised, before their cause is known.
type Alerts struct {
	// Together is how long a critical alert joins the page of another that could
	// have the same cause (a rack, a switch, a room above both), until that cause
	// is found; 0s: each machine pages by itself. Left out: 30s.
	Together *time.Duration `yaml:"together"`
}

// ValidateAndSetDefaults fills the time.
func (a *Alerts) ValidateAndSetDefaults() error {
	if a.Together == nil {
		usual := 30 * time.Second
		a.Together = &usual
	}
	return within("alerts.together", *a.Together, 0, 10*time.Minute)
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
