package labtest_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/labtest"
)

// A client cries, Vakhta finds what broke, an engineer takes it, everybody
// affected is told about his own machines only, and a postmortem is drafted:
// for one machine and for a PDU with 24 machines of nine clients, on both stores.
func TestAnOutageGoesFromCryToPostmortem(t *testing.T) {
	t.Run("sqlite", func(t *testing.T) { cryToPostmortem(t, labtest.Open(t, labtest.WithRooms())) })
	t.Run("postgres", func(t *testing.T) { cryToPostmortem(t, labtest.Open(t, labtest.OnStore(labtest.Postgres(t)))) })
}

func cryToPostmortem(t *testing.T, s *labtest.Lab) {
	for _, scenario := range []string{"server", "pdu"} {
		t.Run(scenario, func(t *testing.T) {
			component, err := estate.Scenario(scenario)
			require.NoError(t, err)
			mode := estate.Down
			if c, _ := s.Estate.Inventory().Component(component); c.Kind == inventory.KindServer {
				mode = estate.Off
			}
			outage := s.Outage(component, mode, "romashka-duty")
			require.NoError(t, outage.Play(t.Context()))
			require.NoError(t, outage.CheckUndisturbed(t.Context()))
			if s.HasRooms() {
				teams := map[string][]string{"server": {"emergency"}, "pdu": {"emergency", "admins"}}
				require.NoError(t, outage.CheckRooms(t.Context(), teams[scenario]...))
				require.NoError(t, outage.CheckSettled(t.Context()))
			}
			require.NoError(t, s.Audit(t.Context()))
			t.Logf("%s: %d servers of %d clients; cry to answer %s, repair to resolution %s",
				component, len(outage.Blast.Servers), len(outage.Blast.ByClient), outage.Answered, outage.Resolved)
		})
	}
}
