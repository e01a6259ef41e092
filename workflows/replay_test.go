package workflows_test

import (
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"go.temporal.io/sdk/worker"

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
	for _, workflow := range all {
		t.Run(workflow, func(t *testing.T) {
			files, err := filepath.Glob(filepath.Join(recorded, workflow, "*.json"))
			require.NoError(t, err)
			require.NotEmpty(t, files, "no recorded history of %s; run `make gen`", workflow)
			for _, file := range files {
				t.Run(strings.TrimSuffix(filepath.Base(file), ".json"), func(t *testing.T) {
					replayer := worker.NewWorkflowReplayer()
					workflows.Register(replayer)
					require.NoError(t, replayer.ReplayWorkflowHistoryFromJSONFile(nil, file))
				})
			}
		})
	}
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
