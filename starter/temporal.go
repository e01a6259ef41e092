package main

import (
	"context"
	"fmt"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"

	"vakhta/internal/config"
	"vakhta/workflows/dial"
)

// temporalOptions says where Temporal is, and notes it for what is printed.
func (a *app) temporalOptions(t config.Temporal, logger zerolog.Logger) (client.Options, error) {
	options, err := dial.Options(t, dial.Flags{Address: a.address, Namespace: a.namespace})
	if err != nil {
		return client.Options{}, refused("%w", err)
	}
	options.Identity = "vakhta/" + a.act().By
	options.Logger = dial.Logger(logger)
	a.temporalAddress, a.temporalNamespace = options.HostPort, options.Namespace
	return options, nil
}

// dialTemporal connects and fails with the remedy if nobody answers.
func (a *app) dialTemporal(ctx context.Context) (client.Client, error) {
	var t config.Temporal
	if a.configPath != "" {
		c, err := a.loadConfig(false)
		if err != nil {
			return nil, err
		}
		t = c.Temporal
	}
	options, err := a.temporalOptions(t, zerolog.Nop())
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	c, err := client.DialContext(ctx, options)
	if err != nil {
		return nil, unavailable("cannot reach Temporal at %s: start it with `vakhta dev` or set TEMPORAL_ADDRESS (%w)", options.HostPort, err)
	}
	return c, nil
}

// lazyTemporal connects with the first call: the gateway takes callbacks and
// answers its probes while Temporal is away.
func (a *app) lazyTemporal(t config.Temporal, logger zerolog.Logger) (client.Client, error) {
	options, err := a.temporalOptions(t, logger)
	if err != nil {
		return nil, err
	}
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to Temporal: %w", err)
	}
	return c, nil
}
