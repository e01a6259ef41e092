package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"
	"go.temporal.io/sdk/temporal"
)

// noTemporal is an address on which nobody listens: port 1 of this machine.
const noTemporal = "127.0.0.1:1"

func vakhta(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	var o, e bytes.Buffer
	code = run(context.Background(), args, strings.NewReader(""), &o, &e)
	return code, o.String(), e.String()
}

// quietEnvironment keeps the settings of whoever runs the tests out of them.
func quietEnvironment(t *testing.T) {
	t.Helper()
	for _, name := range []string{"VAKHTA_CONFIG", "VAKHTA_USER", "VAKHTA_GATEWAY", "TEMPORAL_ADDRESS", "TEMPORAL_NAMESPACE", "TEMPORAL_PROFILE", "TEMPORAL_CONFIG_FILE"} {
		t.Setenv(name, "")
	}
	t.Setenv("XDG_CONFIG_HOME", t.TempDir())
}

func TestExitCodesAndRemedies(t *testing.T) {
	quietEnvironment(t)
	cfg := writeConfig(t, t.TempDir())
	if code, _, errOut := vakhta(t, "migrate", "--config", cfg); code != exitOK {
		t.Fatalf("migrate: exit %d: %s", code, errOut)
	}
	broken := filepath.Join(t.TempDir(), "vakhta.yaml")
	write(t, broken, "store: sqlite:x.db\ninventory: [x.yaml]\nstoer: y\n")
	tests := []struct {
		name string
		args string
		code int
		says string
	}{
		{"help", "--help", exitOK, ""},
		{"version", "version", exitOK, ""},
		{"completion", "completion bash", exitOK, ""},
		{"an unknown command names its neighbour", "incdent", exitUsage, "did you mean incident"},
		{"a flag after an unknown command doesn't hide it", "localise --client acme", exitUsage, "did you mean localize"},
		{"an unknown subcommand names its neighbour", "inventory lnit --all", exitUsage, "did you mean lint"},
		{"an unknown subcommand", "incident frobnicate", exitUsage, `unknown command "frobnicate"`},
		{"an unknown flag", "version --frobnicate", exitUsage, "--frobnicate"},
		{"a missing argument is named", "incident checked inc-1 sw-3", exitUsage, "RESULT is missing"},
		{"an argument too many", "incident show a b", exitUsage, `unexpected argument "b"`},
		{"no configuration", "incident list", exitUsage, "VAKHTA_CONFIG"},
		{"a wrong configuration names file and line", "incident list --config " + broken, exitRefused, broken + ":3:"},
		{"a time that is none", "incident eta inc-1 soon", exitUsage, "45m"},
		{"resolve wants a reason", "incident resolve inc-1", exitUsage, "--reason"},
		{"an unknown section", "postmortem edit inc-1 glory", exitUsage, "summary, impact"},
		{"an action wants an owner", "postmortem add-action inc-1 text", exitUsage, "--owner"},
		{"localize wants one scope", "localize --client a --all", exitUsage, "exactly one"},
		{"report wants words", "report --client acme", exitUsage, "--text"},
		{"Temporal is away", "incident ack inc-1 --address " + noTemporal, exitUnavailable, "vakhta dev"},
		{"Temporal is away for localize", "localize --all --address " + noTemporal, exitUnavailable, noTemporal},
		{"the gateway is away", "report --client acme --text down --gateway http://127.0.0.1:1", exitUnavailable, "vakhta serve"},
		{"list of a quiet night", "incident list --config " + cfg, exitOK, ""},
		{"no such incident", "incident show nope --config " + cfg + " --address " + noTemporal, exitNotFound, "nope"},
		{"no such postmortem", "postmortem show nope --config " + cfg, exitNotFound, "nope"},
		{"no such code", "ack ZZZZZZ --config " + cfg, exitNotFound, "ZZZZZZ"},
		{"no such component", "inventory show nope --config " + cfg, exitNotFound, "nope"},
		{"lint of a file that is not there", "inventory lint nope.yaml", exitNotFound, "nope.yaml"},
		{"lint of a good inventory", "inventory lint --config " + cfg, exitOK, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, _, errOut := vakhta(t, strings.Fields(tt.args)...)
			if code != tt.code {
				t.Errorf("exit %d, want %d; stderr: %s", code, tt.code, errOut)
			}
			if !strings.Contains(errOut, tt.says) {
				t.Errorf("stderr %q does not say %q", errOut, tt.says)
			}
		})
	}
}

func TestJSONIsForMachines(t *testing.T) {
	quietEnvironment(t)
	cfg := writeConfig(t, t.TempDir())
	if code, _, errOut := vakhta(t, "migrate", "--config", cfg); code != exitOK {
		t.Fatalf("migrate: exit %d: %s", code, errOut)
	}
	for _, args := range []string{"incident list", "notifications"} {
		code, out, errOut := vakhta(t, append(strings.Fields(args), "--json", "--config", cfg)...)
		if code != exitOK || strings.TrimSpace(out) != "[]" {
			t.Errorf("%s --json: exit %d, stdout %q, stderr %q; want an empty list", args, code, out, errOut)
		}
	}
}

func TestTemporalErrorsHaveExitCodesAndRemedies(t *testing.T) {
	a := &app{temporalAddress: "127.0.0.1:7233", temporalNamespace: "default"}
	tests := []struct {
		name string
		err  error
		code int
		says string
	}{
		{"no workflow", serviceerror.NewNotFound("gone"), exitNotFound, "incident inc-1"},
		{"workflow over", serviceerror.NewNotFound("workflow execution already completed"), exitRefused, "is over"},
		{"no namespace", serviceerror.NewNamespaceNotFound("default"), exitUnavailable, "TEMPORAL_NAMESPACE"},
		{"server away", serviceerror.NewUnavailable("refused"), exitUnavailable, "TEMPORAL_ADDRESS"},
		{"no worker", context.DeadlineExceeded, exitUnavailable, "worker"},
		{"validator says no", temporal.NewApplicationError("at: must be in the future", "invalid"), exitRefused, "must be in the future"},
		{"anything else", errors.New("boom"), exitFailure, "boom"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := a.explain("incident inc-1", tt.err)
			if exitCode(err) != tt.code || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("explain = %q, exit %d; want exit %d and %q", err, exitCode(err), tt.code, tt.says)
			}
		})
	}
	if a.explain("x", nil) != nil {
		t.Error("explain of no error is an error")
	}
}

func TestTimesArePossibleInThreeForms(t *testing.T) {
	now := time.Date(2026, 11, 23, 3, 0, 0, 0, time.Local)
	tests := []struct {
		text string
		want time.Time
	}{
		{"45m", now.Add(45 * time.Minute)},
		{"+1h30m", now.Add(90 * time.Minute)},
		{"04:30", now.Add(90 * time.Minute)},
		{"02:00", now.Add(23 * time.Hour)}, // has passed today: tomorrow's
		{"2026-11-23T04:30:00+03:00", time.Date(2026, 11, 23, 1, 30, 0, 0, time.UTC)},
	}
	for _, tt := range tests {
		got, err := parseInstant(tt.text, now)
		if err != nil || !got.Equal(tt.want) {
			t.Errorf("parseInstant(%q) = %v, %v; want %v", tt.text, got, err, tt.want)
		}
	}
	for _, wrong := range []string{"", "-5m", "soon", "25:00"} {
		if _, err := parseInstant(wrong, now); exitCode(err) != exitUsage {
			t.Errorf("parseInstant(%q): %v; want a usage error", wrong, err)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
