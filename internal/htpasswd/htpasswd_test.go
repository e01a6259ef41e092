package htpasswd

import (
	"context"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"
)

// hash is what Apache's `htpasswd -B` writes: bcrypt under the name 2y.
func hash(t *testing.T, password string, cost int) string {
	t.Helper()
	h, err := bcrypt.GenerateFromPassword([]byte(password), cost)
	require.NoError(t, err)
	return strings.Replace(string(h), "$2a$", "$2y$", 1)
}

func TestEachHasHisOwnPassword(t *testing.T) {
	p, err := parse("# on call\nivan:"+hash(t, "ivan's own words", 4)+"\n\nolga:"+hash(t, "olga's own words", 5)+"\n", bcrypt.MinCost)
	require.NoError(t, err)
	require.Equal(t, []string{"ivan", "olga"}, p.Names())
	for range 2 { // the second time it is remembered
		require.True(t, p.Check(t.Context(), "ivan", "ivan's own words"))
		require.False(t, p.Check(t.Context(), "olga", "ivan's own words"), "a password is one person's")
		require.False(t, p.Check(t.Context(), "ivan", "olga's own words"))
		require.False(t, p.Check(t.Context(), "ivani", "van's own words"))
		require.False(t, p.Check(t.Context(), "", ""))
	}
}

func TestManyAtOnceAreChecked(t *testing.T) {
	p, err := parse("ivan:"+hash(t, "ivan's own words", 4), bcrypt.MinCost)
	require.NoError(t, err)
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			if got := p.Check(t.Context(), "ivan", []string{"ivan's own words", "no"}[i%2]); got != (i%2 == 0) {
				t.Errorf("check %d says %v", i, got)
			}
		})
	}
	all.Wait()
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range cap(p.slots) {
		p.slots <- struct{}{}
	}
	require.False(t, p.Check(gone, "ivan", "who has gone does not wait"))
}

func TestAFileThatIsWrongIsRefusedWithoutRepeatingAPassword(t *testing.T) {
	good := hash(t, "x", 10)
	for text, want := range map[string]string{
		"":                                "nobody is in it",
		"ivan hunter2hunter2":             "line 1: no name",
		"\nivan:hunter2hunter2":           "line 2: ivan has no bcrypt hash",
		"ivan:" + good + "\nivan:" + good: "line 2: ivan has a line already",
		"ivan:" + hash(t, "x", 4):         "too cheap",
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), "hunter2")
	}
}

func TestALineOpensForItsPasswordOnly(t *testing.T) {
	line, err := lineAt("ivan", "long enough for this", bcrypt.MinCost)
	require.NoError(t, err)
	p, err := parse(line, bcrypt.MinCost)
	require.NoError(t, err)
	require.True(t, p.Check(t.Context(), "ivan", "long enough for this"))
	for name, password := range map[string]string{"ivan": "short", "i van": "long enough for this", "i:van": "long enough for this", "olga": strings.Repeat("x", 73)} {
		_, err := Line(name, password)
		require.Error(t, err)
	}
}
