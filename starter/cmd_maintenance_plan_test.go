package main

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestWorkIsPlannedByFlags(t *testing.T) {
	config, _ := desk(t, "")
	plan := func(args ...string) (int, string, string) {
		return vakhta(t, append([]string{"--config", config, "maintenance", "plan", "--dry-run", "--json"}, args...)...)
	}
	given := []string{
		"--components", "srv-0001", "--start", "2030-12-01 02:00", "--end", "2030-12-01 05:00",
		"--title-ru", "Замена диска", "--title-en", "A new disk",
	}
	code, out, errOut := plan(given...)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	var measured struct{ Servers int }
	must(t, json.Unmarshal([]byte(out), &measured))
	if measured.Servers != 1 {
		t.Errorf("%+v, want one server: %s", measured, out)
	}

	for name, c := range map[string]struct {
		args []string
		code int
		say  []string
	}{
		"nothing":     {nil, exitUsage, []string{"FILE", "--components"}},
		"both":        {append([]string{"work.yaml"}, given...), exitUsage, []string{"not both"}},
		"unknown":     {append(given, "--components", "pdu-99"), exitRefused, []string{`components[1]`, `"pdu-99"`}},
		"bad impact":  {append(given, "--impact", "bad"), exitRefused, []string{"impact", `"bad"`}},
		"no titles":   {given[:6], exitRefused, []string{"title.ru", "title.en"}},
		"end missing": {given[:4], exitRefused, []string{"end:"}},
	} {
		code, _, errOut := plan(c.args...)
		if code != c.code {
			t.Errorf("%s: exit %d, want %d: %s", name, code, c.code, errOut)
		}
		for _, want := range c.say {
			if !strings.Contains(errOut, want) {
				t.Errorf("%s: does not say %q: %s", name, want, errOut)
			}
		}
	}
}
