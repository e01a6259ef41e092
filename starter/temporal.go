package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"vakhta/internal/config"
)

// temporalOptions says where Temporal is: the flags, else the environment
// (TEMPORAL_ADDRESS …), else our configuration, else Temporal's own
// configuration file, else 127.0.0.1:7233.
func (a *app) temporalOptions(t config.Temporal) (client.Options, error) {
	var request envconfig.LoadClientOptionsRequest
	if os.Getenv("TEMPORAL_PROFILE") == "" && os.Getenv("TEMPORAL_CONFIG_FILE") == "" {
		request.ConfigFileProfile = t.Profile
		// Our file names the place: Temporal's own file, which a person may
		// have lying about, must not overrule it.
		request.DisableFile = t.Address != ""
	}
	options, err := envconfig.LoadClientOptions(request)
	if err != nil {
		return client.Options{}, refused("read Temporal's settings from the environment: %w", err)
	}
	first := func(values ...string) string {
		for _, v := range values {
			if v != "" {
				return v
			}
		}
		return ""
	}
	options.HostPort = first(a.address, options.HostPort, t.Address, "127.0.0.1:7233")
	options.Namespace = first(a.namespace, options.Namespace, t.Namespace, client.DefaultNamespace)
	options.Identity = "vakhta/" + a.act().By
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
	options, err := a.temporalOptions(t)
	if err != nil {
		return nil, err
	}
	options.Logger = temporalLogger(zerolog.Nop())
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
	options, err := a.temporalOptions(t)
	if err != nil {
		return nil, err
	}
	options.Logger = temporalLogger(logger)
	c, err := client.NewLazyClient(options)
	if err != nil {
		return nil, fmt.Errorf("prepare the connection to Temporal: %w", err)
	}
	return c, nil
}

// temporalLogger puts zerolog behind the SDK's logger interface.
func temporalLogger(logger zerolog.Logger) log.Logger {
	return log.NewStructuredLogger(slog.New(zerolog.NewSlogHandler(logger)))
}
