package records_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

const dutyEstate = `version: 1
sites: [{id: msk, timezone: Europe/Moscow, vantages: [msk]}]
components:
  - {id: r1, kind: room, in: msk}
%sclients: [{id: c1, language: ru, timezone: Europe/Moscow, contacts: [{id: c1-duty, addresses: {email: d@c1.example}}]}]
teams:
  - id: emergency
    timezone: Europe/Moscow
    members:
      - {id: ivan, language: ru, timezone: Europe/Moscow, addresses: {telegram: "1", sms: "+79001234567", call: "+79001234567", email: ivan@x.example}}
      - {id: petr, language: ru, timezone: Europe/Moscow, addresses: {sms: "+79001234568", call: "+79001234568"}}
      - {id: olga, language: en, timezone: Europe/London, addresses: {call: "+79001234569", email: olga@x.example}}
      - {id: boss, language: ru, timezone: Europe/Moscow, addresses: {call: "+79001234570"}}
    rotations:
      - id: days
        layers: [{every: day, from: 2026-01-01, people: [ivan, petr], during: ["09:00-21:00"]}]
    levels:
      - {members: [ivan, petr, olga], mode: round-robin, ackWithin: 2m}
      - {rotations: [days], ackWithin: 2m}
    fallback: [boss]
`

// dutyRig has machines enough for several incidents.
func dutyRig(t *testing.T) *rig {
	t.Helper()
	var machines []byte
	for i := range 8 {
		machines = fmt.Appendf(machines, "  - {id: s%d, kind: server, in: r1, client: c1}\n", i)
	}
	inv, err := inventory.Load(inventory.Document{Name: "duty.yaml", Data: fmt.Appendf(nil, dutyEstate, machines)})
	if err != nil {
		t.Fatal(err)
	}
	return newRigOf(t, inv)
}

func (r *rig) incidentOf(component string) string {
	r.t.Helper()
	return must[records.Opened](r.t)(r.OpenIncident(r.t.Context(), records.OpenIncidentParams{
		RequestKey: component, Finding: topology.Finding{Component: component, Explains: []string{component}},
	})).Incident.ID
}

func (r *rig) whom(p records.RosterParams) (people []string, roster records.Roster) {
	r.t.Helper()
	p.Team, p.Ladder = "emergency", []inventory.Rung{{Channel: inventory.Telegram, WaitSeconds: 60}, {Channel: inventory.Call, WaitSeconds: 60}}
	roster = must[records.Roster](r.t)(r.Roster(r.t.Context(), p))
	for _, o := range roster.People {
		people = append(people, o.Contact)
	}
	return people, roster
}

func TestRoundRobinBeginsWithAnotherAtEachIncident(t *testing.T) {
	r := dutyRig(t)
	want := [][]string{{"ivan", "petr", "olga"}, {"petr", "olga", "ivan"}, {"olga", "ivan", "petr"}, {"ivan", "petr", "olga"}}
	var ids []string
	for i, w := range want {
		ids = append(ids, r.incidentOf(fmt.Sprintf("s%d", i)))
		got, roster := r.whom(records.RosterParams{Incident: ids[i]})
		if !slices.Equal(got, w) || roster.Mode != inventory.RoundRobin {
			t.Errorf("incident %d pages %v (%s), want %v", i, got, roster.Mode, w)
		}
	}
	if got, _ := r.whom(records.RosterParams{Incident: ids[1]}); !slices.Equal(got, want[1]) {
		t.Errorf("asked again, the second pages %v, want %v: nobody's turn comes twice", got, want[1])
	}
}

func TestWhereNobodyIsOnCallTheFallbackIsPaged(t *testing.T) {
	r := dutyRig(t)
	in := r.incidentOf("s0")
	for _, c := range []struct {
		at   string
		gap  bool
		want []string
	}{
		{"2026-03-14T12:00:00+03:00", false, nil}, {"2026-03-14T03:00:00+03:00", true, []string{"boss"}}, {"2026-03-14T20:59:59+03:00", false, nil}, {"2026-03-14T21:00:00+03:00", true, []string{"boss"}},
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		r.now = at
		got, roster := r.whom(records.RosterParams{Incident: in, Level: 1})
		if roster.Gap != c.gap || c.gap && !slices.Equal(got, c.want) || !c.gap && len(got) != 1 {
			t.Errorf("at %s %v are paged, gap %v; want gap %v", c.at, got, roster.Gap, c.gap)
		}
	}
}

// Who is told to stand down is told by what makes least noise: a message, an
// SMS, a mail; nobody is called for it.
func TestStandDownComesByTheQuietestChannel(t *testing.T) {
	r := dutyRig(t)
	in := r.incidentOf("s0")
	c, ns := r.page(records.PageParams{Incident: in, Team: "emergency", Contacts: []string{"ivan", "petr", "olga", "boss"}, Event: "page.standdown", TakenBy: "ivan", Round: 1, Level: 1})
	by := map[string]inventory.Channel{}
	for _, n := range ns {
		by[n.Contact] = n.Channel
	}
	if by["ivan"] != inventory.Telegram || by["petr"] != inventory.SMS || by["olga"] != inventory.Email {
		t.Errorf("told by %v", by)
	}
	if !slices.Equal(c.Unreachable, []string{"boss"}) {
		t.Errorf("%+v: who has only a telephone is left to sleep", c)
	}
}
