package runbooks

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestBuiltinRunbooksLoad(t *testing.T) {
	l, err := Load(Builtin(), map[string]any{"updateEvery": "20s"})
	require.NoError(t, err)
	rb, err := l.For(Facts{Finding: map[string]any{"kind": "pdu"}, Incident: map[string]any{"severity": "sev2"}})
	require.NoError(t, err)
	require.Equal(t, "server-down", rb.Name)
	require.Equal(t, 20*time.Second, rb.Steps[3].Inform.Every.Std())
	require.Equal(t, "network", rb.Steps[2].Escalate.Team)
	require.Equal(t, 30*time.Minute, rb.Steps[2].Escalate.Quiet.Std())
	require.Len(t, rb.Steps[1].Escalate.Ladder, 2)
	require.Equal(t, time.Minute, rb.Steps[1].Escalate.Ladder[0].Wait.Std())
}
