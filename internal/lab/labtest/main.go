package labtest

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"vakhta/internal/lab/devtemporal"
)

// home is where the binaries and the shared stand of this test binary live.
var home string

// Main runs a package's tests: it builds worker, gateway and the embedded
// Temporal server once, when the first stand is opened, and closes what the
// tests shared. Call it from TestMain; it does not return.
func Main(m *testing.M) {
	var err error
	if home, err = os.MkdirTemp("", "vakhta-labtest-"); err != nil {
		fmt.Fprintln(os.Stderr, "make a folder for the tests of the whole system:", err)
		os.Exit(1)
	}
	code := m.Run()
	closeShared()
	_ = os.RemoveAll(home)
	os.Exit(code)
}

type binaries struct{ worker, gateway string }

// build builds our programs from the sources of this tree.
var build = sync.OnceValues(func() (binaries, error) {
	if home == "" {
		return binaries{}, fmt.Errorf("call labtest.Main from TestMain")
	}
	if _, err := devtemporal.Build(context.Background(), io.Discard); err != nil {
		return binaries{}, err
	}
	b := binaries{worker: filepath.Join(home, "vakhta-worker"), gateway: filepath.Join(home, "vakhta")}
	for path, source := range map[string]string{b.worker: "vakhta/worker", b.gateway: "vakhta/starter"} {
		out, err := exec.Command("go", "build", "-o", path, source).CombinedOutput()
		if err != nil {
			return b, fmt.Errorf("build %s: %w\n%s", source, err, out)
		}
	}
	return b, nil
})
