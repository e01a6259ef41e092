package workflows

import "testing"

func TestNumbersAgreeWithTheirWords(t *testing.T) {
	for n, want := range map[int]string{0: "0 servers answer", 1: "1 server answers", 2: "2 servers answer", 21: "21 servers answer"} {
		if got := agreed(n, "server answers", "servers answer"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
