package store

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sync/errgroup"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
	"vakhta/internal/topology"
)

func outage(component string) incident.Incident {
	return incident.Incident{
		Component: component, Title: "Server is switched off", Site: "msk", Severity: incident.Sev3, Status: incident.Identified,
		Finding: topology.Finding{Component: component, Kind: inventory.KindServer, Confidence: 0.98, Explains: []string{component}, Evidence: []topology.Evidence{{Text: "BMC says off"}}},
		Servers: []string{component}, Clients: []string{"acme"}, Restored: []string{}, OpenedAt: t0,
	}
}

func TestOneComponentHasOneOpenIncident(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		first, created, err := st.OpenIncident(ctx, "report/1", outage("srv-1"))
		require.NoError(t, err)
		require.True(t, created)
		want := outage("srv-1")
		want.ID = "srv-1-1"
		require.Equal(t, want, first)

		second, created, err := st.OpenIncident(ctx, "report/2", outage("srv-1"))
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, first, second)

		first.Status, first.ResolvedAt, first.Restored = incident.Resolved, at(time.Hour), []string{"srv-1"}
		require.NoError(t, st.SaveIncident(ctx, first))
		read, err := st.Incident(ctx, "srv-1-1")
		require.NoError(t, err)
		require.Equal(t, first, read)

		third, created, err := st.OpenIncident(ctx, "report/3", outage("srv-1"))
		require.NoError(t, err)
		require.True(t, created)
		require.Equal(t, "srv-1-2", third.ID)

		again, created, err := st.OpenIncident(ctx, "report/1", outage("srv-1"))
		require.NoError(t, err)
		require.True(t, created, "the same request has the same answer for ever")
		require.Equal(t, "srv-1-1", again.ID)
		again, created, err = st.OpenIncident(ctx, "report/2", outage("srv-1"))
		require.NoError(t, err)
		require.False(t, created)
		require.Equal(t, "srv-1-1", again.ID)

		first.Status, first.ResolvedAt = incident.Investigating, time.Time{}
		err = st.SaveIncident(ctx, first)
		require.ErrorIs(t, err, ErrConflict)
		require.ErrorContains(t, err, "srv-1")
		require.ErrorIs(t, st.SaveIncident(ctx, incident.Incident{ID: "nowhere"}), ErrNotFound)
		_, err = st.Incident(ctx, "nowhere")
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestADrillDoesNotHideARealIncident(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		drill := outage("srv-1")
		drill.Drill = true
		_, _, err := st.OpenIncident(t.Context(), "drill/1", drill)
		require.NoError(t, err)
		in, created, err := st.OpenIncident(t.Context(), "report/1", outage("srv-1"))
		require.NoError(t, err)
		require.True(t, created)
		require.Equal(t, "srv-1-2", in.ID)
		open, err := st.OpenIncidentsOf(t.Context(), "acme")
		require.NoError(t, err)
		require.Len(t, open, 1)
		require.Equal(t, "srv-1-2", open[0].ID)
	})
}

func TestManyReportsAtOnceOpenOneIncident(t *testing.T) {
	onBoth(t, func(t *testing.T, open func() *Store) {
		stores := []*Store{open(), open()}
		require.NoError(t, stores[0].Migrate(t.Context()))
		created := make([]bool, 24)
		ids := make([]string, 24)
		var group errgroup.Group
		for i := range created {
			group.Go(func() error {
				in, c, err := stores[i%2].OpenIncident(t.Context(), fmt.Sprint("report/", i/2), outage("srv-1"))
				ids[i], created[i] = in.ID, c
				return err
			})
		}
		require.NoError(t, group.Wait())
		winners := map[int]bool{}
		for i := range created {
			require.Equal(t, "srv-1-1", ids[i])
			if created[i] {
				winners[i/2] = true
			}
		}
		require.Len(t, winners, 1, "one request opened it, and each of its tries says so")
	})
}

