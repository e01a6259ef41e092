package main

import (
	"path/filepath"
	"strings"
	"testing"

	"vakhta/internal/inventory"
)

const importFiles = "../internal/dutyfile/testdata/"

// writeDuty writes a configuration with a team that has a rotation.
func writeDuty(t *testing.T) string {
	t.Helper()
	quietEnvironment(t)
	dir := t.TempDir()
	cfg := writeConfig(t, dir)
	write(t, filepath.Join(dir, "estate.yaml"), testEstate+`  - id: network
    timezone: Europe/Moscow
    members:
      - {id: vera, name: Vera Kim, addresses: {email: vera@example.net, call: "+79000000004"}}
      - {id: oleg, name: Oleg, addresses: {call: "+79000000005"}}
      - {id: chief, name: Chief, role: manager, addresses: {call: "+79000000006"}}
    rotations: [{id: primary, layers: [{every: week, from: 2026-11-02, people: [vera, oleg]}]}]
    levels: [{rotations: [primary], ackWithin: 5m}]
`)
	if code, _, errOut := vakhta(t, "migrate", "--config", cfg); code != exitOK {
		t.Fatalf("migrate: exit %d: %s", code, errOut)
	}
	return cfg
}

// What is printed is a team that the inventory takes once people can be reached.
func TestSchedulesOfOtherSystemsBecomeATeam(t *testing.T) {
	cfg := writeDuty(t)
	for file, lost := range map[string]int{"pagerduty.json": 1, "opsgenie.json": 2} {
		code, out, errOut := vakhta(t, "oncall", "import", importFiles+file, "--team", "taken-over", "--config", cfg)
		if code != exitRefused || strings.Count(errOut, "not taken over:") != lost {
			t.Errorf("%s: exit %d, says %q; want what is lost to be said", file, code, errOut)
		}
		out = strings.ReplaceAll(out, "addresses: {}", `addresses: {call: "+79000000009"}`)
		inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(testEstate)}, inventory.Document{Name: "teams.yaml", Data: []byte(out)})
		if err != nil {
			t.Errorf("%s: the inventory refuses it: %v\n%s", file, err, out)
			continue
		}
		if team, ok := inv.Team("taken-over"); !ok || len(team.Duty.Rotations) == 0 || len(team.Members) == 0 {
			t.Errorf("%s: %+v", file, team)
		}
	}
}

func TestACalendarsTurnsBecomeOverridesOnce(t *testing.T) {
	cfg := writeDuty(t)
	do := func(args ...string) (int, string, string) {
		return vakhta(t, append(args, "--config", cfg)...)
	}
	if code, _, errOut := do("oncall", "import", importFiles+"turns.ics", "--team", "network/primary", "--by", "vera"); code != exitRefused || !strings.Contains(errOut, "takes a manager") {
		t.Errorf("exit %d, %q: only a manager changes the calendar", code, errOut)
	}
	for range 2 {
		code, out, errOut := do("oncall", "import", importFiles+"turns.ics", "--team", "network/primary", "--by", "chief")
		if code != exitRefused || !strings.Contains(errOut, "it repeats") || !strings.Contains(out, "vera") {
			t.Errorf("exit %d: %s %s", code, out, errOut)
		}
	}
	_, out, _ := do("oncall", "override", "list")
	if n := strings.Count(out, "network/primary"); n != 2 {
		t.Errorf("%d overrides after importing twice, want 2:\n%s", n, out)
	}
	if code, _, errOut := do("oncall", "import", importFiles+"turns.ics", "--team", "emergency", "--by", "chief"); code != exitRefused || !strings.Contains(errOut, "TEAM/ROTATION") {
		t.Errorf("exit %d %q", code, errOut)
	}
	if code, _, _ := do("oncall", "import", importFiles+"none.json", "--team", "x"); code != exitNotFound {
		t.Errorf("no such file: exit %d", code)
	}
}
