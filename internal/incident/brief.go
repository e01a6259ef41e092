package incident

import "slices"

// headOf is how many of its servers a brief incident names.
const headOf = 200

// Brief is the incident as the histories of workflows hold it: with the heads of
// long lists, and how long these are. The store has it whole.
func (in Incident) Brief() Incident {
	in.Finding = in.Finding.Brief()
	if len(in.Servers) > headOf {
		in.ServerCount, in.Servers = len(in.Servers), slices.Clone(in.Servers[:headOf])
	}
	return in
}

// Cut says that lists lack their tails.
func (in *Incident) Cut() bool { return in.ServerCount > len(in.Servers) || in.Finding.Cut() }

// Affected is how many servers it has taken down, those that a brief one doesn't name among them.
func (in *Incident) Affected() int { return max(in.ServerCount, len(in.Servers)) }