func TestIncidentsAreFoundByWhatTheyTouch(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		for i, component := range []string{"srv-1", "srv-2", "pdu-1"} {
			in := outage(component)
			in.OpenedAt = at(time.Duration(i) * time.Minute)
			if component == "pdu-1" {
				in.Clients, in.Site = []string{"acme", "globex"}, "spb"
			}
			_, _, err := st.OpenIncident(ctx, "r/"+component, in)
			require.NoError(t, err)
		}
		in, err := st.Incident(ctx, "srv-1-1")
		require.NoError(t, err)
		in.Status, in.ResolvedAt, in.Clients = incident.Resolved, at(time.Hour), []string{"initech"}
		require.NoError(t, st.SaveIncident(ctx, in))

		for _, c := range []struct {
			filter IncidentFilter
			want   []string
		}{
			{IncidentFilter{}, []string{"pdu-1-1", "srv-2-1", "srv-1-1"}},
			{IncidentFilter{Open: true}, []string{"pdu-1-1", "srv-2-1"}},
			{IncidentFilter{Client: "globex"}, []string{"pdu-1-1"}},
			{IncidentFilter{Client: "acme"}, []string{"pdu-1-1", "srv-2-1"}},
			{IncidentFilter{Client: "initech"}, []string{"srv-1-1"}},
			{IncidentFilter{Site: "spb"}, []string{"pdu-1-1"}},
			{IncidentFilter{Component: "srv-2"}, []string{"srv-2-1"}},
			{IncidentFilter{Limit: 1}, []string{"pdu-1-1"}},
			{IncidentFilter{Client: "nobody"}, nil},
		} {
			all, err := st.Incidents(ctx, c.filter)
			require.NoError(t, err)
			var ids []string
			for _, in := range all {
				ids = append(ids, in.ID)
			}
			require.Equal(t, c.want, ids, "%+v", c.filter)
		}
	})
}

func TestTimelineKeepsEachFactOnceInTheOrderOfTime(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		line := func(key string, after time.Duration) incident.Entry {
			return incident.Entry{Key: key, Subject: "incident/a-1", At: at(after), Kind: "note", Actor: "vakhta", Via: "cli", Text: "line " + key, Internal: true}
		}
		require.NoError(t, st.Append(ctx, []incident.Entry{line("1", 0), line("3", 3*time.Minute)}))
		require.NoError(t, st.Append(ctx, []incident.Entry{line("2", time.Minute), line("1", time.Hour), {Key: "x", Subject: "report/1", At: t0, Kind: "note", Text: "another subject"}}))
		all, err := st.Timeline(ctx, "incident/a-1", 0, 0)
		require.NoError(t, err)
		require.Len(t, all, 3)
		for i, key := range []string{"1", "2", "3"} {
			want := line(key, []time.Duration{0, time.Minute, 3 * time.Minute}[i])
			want.Seq = all[i].Seq
			require.Equal(t, want, all[i])
		}
		rest, err := st.Timeline(ctx, "incident/a-1", all[2].Seq, 0)
		require.NoError(t, err)
		require.Equal(t, all[1:2], rest, "what was appended later, whenever it happened")
		one, err := st.Timeline(ctx, "incident/a-1", 0, 1)
		require.NoError(t, err)
		require.Equal(t, all[:1], one)
		require.Error(t, st.Append(ctx, []incident.Entry{{Subject: "incident/a-1"}}))
	})
}

func TestAlertsAreKnownAgain(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		fire := incident.Alert{Source: "alertmanager", Key: "f1", Component: "srv-1", Summary: "HostDown", Firing: true, Labels: map[string]string{"job": "node"}, StartsAt: t0, ReceivedAt: at(time.Second)}
		other := incident.Alert{Source: "pagerduty", Key: "f1", Summary: "disk", Firing: true, StartsAt: t0, ReceivedAt: at(time.Second)}
		stored, err := st.PutAlerts(ctx, []incident.Alert{fire, other, fire})
		require.NoError(t, err)
		require.Len(t, stored, 3)
		require.Equal(t, stored[0], stored[2])
		require.NotEqual(t, stored[0].ID, stored[1].ID)
		fire.ID = stored[0].ID
		require.Equal(t, fire, stored[0])

		require.NoError(t, st.SetAlertsIncident(ctx, []string{fire.ID}, "srv-1-1"))
		resolved := fire
		resolved.ID, resolved.Firing, resolved.EndsAt, resolved.ReceivedAt, resolved.Component = "", false, at(time.Minute), at(time.Minute), ""
		late := fire
		late.ReceivedAt = at(30 * time.Second)
		stored, err = st.PutAlerts(ctx, []incident.Alert{resolved, late})
		require.NoError(t, err)
		require.False(t, stored[1].Firing, "an older word changes nothing")
		require.Equal(t, "srv-1-1", stored[1].Incident)
		require.Equal(t, "srv-1", stored[1].Component)
		require.Equal(t, at(time.Second), stored[1].ReceivedAt, "when it was first heard of")

		again := fire
		again.ReceivedAt = at(time.Hour)
		stored, err = st.PutAlerts(ctx, []incident.Alert{again})
		require.NoError(t, err)
		require.True(t, stored[0].Firing)
		require.Empty(t, stored[0].Incident, "new trouble, no incident yet")

		got, err := st.Alerts(ctx, AlertFilter{IDs: []string{fire.ID}, Firing: true, Loose: true})
		require.NoError(t, err)
		require.Equal(t, stored, got)
		got, err = st.Alerts(ctx, AlertFilter{Source: "pagerduty"})
		require.NoError(t, err)
		require.Len(t, got, 1)
		got, err = st.Alerts(ctx, AlertFilter{IDs: []string{}})
		require.NoError(t, err)
		require.Empty(t, got)
	})
}

