// Package profile lets a bench see where a process spends its time.
package profile

import (
	"fmt"
	"os"
	"runtime/pprof"
)

// Variable names the file that a process writes its processor profile to; unset: none.
const Variable = "VAKHTA_CPU_PROFILE"

// Start begins the profile that the environment asks for; stop writes it.
func Start() (stop func(), err error) {
	path := os.Getenv(Variable)
	if path == "" {
		return func() {}, nil
	}
	f, err := os.Create(path)
	if err != nil {
		return nil, fmt.Errorf("write the profile that %s asks for: %w", Variable, err)
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("begin the profile that %s asks for: %w", Variable, err)
	}
	return func() {
		pprof.StopCPUProfile()
		_ = f.Close()
	}, nil
}
