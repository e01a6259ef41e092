package estate

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	"vakhta/internal/inventory"
)

// Scenarios are the faults that the demonstration knows by name.
var Scenarios = []string{"server", "pdu", "switch", "room", "uplink"}

// Scenario names the component that the named scenario breaks.
func Scenario(name string) (string, error) {
	switch name {
	case "server":
		return "m2-0401", nil // romashka's, at the bottom of the designated rack for every seed
	case "pdu":
		return pduRack + "-pdu-a", nil
	case "switch":
		return "msk-r1-k02-sw", nil
	case "room":
		return "msk-r3", nil
	case "uplink":
		return "spb-uplink-1", nil
	}
	return "", fmt.Errorf("scenario %q is unknown: use one of %v", name, Scenarios)
}

// portStep and portTries say where Open looks for free ports.
const (
	portStep  = 500
	portTries = 20
)

// Components returns the estate as components, as the inventory's loader
// derives them from Generate's document, less what it derives.
func Components(o Options) []inventory.Component { return makePlan(o.withDefaults()).components }

// openComponents starts the estate on the first base port that is free; the
// port that it took is in Lab.Options.
func openComponents(ctx context.Context, o Options) (*Lab, error) {
	o = o.withDefaults()
	var err error
	for range portTries {
		var l *Lab
		if l, err = StartComponents(ctx, Components(o), o); err == nil {
			return l, nil
		}
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
		o.BasePort += portStep
	}
	return nil, fmt.Errorf("find free ports for the estate: %d bases tried, the last %d: %w", portTries, o.BasePort-portStep, err)
}

// Options returns the options in force, defaults and the chosen BasePort included.
func (l *Lab) Options() Options { return l.opts }
