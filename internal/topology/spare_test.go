package topology

import "testing"

// A PDU behind lost uplinks explains machines that are silent anyway: with one unanswered probe of its own it is as
// little sure as one that nothing hangs on.
func TestWhatServersDoNotTellOfIsJudgedByItsOwnAddress(t *testing.T) {
	for _, c := range []struct {
		name     string
		explains []string
		servers  float64
		want     bool
	}{
		{"nothing hangs on it", nil, 0, true},
		{"all are lost with the uplinks", []string{"a", "b"}, 0, true},
		{"two are down by it", []string{"a", "b"}, 9, false},
	} {
		f := Finding{Explains: c.explains}
		if got := f.takesNothing(&Score{Servers: c.servers}); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
