package devtemporal

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestClusterComesFromTheEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "temporal.toml")
	profiles := `
[profile.default]
address = "default.example:7233"

[profile.work]
address = "work.example:7233"
namespace = "hosting"
api_key = "not-to-be-shown"

[profile.nowhere]
namespace = "hosting"
`
	if err := os.WriteFile(file, []byte(profiles), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name             string
		address, profile string
		named            bool
		host, namespace  string
		tls              bool
		fails            string
	}{
		{name: "nothing set: the file's default profile isn't used"},
		{name: "address", address: "127.0.0.1:7233", named: true, host: "127.0.0.1:7233"},
		{name: "profile with API key", profile: "work", named: true, host: "work.example:7233", namespace: "hosting", tls: true},
		{name: "address overrides the profile's", profile: "work", address: "other.example:7233", named: true, host: "other.example:7233", namespace: "hosting", tls: true},
		{name: "unknown profile", profile: "home", named: true, fails: "home"},
		{name: "profile without address", profile: "nowhere", named: true, fails: "no address"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Setenv("TEMPORAL_CONFIG_FILE", file)
			t.Setenv("TEMPORAL_ADDRESS", tc.address)
			t.Setenv("TEMPORAL_PROFILE", tc.profile)
			if tc.address == "" {
				if err := os.Unsetenv("TEMPORAL_ADDRESS"); err != nil {
					t.Fatal(err)
				}
			}
			got, named, err := FromEnvironment()
			if named != tc.named {
				t.Errorf("named is %v, want %v", named, tc.named)
			}
			if tc.fails != "" {
				if err == nil || !strings.Contains(err.Error(), tc.fails) {
					t.Errorf("error %v, want one that says %q", err, tc.fails)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if got.HostPort != tc.host || got.Namespace != tc.namespace {
				t.Errorf("got %s/%s, want %s/%s", got.HostPort, got.Namespace, tc.host, tc.namespace)
			}
			if (got.ConnectionOptions.TLS != nil) != tc.tls {
				t.Errorf("TLS is %v, want %v", got.ConnectionOptions.TLS != nil, tc.tls)
			}
		})
	}
}
