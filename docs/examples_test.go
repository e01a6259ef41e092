// Package docs_test keeps the documentation true: its examples load, every
// configuration key is described, and links lead somewhere.
package docs_test

import (
	"bytes"
	"encoding/base64"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/config"
	"vakhta/internal/inventory"
	"vakhta/internal/message"
	"vakhta/internal/roster"
	"vakhta/runbooks"
	"vakhta/runbooks/messages"
)

var example = regexp.MustCompile("(?s)<!-- file: (\\S+) -->\n```yaml\n(.*?)```")

// files lays out the examples of all pages in one folder, as a reader would.
func files(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, page := range pages(t) {
		for _, m := range example.FindAllStringSubmatch(read(t, page), -1) {
			require.NoError(t, os.WriteFile(filepath.Join(dir, m[1]), []byte(m[2]), 0o600))
		}
	}
	return dir
}

func pages(t *testing.T) []string {
	t.Helper()
	found, err := filepath.Glob("*.md")
	require.NoError(t, err)
	require.NotEmpty(t, found)
	return append(found, "../README.md")
}

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	return string(text)
}

func TestTeamsExampleHasNoGap(t *testing.T) {
	inv, err := inventory.LoadFiles(filepath.Join(files(t), "teams.yaml"))
	require.NoError(t, err)
	from := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)
	require.Empty(t, roster.Lint(inv, nil, from, from.AddDate(1, 0, 0)))
}

func TestInventoryExampleLoads(t *testing.T) {
	inv, err := inventory.LoadFiles(filepath.Join(files(t), "estate.yaml"))
	require.NoError(t, err)
	require.Len(t, inv.Components(), 10)
	require.Len(t, inv.Servers(), 2)
	require.Len(t, inv.Teams(), 3)
}

func TestRunbookExampleLintsAgainstTheInventoryExample(t *testing.T) {
	dir := files(t)
	inv, err := inventory.LoadFiles(filepath.Join(dir, "estate.yaml"))
	require.NoError(t, err)
	render, err := message.New(messages.FS())
	require.NoError(t, err)
	around := runbooks.Surroundings{Inventory: inv, Events: render.Events()}
	text := read(t, filepath.Join(dir, "pdu-down.yaml"))
	require.Empty(t, runbooks.Lint("pdu-down.yaml", []byte(text), around))

	spoilt := strings.Replace(text, "if: size(incident.clients) > 3", `if: incident.sevrity != "sev3"`, 1)
	problems := runbooks.Lint("pdu-down.yaml", []byte(spoilt), around)
	require.Len(t, problems, 1)
	require.Contains(t, read(t, "runbook-author.md"), "\n"+problems[0].String()+"\n", "the page shows another answer")

	builtin, err := runbooks.Source(runbooks.Builtin(), "server-down")
	require.NoError(t, err)
	require.Empty(t, runbooks.Lint("server-down.yaml", builtin, around), "inventory.md says that its teams are enough")

	for _, event := range render.Events() {
		require.Contains(t, read(t, "runbook-author.md"), "`"+event+"`")
	}
}

func TestConfigurationExampleLoads(t *testing.T) {
	dir := files(t)
	key := base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{1}, 32))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "data.key"), []byte(key), 0o600))
	cfg, err := config.LoadWithoutSecrets(filepath.Join(dir, "vakhta.yaml"))
	require.NoError(t, err)
	require.InDelta(t, 2, cfg.Notify.Rates[inventory.Call], 0)
	_, err = runbooks.Load(runbooks.Builtin(), cfg.Runbooks.Inputs)
	require.NoError(t, err)
}

func TestEveryConfigurationKeyIsDescribed(t *testing.T) {
	text := read(t, "operator.md")
	var walk func(prefix string, of reflect.Type)
	walk = func(prefix string, of reflect.Type) {
		for i := range of.NumField() {
			field := of.Field(i)
			key := field.Tag.Get("yaml")
			if key == "" {
				continue
			}
			inner := field.Type
			if inner.Kind() == reflect.Pointer {
				inner = inner.Elem()
			}
			if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[config.Secret]() {
				walk(prefix+key+".", inner)
				continue
			}
			require.Contains(t, text, "| `"+prefix+key+"` |", "operator.md doesn't describe the key")
		}
	}
	walk("", reflect.TypeFor[config.Config]())
}

func TestLinksLeadSomewhere(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, page := range pages(t) {
		for _, m := range link.FindAllStringSubmatch(read(t, page), -1) {
			_, err := os.Stat(filepath.Join(filepath.Dir(page), m[1]))
			require.NoError(t, err, "%s links to %s", page, m[1])
		}
	}
}
