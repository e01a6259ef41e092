package estate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"

	"vakhta/internal/inventory"
)

// Scenarios are the faults that the demonstration knows by name.
var Scenarios = []string{"server", "pdu", "switch", "room", "uplink"}

// Vantages are the places that the estate is probed from, outside of both
// sites; the first site is probed from the first.
var Vantages = [2]string{"outside-a", "outside-b"}

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

// Generate writes the estate's inventory: the same options, the same bytes.
func Generate(o Options) inventory.Document {
	o = o.withDefaults()
	return inventory.Document{Name: fmt.Sprintf("lab-%d.yaml", o.Seed), Data: makePlan(o).render()}
}

// Open generates the estate, loads it and starts it on the first base port,
// from the wanted one up, whose ports are all free; Options().BasePort tells
// which.
func Open(ctx context.Context, o Options) (*Lab, error) {
	o = o.withDefaults()
	var taken error
	for range portTries {
		reserved, err := reserve(o.BasePort)
		if err != nil {
			taken = err
			o.BasePort += portStep
			continue
		}
		doc := Generate(o)
		inv, err := inventory.Load(doc)
		if err != nil {
			_ = reserved.Close()
			return nil, fmt.Errorf("load the generated estate: %w", err)
		}
		l, err := Start(ctx, inv, o)
		if err == nil {
			l.document, l.reserved = doc, reserved
			return l, nil
		}
		_ = reserved.Close()
		if !errors.Is(err, syscall.EADDRINUSE) {
			return nil, err
		}
		taken = err
		o.BasePort += portStep
	}
	return nil, fmt.Errorf("find free ports for the estate: %d bases tried, up to %d; stop what listens there or choose another BasePort: %w",
		portTries, o.BasePort-portStep, taken)
}

// reserve holds a base for one estate, by a port that nothing else of it uses.
// Without it an estate that looks for free ports would listen, for a moment, at
// the address of a machine that another estate has just switched off.
func reserve(base int) (net.Listener, error) {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", base))
	if err != nil {
		return nil, fmt.Errorf("reserve base port %d: %w", base, err)
	}
	return l, nil
}

// Inventory is what the lab simulates.
func (l *Lab) Inventory() *inventory.Inventory { return l.inv }

// Document is the inventory as Open generated it; empty after Start.
func (l *Lab) Document() inventory.Document { return l.document }

// Options returns the options in force, defaults and the chosen BasePort included.
func (l *Lab) Options() Options { return l.opts }
