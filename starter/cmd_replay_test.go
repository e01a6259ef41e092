package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/internal/topology"
)

// replayExample writes the files of the example in docs/observations.md.
func replayExample(t *testing.T) (dir string, estate, sweep, before string) {
	t.Helper()
	page, err := os.ReadFile("../docs/observations.md")
	must(t, err)
	_, example, found := strings.Cut(string(page), "## Example")
	if !found {
		t.Fatal("docs/observations.md has no example")
	}
	dir = t.TempDir()
	names := []string{"estate.yaml", "sweep.jsonl", "before.jsonl"}
	paths := make([]string, len(names))
	for i, name := range names {
		_, block, found := strings.Cut(example, "```"+strings.TrimPrefix(filepath.Ext(name), ".")+"\n")
		if !found {
			t.Fatalf("docs/observations.md has no %s", name)
		}
		text, rest, _ := strings.Cut(block, "```\n")
		example = rest
		paths[i] = filepath.Join(dir, name)
		write(t, paths[i], text)
	}
	return dir, paths[0], paths[1], paths[2]
}

func replayed(t *testing.T, args ...string) (topology.Inference, string) {
	t.Helper()
	code, out, errOut := vakhta(t, append([]string{"localize", "replay"}, args...)...)
	if code != exitOK {
		t.Fatalf("exit %d: %s", code, errOut)
	}
	var inf topology.Inference
	must(t, json.Unmarshal([]byte(out), &inf))
	return inf, errOut
}

func TestReplayOfTheDocumentedExample(t *testing.T) {
	quietEnvironment(t)
	_, estate, sweep, before := replayExample(t)
	inf, errOut := replayed(t, sweep, "--inventory", estate, "--before", before, "--explain")
	if len(inf.Findings) != 1 || inf.Findings[0].Component != "pdu-a" ||
		!slices.Equal(inf.Findings[0].Explains, []string{"srv-1", "srv-2", "srv-3"}) {
		t.Errorf("findings %+v, want pdu-a with srv-1, srv-2 and srv-3", inf.Findings)
	}
	for _, says := range []string{"7 observations read, 6 used", "left out: 1 as in the earlier sweep", "LOG-ODDS", "pdu-a"} {
		if !strings.Contains(errOut, says) {
			t.Errorf("stderr does not say %q:\n%s", says, errOut)
		}
	}
	if strings.Contains(errOut, "swapped") {
		t.Errorf("stderr asks whether the files are swapped:\n%s", errOut)
	}
	if _, errOut := replayed(t, before, "--inventory", estate, "--before", sweep); !strings.Contains(errOut, "are they swapped?") {
		t.Errorf("stderr does not ask whether the files are swapped:\n%s", errOut)
	}
	without, _ := replayed(t, sweep, "--inventory", estate)
	if without.Down != inf.Down+1 {
		t.Errorf("%d down without the earlier sweep, %d with it; want srv-5 more", without.Down, inf.Down)
	}
}

func TestReplayToleratesWhatSaysNothing(t *testing.T) {
	quietEnvironment(t)
	dir, estate, sweep, before := replayExample(t)
	text, err := os.ReadFile(sweep)
	must(t, err)
	clean, _ := replayed(t, sweep, "--inventory", estate, "--before", before)
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	slices.Reverse(lines)
	for _, l := range lines[:2] {
		lines = append(lines, l, strings.ReplaceAll(l, "2026-03-01T12", "2026-03-01T11"))
	}
	lines = append(lines, "",
		`{"component":"srv-2","probe":"tcp","vantage":"msk","at":"2026-03-01T10:00:00Z","result":"up"}`,
		`{"component":"nobody","probe":"tcp","vantage":"msk","at":"2026-03-01T12:00:00Z","result":"down"}`,
		`{"component":"srv-1","probe":"smell","vantage":"msk","at":"2026-03-01T12:00:00Z","result":"down","taste":1}`)
	muddled := filepath.Join(dir, "muddled.jsonl")
	write(t, muddled, strings.Join(lines, "\n"))
	got, errOut := replayed(t, muddled, "--inventory", estate, "--before", before)
	// The stale row tells one thing: how long all was well.
	if at := got.Findings[0].Worked; !at.Equal(time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC)) {
		t.Errorf("it last worked at %s, want when the stale row saw it", at)
	}
	got.Findings[0].Worked = clean.Findings[0].Worked
	want, err := json.Marshal(clean)
	must(t, err)
	if have, err := json.Marshal(got); err != nil || !bytes.Equal(have, want) {
		t.Errorf("muddled rows gave\n%s\nwant\n%s", have, want)
	}
	for _, says := range []string{"1 about components", "1 that say nothing", "1 doubled", "3 stale", "2 as in"} {
		if !strings.Contains(errOut, says) {
			t.Errorf("stderr does not say %q:\n%s", says, errOut)
		}
	}
}

