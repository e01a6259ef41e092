// Package deploy holds no code: it tests that the files of the production set-up fit each other and the program.
package deploy

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"vakhta/internal/config"
	"vakhta/internal/inventory"
)

// What only the operator can write: make-secrets names these and fails until they are there.
var theOperators = []string{"sendgrid_key", "twilio_auth_token", "telegram_token"}

func TestConfigurationLoadsWithTheSecretsThatAreLaidOut(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "make-secrets"), []byte(text(t, "make-secrets")), 0o755); err != nil {
		t.Fatal(err)
	}
	out, err := exec.Command(filepath.Join(dir, "make-secrets")).CombinedOutput()
	if err == nil {
		t.Error("make-secrets succeeds although the providers' secrets are missing")
	}
	secrets := filepath.Join(dir, "secrets")
	for _, name := range theOperators {
		if !strings.Contains(string(out), "deploy/secrets/"+name) {
			t.Errorf("make-secrets doesn't name %s: %s", name, out)
		}
		if err := os.WriteFile(filepath.Join(secrets, name), []byte("test"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	linkKey := text(t, filepath.Join(secrets, "vakhta_link_key"))
	if out, err := exec.Command(filepath.Join(dir, "make-secrets")).CombinedOutput(); err != nil {
		t.Errorf("make-secrets fails although nothing is missing: %v: %s", err, out)
	}
	if text(t, filepath.Join(secrets, "vakhta_link_key")) != linkKey {
		t.Error("make-secrets made up a new link key: every link sent out would be void")
	}

	inContainer := strings.NewReplacer("/run/secrets/", secrets+"/", "/etc/vakhta/inventory/", filepath.Join(dir, "inventory")+"/")
	file := filepath.Join(dir, "vakhta.yaml")
	if err := os.WriteFile(file, []byte(inContainer.Replace(text(t, "vakhta.yaml"))), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	if dsn := c.StoreDSN(); !strings.HasPrefix(dsn, "postgres://vakhta:") {
		t.Error("the store isn't PostgreSQL")
	}
	if c.Temporal.Address != "temporal:7233" {
		t.Errorf("Temporal is at %q, not at the service of docker-compose.yml", c.Temporal.Address)
	}
}

func TestExampleInventoryLoads(t *testing.T) {
	if _, err := inventory.LoadFiles("inventory/estate.yaml"); err != nil {
		t.Error(err)
	}
}

func TestEverySecretOfTheConfigurationIsMounted(t *testing.T) {
	var compose struct {
		Shared struct {
			Secrets []string `yaml:"secrets"`
		} `yaml:"x-vakhta"`
		Secrets map[string]struct {
			File string `yaml:"file"`
		} `yaml:"secrets"`
	}
	if err := yaml.Unmarshal([]byte(text(t, "../docker-compose.yml")), &compose); err != nil {
		t.Fatal(err)
	}
	used := regexp.MustCompile(`file:/run/secrets/(\w+)`).FindAllStringSubmatch(text(t, "vakhta.yaml"), -1)
	if len(used) == 0 {
		t.Fatal("deploy/vakhta.yaml refers to no secret: this test looks for the wrong thing")
	}
	for _, m := range used {
		if !slices.Contains(compose.Shared.Secrets, m[1]) {
			t.Errorf("deploy/vakhta.yaml wants secret %s, x-vakhta in docker-compose.yml doesn't mount it", m[1])
		}
		if want := "./deploy/secrets/" + m[1]; compose.Secrets[m[1]].File != want {
			t.Errorf("secret %s comes from %q, want %q", m[1], compose.Secrets[m[1]].File, want)
		}
	}
}

func text(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
