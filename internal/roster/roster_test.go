package roster_test

import (
	"testing"
	"time"
	_ "time/tzdata"

	"github.com/stretchr/testify/require"

	"vakhta/internal/inventory"
	"vakhta/internal/roster"
)

const teams = `version: 1
teams:
  - id: network
    timezone: Europe/Moscow
    hours: ["mon-fri 09:00-18:00"]
    holidays: [2027-01-01..2027-01-02]
    members:
      - {id: vera, addresses: {call: "+79000000004"}, pages: [{channel: telegram, wait: 1m}, {channel: call, wait: 2m}]}
      - {id: oleg, addresses: {telegram: "1", call: "+79000000005", email: oleg@example.com}}
      - {id: anna, addresses: {email: anna@example.com}}
    rotations:
      - id: primary
        layers:
          - {every: week, from: 2026-12-28T09:00, people: [vera, oleg]}
          - {every: day, from: 2026-12-28, people: [oleg], during: ["fri 03:00-07:00"], holidays: only}
      - id: day
        layers: [{every: day, from: 2026-12-28, people: [oleg], during: ["mon-fri 09:00-18:00"], holidays: skip}]
      - id: night
        layers: [{every: day, from: 2026-12-28, people: [vera], during: ["07:00-03:00"]}]
    levels:
      - {rotations: [primary], ackWithin: 5m}
    policies:
      - {id: daytime, hours: business, severity: [sev3], levels: [{rotations: [day], ackWithin: 5m}]}
      - {id: later, hours: "off", severity: [sev3], levels: [{rotations: [night], ackWithin: 5m}]}
`

func load(t *testing.T, text string) (*inventory.Inventory, *inventory.Team) {
	inv, err := inventory.Load(inventory.Document{Name: "teams.yaml", Data: []byte(text)})
	require.NoError(t, err)
	team, ok := inv.Team("network")
	require.True(t, ok)
	return inv, team
}

func moscow(s string) time.Time {
	zone, err := time.LoadLocation("Europe/Moscow")
	if err != nil {
		panic(err)
	}
	t, err := time.ParseInLocation("2006-01-02 15:04", s, zone)
	if err != nil {
		panic(err)
	}
	return t
}

func TestLintNamesTheGapAndWhoCannotBeReached(t *testing.T) {
	inv, _ := load(t, teams)
	var got []string
	for _, p := range roster.Lint(inv, nil, moscow("2026-12-31 09:00"), moscow("2027-01-02 09:00")) {
		got = append(got, p.String())
	}
	require.Equal(t, []string{
		`teams.yaml:24:62: teams[network]: nobody is on call in network on 1 January 2027 03:00–07:00 (MSK), level 1 of policy later; add a layer, an override or members to the level`,
		`teams.yaml:24:62: teams[network]: nobody is on call in network on 2 January 2027 03:00–07:00 (MSK), level 1 of policy later; add a layer, an override or members to the level`,
		`teams.yaml:21:9: teams[network].members[anna]: can't be reached by a page: no call, sms or messenger address; add one`,
	}, got)
}

func TestAnOverrideFillsTheGap(t *testing.T) {
	_, team := load(t, teams)
	a, b := moscow("2026-12-31 09:00"), moscow("2027-01-01 09:00")
	require.Len(t, roster.Gaps(team, nil, a, b), 1)
	o := roster.Overrides{{Team: "network", Rotation: "night", Person: "oleg", From: moscow("2027-01-01 00:00"), To: moscow("2027-01-01 08:00")}}
	require.Empty(t, roster.Gaps(team, o, a, b))
}

func TestThePolicyFollowsSeverityAndHours(t *testing.T) {
	_, team := load(t, teams)
	for _, c := range []struct{ at, severity, policy string }{
		{"2026-12-30 12:00", "sev3", "daytime"},
		{"2026-12-30 20:00", "sev3", "later"},
		{"2027-01-01 12:00", "sev3", "later"}, // a Friday, and a holiday
		{"2026-12-30 12:00", "sev1", ""},
	} {
		require.Equal(t, c.policy, team.PolicyAt(c.severity, moscow(c.at)).ID, c.at+" "+c.severity)
	}
}

func TestALadderGoesAsFarAsTheAddresses(t *testing.T) {
	inv, _ := load(t, teams)
	usual := []inventory.Rung{{Channel: inventory.Telegram, WaitSeconds: 60}, {Channel: inventory.SMS, WaitSeconds: 60}}
	for id, want := range map[string][]inventory.Rung{
		"vera": {{Channel: inventory.Call, WaitSeconds: 120}},    // her own, less what she hasn't
		"oleg": {{Channel: inventory.Telegram, WaitSeconds: 60}}, // the usual one
		"anna": {{Channel: inventory.Email, WaitSeconds: 60}},    // what there is
	} {
		c, _ := inv.Contact(id)
		require.Equal(t, want, c.PageLadder(usual), id)
	}
}