func TestReplayTakesAnyDetailAndFilesWithoutRows(t *testing.T) {
	quietEnvironment(t)
	dir, estate, sweep, _ := replayExample(t)
	text, err := os.ReadFile(sweep)
	must(t, err)
	clean, _ := replayed(t, sweep, "--inventory", estate)
	for i, detail := range []string{`null`, `17`, `{"code": 110, "errno": "ETIMEDOUT"}`, `["a", "b"]`, `"таймаут \u0000"`, `true`} {
		file := filepath.Join(dir, "details.jsonl")
		write(t, file, strings.ReplaceAll(strings.ReplaceAll(string(text), `"timeout"`, detail), "\n", "\r\n"))
		got, _ := replayed(t, file, "--inventory", estate)
		if len(got.Findings) != 1 || got.Findings[0].Component != clean.Findings[0].Component {
			t.Errorf("detail %d, %s: %+v", i, detail, got.Findings)
		}
	}
	empty := filepath.Join(dir, "empty.jsonl")
	write(t, empty, "\n")
	for _, args := range [][]string{{empty}, {empty, "--before", empty}, {empty, "--before", sweep}} {
		code, out, errOut := vakhta(t, append(append([]string{"localize", "replay"}, args...), "--inventory", estate)...)
		if code != exitOK || !strings.Contains(out, `"findings": []`) {
			t.Errorf("%v: exit %d, stdout %q, stderr %q; want no findings", args, code, out, errOut)
		}
	}
	if got, _ := replayed(t, sweep, "--inventory", estate, "--before", empty); len(got.Findings) != len(clean.Findings) {
		t.Errorf("with an empty earlier sweep %+v, want %+v", got.Findings, clean.Findings)
	}
}

