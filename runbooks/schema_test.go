package runbooks_test

import (
	"bytes"
	"io/fs"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"
	"go.yaml.in/yaml/v3"

	"vakhta/runbooks"
)

func TestSchemaTakesWhatParseTakes(t *testing.T) {
	validate := schema(t)
	require.NoError(t, validate(small))
	files, err := fs.Glob(runbooks.Builtin(), "*.yaml")
	require.NoError(t, err)
	require.NotEmpty(t, files)
	for _, f := range files {
		doc, err := fs.ReadFile(runbooks.Builtin(), f)
		require.NoError(t, err)
		require.NoError(t, validate(string(doc)), f)
	}
}

func TestSchemaRefusesWhatParseRefuses(t *testing.T) {
	validate := schema(t)
	for _, bad := range []struct{ name, old, new string }{
		{"unknown field at the top", "reopenless", ""},
		{"no title", "title: A small one\n", ""},
		{"bad name", "runbook: small", "runbook: Small One"},
		{"unknown field of a step", "timeout: 4h", "timeuot: 4h"},
		{"unknown field of a kind", "{every: 10s,", "{evry: 10s,"},
		{"two kinds", "resolve: {}", "resolve: {}\n    wait: {for: 1m}"},
		{"no kind", "    resolve: {}\n", ""},
		{"bad duration", "timeout: 4h", "timeout: soon"},
		{"number as duration", "timeout: 4h", "timeout: 4"},
		{"channel", "channel: telegram", "channel: pigeon"},
		{"on-failure", "on-failure: continue", "on-failure: ignore"},
		{"input is a list", "words: look at it", "words: [look]"},
		{"input made of another", "words: look at it", `words: "${inputs.every}"`},
		{"other placeholder", `"${inputs.every}"`, `"${env.EVERY}"`},
		{"no team", "      team: emergency\n", ""},
		{"attempts", "attempts: 2", "attempts: 1000"},
		{"message for others", "resolve: {}", "notify: {event: page}"},
		{"no steps", small[strings.Index(small, "steps:"):], "steps: []\n"},
	} {
		t.Run(bad.name, func(t *testing.T) {
			doc := small + "reopenless: 1h\n"
			if bad.old != "reopenless" {
				doc = strings.Replace(small, bad.old, bad.new, 1)
				require.NotEqual(t, small, doc, "the case spoils nothing")
			}
			require.Error(t, validate(doc), "the schema takes it")
			_, err := runbooks.Parse("small.yaml", []byte(doc), nil)
			require.Error(t, err, "Parse takes it")
		})
	}
}

func schema(t *testing.T) func(doc string) error {
	t.Helper()
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(runbooks.Schema()))
	require.NoError(t, err)
	c := jsonschema.NewCompiler()
	require.NoError(t, c.AddResource("runbook.json", parsed))
	compiled, err := c.Compile("runbook.json")
	require.NoError(t, err)
	return func(doc string) error {
		var value any
		require.NoError(t, yaml.Unmarshal([]byte(doc), &value))
		return compiled.Validate(value)
	}
}
