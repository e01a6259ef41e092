package figure_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"vakhta/internal/lab/figure"
)

func TestAMissedGoalIsCounted(t *testing.T) {
	var out strings.Builder
	p := figure.Printer{Out: &out}
	p.Print(figure.AtMost("took", 21, "ms", 20))
	p.Print(figure.AtMost("took", 20, "ms", 20))
	p.Print(figure.AtLeast("rate", 1.5, "1/s", 2))
	p.Print(figure.Seen("spent", 9, "s"))
	require.Equal(t, 2, p.Missed)
	require.Equal(t, `{"figure":"took","value":21,"unit":"ms","goal":"<= 20","met":false}
{"figure":"took","value":20,"unit":"ms","goal":"<= 20","met":true}
{"figure":"rate","value":1.5,"unit":"1/s","goal":">= 2","met":false}
{"figure":"spent","value":9,"unit":"s","met":true}
`, out.String())
}

func TestTheMachineIsNamed(t *testing.T) {
	require.Regexp(t, `^machine: \w+/\w+, \d+ × .+, go1\.\d+.*, load `, figure.Machine())
}