func TestReplayRefusesAMalformedLineByNumber(t *testing.T) {
	quietEnvironment(t)
	dir, estate, sweep, _ := replayExample(t)
	good := `{"component":"srv-1","probe":"tcp","at":"2026-03-01T12:00:00Z","result":"down"}` + "\n"
	tests := []struct{ name, line, says string }{
		{"no JSON", "srv-1 is down", "not an observation"},
		{"cut short", `{"component":"srv-1","probe"`, "not an observation"},
		{"a list", `[` + strings.TrimSpace(good) + `]`, "write one JSON object a line"},
		{"a number for a name", `{"component":5,"probe":"tcp","at":"2026-03-01T12:00:00Z","result":"up"}`, "component is a JSON number; write it as text"},
		{"a time in words", `{"component":"srv-1","probe":"tcp","at":"yesterday","result":"up"}`, `at is "yesterday"; write the time as RFC 3339`},
		{"no result", `{"component":"srv-1","probe":"tcp","at":"2026-03-01T12:00:00Z"}`, "result is missing"},
		{"two on a line", strings.TrimSpace(good) + strings.TrimSpace(good), "not an observation"},
		{"null", "null", "not an observation but a JSON null; write one JSON object a line"},
		{"a line without end", `{"component":"srv-1","detail":"` + strings.Repeat("x", longestLine) + `"}`, "the line is longer than 1024 KiB; write one observation a line"},
		{"no component", `{"probe":"tcp","at":"2026-03-01T12:00:00Z","result":"down"}`, "component is missing; name what was asked"},
		{"no probe", `{"component":"srv-1","at":"2026-03-01T12:00:00Z","result":"down"}`, "probe is missing; say what was asked"},
		{"no time", `{"component":"srv-1","probe":"tcp","result":"down"}`, "at is missing"},
		{"a time that is none", `{"component":"srv-1","probe":"tcp","at":"noon","result":"down"}`, "noon"},
		{"another result", `{"component":"srv-1","probe":"tcp","at":"2026-03-01T12:00:00Z","result":"perhaps"}`, `"perhaps"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(dir, "bad.jsonl")
			write(t, file, good+good+tt.line+"\n"+good)
			for _, args := range [][]string{{file}, {sweep, "--before", file}} {
				code, out, errOut := vakhta(t, append(append([]string{"localize", "replay"}, args...), "--inventory", estate)...)
				if code != exitRefused || out != "" || !strings.Contains(errOut, "bad.jsonl:3: ") || !strings.Contains(errOut, tt.says) {
					t.Errorf("exit %d, stdout %q, stderr %q; want exit %d and line 3: %s", code, out, errOut, exitRefused, tt.says)
				}
			}
		})
	}
	for name, args := range map[string]string{
		"FILE is missing":                    "localize replay",
		"nowhere.jsonl":                      "localize replay nowhere.jsonl --inventory " + estate,
		"nowhere.yaml":                       "localize replay " + sweep + " --inventory nowhere.yaml",
		"no configuration":                   "localize replay " + sweep,
		dir + " is a directory; name a file": "localize replay " + dir + " --inventory " + estate,
		"only one of them can be read from standard input": "localize replay - --before - --inventory " + estate,
	} {
		if code, _, errOut := vakhta(t, strings.Fields(args)...); code == exitOK || !strings.Contains(errOut, name) {
			t.Errorf("%s: exit %d, stderr %q; want it to say %q", args, code, errOut, name)
		}
	}
}

func TestReplayTakesProbesByTheirOtherNames(t *testing.T) {
	for line, want := range map[string]topology.Observation{
		`{"component":"a","probe":"ping","at":"2026-03-01T12:00:00Z","result":"down"}`:   {Probe: topology.ProbeICMP, Result: topology.Down},
		`{"component":"a","probe":"Redfish","at":"2026-03-01T12:00:00Z","result":"off"}`: {Probe: topology.ProbePower, Result: topology.Down},
		`{"component":"a","probe":"power","at":"2026-03-01T12:00:00Z","result":"on"}`:    {Probe: topology.ProbePower, Result: topology.Up},
	} {
		if o, err := parseObservation([]byte(line)); err != nil || o.Probe != want.Probe || o.Result != want.Result {
			t.Errorf("%s is read as %+v, %v", line, o, err)
		}
	}
	if _, err := parseObservation([]byte(`{"component":"a","probe":"tcp","at":"2026-03-01T12:00:00Z","result":"off"}`)); err == nil {
		t.Error("a port that is off is read")
	}
}

func TestReplayReadsStandardInput(t *testing.T) {
	quietEnvironment(t)
	_, estate, sweep, before := replayExample(t)
	want, _ := replayed(t, sweep, "--inventory", estate, "--before", before)
	for stdin, args := range map[string][]string{sweep: {"-", "--before", before}, before: {sweep, "--before", "-"}} {
		rows, err := os.ReadFile(stdin)
		must(t, err)
		var out, errOut bytes.Buffer
		if code := run(t.Context(), append(append([]string{"localize", "replay"}, args...), "--inventory", estate), bytes.NewReader(rows), &out, &errOut); code != exitOK {
			t.Fatalf("%v: exit %d: %s", args, code, errOut.String())
		}
		var got topology.Inference
		must(t, json.Unmarshal(out.Bytes(), &got))
		if len(got.Findings) != 1 || got.Findings[0].Component != want.Findings[0].Component || got.Down != want.Down {
			t.Errorf("%v: %+v, want %+v", args, got.Findings, want.Findings)
		}
	}
}

func TestReplaySaysInItsOutputThatNothingIsKnown(t *testing.T) {
	quietEnvironment(t)
	dir, estate, sweep, before := replayExample(t)
	strangers := filepath.Join(dir, "strangers.jsonl")
	write(t, strangers, `{"component":"nobody","probe":"tcp","vantage":"msk","at":"2026-03-01T12:00:00Z","result":"down"}`)
	old := filepath.Join(dir, "old.jsonl")
	write(t, old, `{"component":"srv-5","probe":"tcp","vantage":"msk","at":"2026-03-01T12:00:00Z","result":"down"}`)
	for _, tt := range []struct {
		args []string
		want bool
	}{{[]string{strangers}, true}, {[]string{sweep}, false}, {[]string{old, "--before", before}, false}} {
		code, out, errOut := vakhta(t, append(append([]string{"localize", "replay"}, tt.args...), "--inventory", estate)...)
		if code != exitOK || strings.Contains(out, `"nothingKnown": true`) != tt.want {
			t.Errorf("%v: exit %d, stdout %s, stderr %s; want nothingKnown %t", tt.args, code, out, errOut, tt.want)
		}
	}
}

func TestReplayReadsTimesAsProgramsWriteThem(t *testing.T) {
	want := time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC)
	for _, text := range []string{
		"2026-03-01T09:00:00Z", "2026-03-01t09:00:00z", "2026-03-01 12:00:00+03:00", "2026-03-01T12:00:00+0300", "2026-03-01T12:00:00.000+03",
	} {
		o, err := parseObservation([]byte(`{"component": "a", "probe": "tcp", "at": "` + text + `", "result": "up"}`))
		must(t, err)
		if !o.At.Equal(want) {
			t.Errorf("%s is read as %s", text, o.At)
		}
	}
	for _, text := range []string{"2026-03-01T09:00:00", "2026-03-01", "12:00", "1772355600", ""} {
		if o, err := parseObservation([]byte(`{"component": "a", "probe": "tcp", "at": "` + text + `", "result": "up"}`)); err == nil {
			t.Errorf("%q is read as %s", text, o.At)
		}
	}
}

func TestReplayEndsWhenItIsInterrupted(t *testing.T) {
	quietEnvironment(t)
	_, estate, _, _ := replayExample(t)
	ctx, interrupt := context.WithCancel(context.Background())
	never, end := io.Pipe() // a sweep that never comes
	defer end.Close()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"localize", "replay", "-", "--inventory", estate}, never, io.Discard, io.Discard)
	}()
	interrupt()
	select {
	case got := <-code:
		if got != exitFailure {
			t.Errorf("exit %d", got)
		}
	case <-time.After(20 * time.Second):
		t.Error("it goes on")
	}
}
