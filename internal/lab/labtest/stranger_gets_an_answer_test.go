package labtest_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/internal/lab/labtest"
	"vakhta/internal/lab/sandbox"
)

// Somebody whom the inventory does not know writes: he is asked who he is, and
// an engineer gets the task to find out.
func TestAStrangerGetsAClearAnswerAndAnEngineerTheTask(t *testing.T) {
	s := labtest.Shared(t)
	const chat = "770077"
	began := time.Now()
	report, err := s.CryFrom(t.Context(), chat, "ничего не работает!")
	require.NoError(t, err)
	answer, err := s.AwaitAnswer(t.Context(), report)
	require.NoError(t, err)
	require.Equal(t, "unknown-client", answer.Kind)
	require.Empty(t, answer.Incident)

	s.Await(t, "the stranger to be asked who he is", func() (bool, error) {
		return slices.ContainsFunc(s.Sandbox.Inbox(sandbox.Query{To: chat, Since: began}), func(it sandbox.Item) bool {
			return !it.Inbound && strings.Contains(it.Text, "номер договора")
		}), nil
	})
	s.Await(t, "an engineer to get the task", func() (bool, error) {
		for _, team := range s.Estate.Inventory().Teams() {
			for _, engineer := range team.Members {
				if s.Read(engineer.ID, report, began) {
					return true, nil
				}
			}
		}
		return false, nil
	})
	require.NoError(t, s.Audit(t.Context()))
}
