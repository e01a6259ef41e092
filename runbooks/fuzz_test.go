package runbooks_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"testing"

	"vakhta/runbooks"
)

// Whatever an editor saved halfway, Parse answers: a runbook that can be kept
// and read back, or an error with its place.
func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	doc, err := fs.ReadFile(runbooks.Builtin(), "server-down.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(doc)
	for _, seed := range []string{"", "a: &a [*a]", "? x\n: y", "runbook: !!binary x", "{", "steps:\n- id: *x", "<<: *a", "---\n---\n", "a: |\n  b\n ", "inputs: {a: ${inputs.a}}"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, doc []byte) {
		rb, err := runbooks.Parse("fuzz.yaml", doc, map[string]any{"every": "1m"})
		if err != nil {
			var wrong *runbooks.Error
			if !errors.As(err, &wrong) {
				t.Fatalf("an error without a place: %v", err)
			}
			for _, p := range wrong.Problems {
				if p.Line < 1 || p.Column < 1 || p.Text == "" {
					t.Errorf("a problem without its place: %+v", p)
				}
			}
			return
		}
		b, err := json.Marshal(rb)
		if err != nil {
			t.Fatal(err)
		}
		var back runbooks.Runbook
		if err := json.Unmarshal(b, &back); err != nil {
			t.Fatal(err)
		}
	})
}
