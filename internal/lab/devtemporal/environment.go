package devtemporal

import (
	"fmt"
	"os"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/contrib/envconfig"
)

// FromEnvironment returns the options of the real cluster that the environment names, and whether it names one: by
// TEMPORAL_ADDRESS, or by TEMPORAL_PROFILE in a configuration file. TLS, API key and namespace come from the same
// places as for the `temporal` command line (the SDK's envconfig). Without either variable no configuration file is
// looked at: a cluster must be asked for, or tests would run against whatever this person uses at work.
func FromEnvironment() (options client.Options, named bool, err error) {
	if os.Getenv("TEMPORAL_ADDRESS") == "" && os.Getenv("TEMPORAL_PROFILE") == "" {
		return client.Options{}, false, nil
	}
	options, err = envconfig.LoadClientOptions(envconfig.LoadClientOptionsRequest{})
	if err != nil {
		return client.Options{}, true, fmt.Errorf("read the Temporal cluster from the environment (TEMPORAL_ADDRESS, TEMPORAL_PROFILE …): %w; unset both to use the embedded server", err)
	}
	if options.HostPort == "" {
		return client.Options{}, true, fmt.Errorf("the profile that TEMPORAL_PROFILE names has no address: add one, or set TEMPORAL_ADDRESS")
	}
	return options, true, nil
}
