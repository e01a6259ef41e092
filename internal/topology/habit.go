package topology

import "time"

// Habit is how a component usually answers one question from one vantage.
type Habit struct {
	Component string
	Probe     Probe
	Peer      string
	Vantage   string
	Asked     int           // sweeps that asked
	Answered  int           // sweeps to which it was up
	Silent    int           // sweeps since it was last up
	RTT       time.Duration // of its answers, averaged with a weight that fades; 0: never measured
	Deviation time.Duration // of those from the average, likewise
	FirstAt   time.Time     // when it was first asked
	LastAt    time.Time     // when it was last asked
	LastUp    time.Time     // when it was last up; zero: never
	SilentAt  time.Time     // when it last fell silent: was first not up after it was; zero: never, or nobody knows
}

const (
	// oldAfter is how long something must have been silent for its silence to
	// be nothing new, and oldSweeps how often it must have been asked meanwhile.
	oldAfter  = 24 * time.Hour
	oldSweeps = 3
	// never: what has been silent from the first is believed sooner.
	never = time.Hour
)

// WasSilent says whether it had ceased to answer long before: a host that never
// answers ping by policy, a machine that has been off since the day before
// yesterday, a BMC that nobody connected. That it doesn't answer now is not news.
func (h *Habit) WasSilent(now time.Time) bool {
	if h.Silent < oldSweeps {
		return false
	}
	if h.LastUp.IsZero() {
		return now.Sub(h.FirstAt) >= never
	}
	return now.Sub(h.LastUp) >= oldAfter
}