func TestObservationsOfARoundAreKeptOnce(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		see := func(component string, result topology.Result, after time.Duration) topology.Observation {
			return topology.Observation{Component: component, Probe: topology.ProbeTCP, Vantage: "msk", At: at(after), Result: result, Detail: "connection refused", RTTMicros: 120}
		}
		require.NoError(t, st.PutObservations(ctx, "s1", 2, []topology.Observation{see("b", topology.Up, time.Minute)}))
		require.NoError(t, st.PutObservations(ctx, "s1", 1, []topology.Observation{see("b", topology.Down, 0), see("a", topology.Down, 0), see("b", topology.Up, time.Second)}))
		require.NoError(t, st.PutObservations(ctx, "s1", 1, []topology.Observation{see("a", topology.Up, 2*time.Second), see("b", topology.Down, 0)}))
		require.NoError(t, st.PutObservations(ctx, "s2", 1, []topology.Observation{see("c", topology.Up, 0)}))
		require.NoError(t, st.PutObservations(ctx, "s2", 1, nil))
		got, err := st.Observations(ctx, "s1")
		require.NoError(t, err)
		require.Equal(t, []topology.Observation{see("a", topology.Up, 2*time.Second), see("b", topology.Up, time.Second), see("b", topology.Up, time.Minute)}, got)

		pruned, err := st.PruneObservations(ctx, at(30*time.Second))
		require.NoError(t, err)
		require.Equal(t, 3, pruned)

		in := incident.Incident{Component: "a", Finding: topology.Finding{Component: "a"}, Sweep: "s1", OpenedAt: t0}
		opened, _, err := st.OpenIncident(ctx, "r1", in)
		require.NoError(t, err)
		require.Equal(t, "s1", opened.Sweep)
		pruned, err = st.PruneObservations(ctx, at(time.Hour))
		require.NoError(t, err)
		require.Zero(t, pruned, "an incident keeps its observations")
	})
}

func TestWhatASwitchSaysOfEachPortIsKept(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		port := func(peer string, result topology.Result) topology.Observation {
			return topology.Observation{Component: "sw-1", Probe: topology.ProbePort, Peer: peer, Vantage: "msk", At: at(0), Result: result}
		}
		want := []topology.Observation{port("srv-1", topology.Up), port("srv-2", topology.Down)}
		require.NoError(t, st.PutObservations(t.Context(), "s1", 1, []topology.Observation{want[1], want[0], want[1]}))
		got, err := st.Observations(t.Context(), "s1")
		require.NoError(t, err)
		require.Equal(t, want, got)
	})
}

func TestMaintenanceExplainsWhatItTouches(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		m := maintenance.Work{
			ID: "m-1", Title: map[string]string{"ru": "Замена PDU", "en": "PDU replacement"}, Components: []string{"pdu-1"},
			StartsAt: t0, EndsAt: at(time.Hour), Announced: at(-time.Hour), Revision: 2,
			ByClient: map[string][]string{"acme": {"srv-1", "srv-2"}, "globex": {"srv-9"}}, Degraded: map[string][]string{"acme": {"srv-3"}, "hooli": {"srv-4"}},
		}
		require.NoError(t, st.PutMaintenance(ctx, m))
		got, err := st.Maintenance(ctx, "m-1")
		require.NoError(t, err)
		require.Equal(t, m, got)

		for _, c := range []struct {
			from, to time.Duration
			found    bool
		}{
			{0, 0, true}, {time.Minute, time.Minute, true}, {time.Hour, time.Hour, false}, {-time.Minute, -time.Second, false}, {-time.Hour, 2 * time.Hour, true},
		} {
			works, err := st.MaintenancesFor(ctx, "acme", at(c.from), at(c.to))
			require.NoError(t, err)
			require.Equal(t, c.found, len(works) == 1, "%v", c)
			if c.found {
				require.Equal(t, map[string][]string{"acme": {"srv-1", "srv-2"}}, works[0].ByClient, "his own servers only")
			}
		}
		works, err := st.MaintenancesFor(ctx, "initech", t0, t0)
		require.NoError(t, err)
		require.Empty(t, works)
		works, err = st.Maintenances(ctx, time.Time{}, time.Time{})
		require.NoError(t, err)
		bare := m
		bare.ByClient, bare.Degraded = nil, nil
		require.Equal(t, []maintenance.Work{bare}, works)

		require.NoError(t, st.TellMaintenance(ctx, "m-1", 2, "acme", "petrov", t0))
		require.NoError(t, st.TellMaintenance(ctx, "m-1", 2, "acme", "ivanov", at(time.Hour)), "told again")
		known, err := st.Confirmations(ctx, "m-1", 2, "")
		require.NoError(t, err)
		require.Equal(t, map[string]Confirmation{"acme": {Client: "acme", Via: "told by petrov", At: t0}}, known)
		counts, err := st.MaintenanceCounts(ctx, works)
		require.NoError(t, err)
		require.Equal(t, map[string]WorkCount{"m-1": {Clients: 2, Degraded: 1, Confirmed: 1}}, counts)
		moved := m
		moved.Revision, moved.ByClient = 3, nil
		require.NoError(t, st.SetMaintenance(ctx, moved))
		got, err = st.MaintenanceFor(ctx, "m-1", "acme")
		require.NoError(t, err)
		require.Equal(t, map[string][]string{"acme": {"srv-1", "srv-2"}}, got.ByClient, "as before")
		known, err = st.Confirmations(ctx, "m-1", 3, "")
		require.NoError(t, err)
		require.Empty(t, known, "a new revision is confirmed anew")

		m.Revision, m.ByClient, m.Degraded = 3, map[string][]string{"globex": {"srv-9"}}, nil
		require.NoError(t, st.PutMaintenance(ctx, m))
		works, err = st.MaintenancesFor(ctx, "acme", t0, t0)
		require.NoError(t, err)
		require.Empty(t, works)
		m.Revision = 2
		require.ErrorIs(t, st.PutMaintenance(ctx, m), ErrConflict)
		_, err = st.Maintenance(ctx, "nowhere")
		require.ErrorIs(t, err, ErrNotFound)
	})
}

