package workflows_test

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.temporal.io/sdk/workflow"

	"vakhta/workflows"
)

// recorded holds a folder per workflow type, with the histories of real runs
// on the embedded server. `make gen` records them.
const recorded = "testdata/history"

// types collects the names of what is registered.
type types []string

func (r *types) RegisterWorkflow(w any) {
	name := runtime.FuncForPC(reflect.ValueOf(w).Pointer()).Name()
	*r = append(*r, name[strings.LastIndex(name, ".")+1:])
}

// Every workflow can still replay what it did: a change that it can't would
// strand the incidents that run while it is deployed.
func TestRecordedHistoriesReplay(t *testing.T) {
	var all types
	workflows.Register(&all)
	for _, name := range all {
		t.Run(name, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(recorded, name, "*.json"))
			require.NoError(t, err)
			require.NotEmpty(t, files, "no recorded history of %s; run `make gen`", name)
			for _, file := range files {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
					replay(t, file)
				})
			}
		})
	}
}

// replay runs the history under the id that its workflow had: Incident reads it.
func replay(t *testing.T, file string) {
	t.Helper()
	f, err := os.Open(file)
	require.NoError(t, err)
	defer f.Close()
	history, err := client.HistoryFromJSON(f, client.HistoryJSONOptions{})
	require.NoError(t, err)
	started := history.Events[0].GetWorkflowExecutionStartedEventAttributes()
	replayer := worker.NewWorkflowReplayer()
	workflows.Register(replayer)
	require.NoError(t, replayer.ReplayWorkflowHistoryWithOptions(nil, history, worker.ReplayWorkflowHistoryOptions{
		OriginalExecution: workflow.Execution{ID: started.GetWorkflowId(), RunID: started.GetOriginalExecutionRunId()},
	}))
}

// A folder that no workflow bears the name of is never replayed.
func TestEveryRecordedHistoryBelongsToAWorkflow(t *testing.T) {
	var all types
	workflows.Register(&all)
	folders, err := os.ReadDir(recorded)
	require.NoError(t, err)
	for _, f := range folders {
		require.Contains(t, all, f.Name())
	}
}
