package runbooks_test

import (
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"vakhta/runbooks"
)

func TestBuiltinRunbooksLoad(t *testing.T) {
	l, err := runbooks.Load(runbooks.Builtin(), map[string]any{"updateEvery": "20s"})
	require.NoError(t, err)
	rb, err := l.For(runbooks.Facts{Finding: map[string]any{"kind": "pdu"}, Incident: map[string]any{"severity": "sev2"}})
	require.NoError(t, err)
	require.Equal(t, "server-down", rb.Name)
	require.Equal(t, 20*time.Second, rb.Steps[3].Inform.Every.Std())
	require.Equal(t, "network", rb.Steps[2].Escalate.Team)
	require.Equal(t, 30*time.Minute, rb.Steps[2].Escalate.Quiet.Std())
	require.Len(t, rb.Steps[1].Escalate.Ladder, 2)
	require.Equal(t, time.Minute, rb.Steps[1].Escalate.Ladder[0].Wait.Std())
}

func TestFirstRunbookByNameServes(t *testing.T) {
	file := func(name, on string) *fstest.MapFile {
		return &fstest.MapFile{Data: []byte("runbook: " + name + "\ntitle: T\non: " + on + "\nsteps:\n  - {id: close, resolve: {}}\n")}
	}
	l, err := runbooks.Load(fstest.MapFS{
		"zz.yaml": file("zz", "true"), "aa.yaml": file("aa", `finding.kind == "pdu"`), "notes.txt": {Data: []byte("no runbook")},
	}, nil)
	require.NoError(t, err)
	require.Equal(t, []string{"aa", "zz"}, l.Names())
	for kind, want := range map[string]string{"pdu": "aa", "server": "zz"} {
		rb, err := l.For(runbooks.Facts{Finding: map[string]any{"kind": kind}})
		require.NoError(t, err)
		require.Equal(t, want, rb.Name)
	}
	_, err = l.Get("bb")
	require.EqualError(t, err, `runbook "bb" does not exist: there are aa, zz`)
}

func TestNoRunbookFits(t *testing.T) {
	l, err := runbooks.Load(fstest.MapFS{"small.yaml": {Data: []byte(small)}}, nil)
	require.NoError(t, err)
	_, err = l.For(runbooks.Facts{Finding: map[string]any{"kind": "room"}, Incident: map[string]any{"severity": "sev1"}})
	require.ErrorContains(t, err, "no runbook's `on` fits a room of severity sev1")
}

func TestLoadNamesEveryProblemOfEveryFile(t *testing.T) {
	_, err := runbooks.Load(fstest.MapFS{
		"a.yaml": {Data: []byte("runbook: b\ntitle: T\nsteps:\n  - {id: close, resolve: {}}\n")},
		"c.yaml": {Data: []byte("")},
	}, nil)
	require.EqualError(t, err, "a.yaml:1:10: runbook: \"b\" must be called like its file, \"a\"\nc.yaml:1:1: the file is empty; begin with runbook: NAME")
	_, err = runbooks.Load(fstest.MapFS{}, nil)
	require.ErrorContains(t, err, "there is no runbook")
}

func TestLoadRefusesInputsThatNobodyDeclares(t *testing.T) {
	_, err := runbooks.Load(runbooks.Builtin(), map[string]any{"updateEvry": "20s"})
	require.ErrorContains(t, err, "runbooks.inputs.updateEvry: no runbook declares this input; there are call, lookEvery")
}

func TestACopyDoesNotChangeTheLibrary(t *testing.T) {
	l, err := runbooks.Load(runbooks.Builtin(), nil)
	require.NoError(t, err)
	rb, err := l.Get("server-down")
	require.NoError(t, err)
	rb.Steps[0].Escalate.Team, rb.Inputs["call"] = "nobody", "1s"
	again, err := l.Get("server-down")
	require.NoError(t, err)
	require.Equal(t, "emergency", again.Steps[0].Escalate.Team)
	require.Equal(t, "2m", again.Inputs["call"])
}

func TestRevisionNamesTheTextAndTheInputs(t *testing.T) {
	revision := func(doc string, override map[string]any) string {
		t.Helper()
		rb, err := runbooks.Parse("small.yaml", []byte(doc), override)
		require.NoError(t, err)
		require.Len(t, rb.Revision, 64)
		return rb.Revision
	}
	plain := revision(small, nil)
	require.Equal(t, plain, revision(small, nil))
	require.Equal(t, plain, revision(small, map[string]any{"another": "1s"}), "an input of another runbook changes nothing")
	require.NotEqual(t, plain, revision(small+"# edited\n", nil))
	require.NotEqual(t, plain, revision(small, map[string]any{"every": "5m"}))
	require.NotEqual(t, revision(small, map[string]any{"limit": 3}), revision(small, map[string]any{"limit": 4}))
	require.Equal(t, revision(small, map[string]any{"limit": 3}), revision(small, map[string]any{"limit": uint64(3)}))
}

func TestConfiguredInputsReplaceDefaults(t *testing.T) {
	rb, err := runbooks.Parse("small.yaml", []byte(small), map[string]any{"every": "5m", "limit": 3, "loud": false, "words": "run"})
	require.NoError(t, err)
	require.Equal(t, map[string]any{"every": "5m", "limit": 3.0, "loud": false, "words": "run"}, rb.Inputs)
	require.Equal(t, 5*time.Minute, rb.Steps[1].Inform.Every.Std())
	require.Equal(t, 3, rb.Steps[3].Verify.Stable)
	for name, value := range map[string]any{"every": "often", "limit": "3", "loud": 1, "words": []string{"a"}} {
		_, err := runbooks.Parse("small.yaml", []byte(small), map[string]any{name: value})
		require.ErrorContains(t, err, "inputs."+name+": the configuration's value must be a ")
	}
}
