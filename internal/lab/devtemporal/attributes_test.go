package devtemporal

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/operatorservice/v1"
)

// Search attributes are named in three places that can't share a constant: the workflows, the embedded server (a module
// of its own) and the shell script of the production set-up.
func TestSearchAttributesAgreeEverywhere(t *testing.T) {
	root, err := repositoryRoot()
	if err != nil {
		t.Fatal(err)
	}
	c := dial(t, startServer(t, Options{UIPort: -1}))
	listed, err := c.OperatorService().ListSearchAttributes(t.Context(), &operatorservice.ListSearchAttributesRequest{Namespace: "default"})
	if err != nil {
		t.Fatal(err)
	}
	registered := map[string]string{}
	for name, kind := range listed.CustomAttributes {
		registered[name] = kind.String()
	}

	script := read(t, root, "deploy/temporal/namespace.sh")
	deployed := map[string]string{}
	for _, name := range strings.Fields(regexp.MustCompile(`for name in ([^;]+);`).FindStringSubmatch(script)[1]) {
		deployed[name] = enums.INDEXED_VALUE_TYPE_KEYWORD.String()
	}
	for _, m := range regexp.MustCompile(`(?m)^ensure (\w+) (\w+)$`).FindAllStringSubmatch(script, -1) {
		deployed[m[1]] = m[2]
	}
	if !maps.Equal(registered, deployed) {
		t.Errorf("the embedded server registers %v,\ndeploy/temporal/namespace.sh %v", registered, deployed)
	}

	// Named as temporal.NewSearchAttributeKeyKeyword("VakhtaSite").
	used := regexp.MustCompile(`NewSearchAttributeKey(\w+)\("(\w+)"\)`).FindAllStringSubmatch(read(t, root, "workflows/names.go"), -1)
	if len(used) == 0 {
		t.Error("workflows/names.go names no search attribute: this test looks in the wrong place")
	}
	for _, m := range used {
		if registered[m[2]] != m[1] {
			t.Errorf("workflows use %s as %s, registered is %q among %v", m[2], m[1], registered[m[2]], slices.Sorted(maps.Keys(registered)))
		}
	}
}

func read(t *testing.T, root, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}