func TestPostmortemIsWrittenByOneHandAtATime(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		pm := incident.Postmortem{Incident: "srv-1-1", Title: "srv-1", Status: "draft", Sections: map[string]string{"summary": "It was off."}, CreatedAt: t0, UpdatedAt: t0}
		require.NoError(t, st.SavePostmortem(ctx, pm, 0))
		require.NoError(t, st.SavePostmortem(ctx, pm, 0), "the answer was lost, it is tried again")
		mine, theirs := pm, pm
		mine.Sections = map[string]string{"summary": "mine"}
		theirs.Sections = map[string]string{"summary": "theirs"}
		mine.UpdatedAt = at(time.Minute)
		require.NoError(t, st.SavePostmortem(ctx, mine, 1))
		require.ErrorIs(t, st.SavePostmortem(ctx, theirs, 1), ErrConflict)
		require.ErrorIs(t, st.SavePostmortem(ctx, theirs, 7), ErrConflict)
		got, err := st.Postmortem(ctx, "srv-1-1")
		require.NoError(t, err)
		mine.Revision = 2
		require.Equal(t, mine, got)
		require.ErrorIs(t, st.SavePostmortem(ctx, incident.Postmortem{Incident: "nowhere"}, 3), ErrNotFound)
		_, err = st.Postmortem(ctx, "nowhere")
		require.ErrorIs(t, err, ErrNotFound)
		all, err := st.Postmortems(ctx, 5)
		require.NoError(t, err)
		require.Len(t, all, 1)
	})
}

func TestReports(t *testing.T) {
	onBothOnce(t, func(t *testing.T, st *Store) {
		ctx := t.Context()
		r := incident.Report{ID: "r-1", Channel: "telegram", From: "42", Text: "у меня лежит сервер", ReceivedAt: t0}
		created, err := st.PutReport(ctx, r)
		require.NoError(t, err)
		require.True(t, created)
		changed := r
		changed.Text = "another text"
		created, err = st.PutReport(ctx, changed)
		require.NoError(t, err)
		require.False(t, created)
		require.NoError(t, st.SetReport(ctx, "r-1", "acme", "acme/duty", "", ""))
		require.NoError(t, st.SetReport(ctx, "r-1", "", "", "srv-1-1", "incident"))
		got, err := st.Report(ctx, "r-1")
		require.NoError(t, err)
		r.Client, r.Contact, r.Incident, r.Answer = "acme", "acme/duty", "srv-1-1", "incident"
		require.Equal(t, r, got)
		require.ErrorIs(t, st.SetReport(ctx, "nowhere", "acme", "", "", ""), ErrNotFound)
		_, err = st.Report(ctx, "nowhere")
		require.ErrorIs(t, err, ErrNotFound)
		all, err := st.Reports(ctx, ReportFilter{Client: "acme"})
		require.NoError(t, err)
		require.Equal(t, []incident.Report{r}, all)
	})
}
