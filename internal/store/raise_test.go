package store

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/incident"
	"vakhta/internal/topology"
)

const together = 30 * time.Second

func raising(key, component string, places ...string) Raising {
	a := incident.Alert{Source: "alertmanager", Key: key, Component: component, Summary: "down", Firing: true, StartsAt: t0, ReceivedAt: t0}
	in := incident.Incident{
		Component: component, Title: component + ": down", Site: "msk", Severity: incident.Sev3, Finding: topology.Finding{Component: component},
		Servers: []string{}, Clients: []string{}, Restored: []string{}, OpenedAt: t0,
	}
	return Raising{Alert: a, Places: append(places, component), Incident: in}
}

func raise(t *testing.T, st *Store, now time.Time, all ...Raising) []Raised {
	t.Helper()
	got, err := st.Raise(t.Context(), all, together, now)
	require.NoError(t, err)
	require.Len(t, got, len(all))
	return got
}

func TestAlertsThatMayHaveOneCauseRaiseOneIncident(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		first := raise(t, st, t0, raising("a", "s1", "rack", "room"))[0]
		require.True(t, first.Opened)
		require.True(t, first.Incident.Provisional)
		require.Equal(t, "msk-1", first.Incident.ID, "clients read it: it names no machine")

		second := raise(t, st, at(time.Second), raising("b", "s2", "rack-2", "room"))[0]
		require.False(t, second.Opened, "it shares the room")
		require.Equal(t, first.Incident.ID, second.Incident.ID)

		third := raise(t, st, at(2*time.Second), raising("c", "s3", "rack-2"))[0]
		require.Equal(t, first.Incident.ID, third.Incident.ID, "it shares the rack with one that joined")

		other := raise(t, st, at(2*time.Second), raising("d", "s4", "room-2"))[0]
		require.True(t, other.Opened)
		require.Equal(t, "msk-2", other.Incident.ID)

		late := raise(t, st, at(time.Minute), raising("e", "s5", "room"))[0]
		require.True(t, late.Opened, "that was a minute ago")

		again := raise(t, st, at(time.Minute), raising("a", "s1", "rack", "room"))[0]
		require.True(t, again.Opened, "a repeat has the same answer: whoever sent it may not have heard the first")
		require.Equal(t, first.Incident.ID, again.Incident.ID)
	})
}

func TestAtOnceTheyRaiseOne(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *Store) {
		st := open()
		require.NoError(t, st.Migrate(t.Context()))
		var group errgroup.Group
		got := make([]Raised, 24)
		for i := range got {
			st := st
			if i%2 == 1 {
				st = open()
			}
			group.Go(func() error {
				r, err := st.Raise(t.Context(), []Raising{raising(fmt.Sprint(i), fmt.Sprintf("s%d", i), fmt.Sprintf("rack-%d", i%5), "room")}, together, t0)
				if err == nil {
					got[i] = r[0]
				}
				return err
			})
		}
		require.NoError(t, group.Wait())
		opened := slices.DeleteFunc(slices.Clone(got), func(r Raised) bool { return !r.Opened })
		require.Len(t, opened, 1)
		for _, r := range got {
			require.Equal(t, opened[0].Incident.ID, r.Incident.ID)
		}
	})
}

func TestWhatAnIncidentExplainsRaisesNone(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		in := outage("pdu-a")
		in.Servers = []string{"s1", "s2"}
		_, _, err := st.OpenIncident(t.Context(), "k", in)
		require.NoError(t, err)
		require.Empty(t, raise(t, st, t0, raising("a", "s1", "pdu-a"))[0].Incident.ID)
		require.True(t, raise(t, st, t0, raising("b", "s3", "pdu-a"))[0].Opened, "it has another feed: the incident doesn't count it")
		over := raising("c", "s9")
		over.Alert.Firing = false
		require.Empty(t, raise(t, st, t0, over)[0].Incident.ID)
	})
}

func TestAFindingIsAdoptedByTheOldestOfWhatItExplains(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		a := raise(t, st, t0, raising("a", "s1", "rack-1"))[0]
		b := raise(t, st, t0.Add(time.Second), func() Raising { r := raising("b", "s2", "rack-2"); r.Incident.OpenedAt = at(time.Second); return r }())[0]
		c := raise(t, st, t0, raising("c", "s3", "rack-3"))[0]
		found := outage("pdu-a")
		found.Severity, found.Servers = incident.Sev2, []string{"s1", "s2"}
		ask := Adoption{Key: "k1", Alerts: []string{a.Alert.ID, b.Alert.ID, c.Alert.ID}, About: []string{"s1", "s2"}, Found: found}
		for range 2 { // a repeat has the same answer
			got, err := st.Adopt(ctx, ask)
			require.NoError(t, err)
			require.Len(t, got, 2)
			require.Equal(t, []string{a.Incident.ID, b.Incident.ID}, []string{got[0].ID, got[1].ID})
			require.False(t, got[0].Provisional)
			require.Equal(t, "pdu-a", got[0].Component)
			require.Equal(t, incident.Sev2, got[0].Severity)
		}
		byClient, err := st.OpenIncidentsOf(ctx, "acme")
		require.NoError(t, err)
		require.Len(t, byClient, 1)

		// The workflow of the incident, which hasn't heard of it, changes nothing of it.
		stale := a.Incident
		stale.Runbook = "server-down"
		require.NoError(t, st.SaveIncident(ctx, stale))
		now, err := st.Incident(ctx, a.Incident.ID)
		require.NoError(t, err)
		require.Equal(t, "pdu-a", now.Component)
		require.Equal(t, "server-down", now.Runbook)
		require.Equal(t, []string{"s1", "s2"}, now.Servers)

		ask.Key = "k2"
		got, err := st.Adopt(ctx, ask)
		require.NoError(t, err)
		require.Empty(t, got, "another finding has them")
		require.True(t, raise(t, st, at(2*time.Second), raising("d", "s8", "rack-1"))[0].Opened, "what is found is nobody else's cause")

		merged, err := st.Adopt(ctx, Adoption{Key: "k3", Alerts: []string{c.Alert.ID}, About: []string{"s3"}, Into: a.Incident.ID, Found: found})
		require.NoError(t, err)
		require.Len(t, merged, 1)
		require.True(t, merged[0].Provisional)
	})
}
