// Package dial says where Temporal is, the same way for the worker, the
// gateway and the command line, and puts zerolog behind the SDK's logger.
package dial

import (
	"fmt"
	"log/slog"
	"os"

	"github.com/rs/zerolog"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
	"go.temporal.io/sdk/log"

	"vakhta/internal/config"
)

// Flags are what a command line says; they come before everything else.
type Flags struct{ Address, Namespace string }

// Options says where Temporal is: the flags, else the environment
// (TEMPORAL_ADDRESS, TLS, API key, profile), else our configuration, else
// Temporal's own configuration file, else 127.0.0.1:7233.
func Options(t config.Temporal, f Flags) (client.Options, error) {
	var request envconfig.LoadClientOptionsRequest
	if os.Getenv("TEMPORAL_PROFILE") == "" && os.Getenv("TEMPORAL_CONFIG_FILE") == "" {
		request.ConfigFileProfile = t.Profile
		// Our file names the place: Temporal's own file, which a person may
		// have lying about, must not overrule it.
		request.DisableFile = t.Address != ""
	}
	options, err := envconfig.LoadClientOptions(request)
	if err != nil {
		return client.Options{}, fmt.Errorf("read Temporal's settings from the environment: %w", err)
	}
	options.HostPort = first(f.Address, options.HostPort, t.Address, "127.0.0.1:7233")
	options.Namespace = first(f.Namespace, options.Namespace, t.Namespace, client.DefaultNamespace)
	return options, nil
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

// Logger is zerolog as the SDK's logger.
func Logger(l zerolog.Logger) log.Logger {
	return log.NewStructuredLogger(slog.New(zerolog.NewSlogHandler(l)))
}
