package probe

import (
	"maps"
	"slices"
	"strings"

	"vakhta/internal/topology"
)

// weight says how much a probe tells of the component that it is made of; the
// weightiest that were made decide.
type weight int

const (
	beside  weight = iota + 1 // what it says of others, or its supplies of their feeds
	device                    // what its BMC or its agent says of it
	service                   // what it does for those who use it
)

// weights are the probes that there are.
var weights = map[topology.Probe]weight{
	topology.ProbeTCP: service, topology.ProbeICMP: service,
	topology.ProbeTLS: service, topology.ProbeHTTP: service, topology.ProbeDNS: service, topology.ProbeSSH: service,
	topology.ProbePower: device, topology.ProbeSNMP: device,
	topology.ProbePSU: beside, topology.ProbePort: beside, topology.ProbeOutlet: beside,
	topology.ProbeFeed: beside, topology.ProbeGuest: beside,
}

func known() string {
	var names []string
	for p := range maps.Keys(weights) {
		names = append(names, string(p))
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// verdicts folds the observations into one result per component.
func (s *shard) verdicts() map[string]topology.Result {
	verdicts := make(map[string]topology.Result, len(s.tasks))
	decided := make(map[string]weight, len(s.tasks))
	var unpinged []string // of which a ping could not tell
	for _, o := range s.observations {
		if o.Probe == topology.ProbeICMP && o.Result == topology.Unknown {
			unpinged = append(unpinged, o.Component)
			continue
		}
		w, r := weights[o.Probe], o.Result
		if w < decided[o.Component] {
			continue
		}
		was := verdicts[o.Component]
		if w > decided[o.Component] {
			was, decided[o.Component] = "", w
		}
		if w == beside {
			verdicts[o.Component] = answeredAtAll(was, r)
		} else {
			verdicts[o.Component] = worse(was, r)
		}
	}
	// A prober that may not ping doesn't make a machine unknown of which the other probes tell.
	for _, id := range unpinged {
		if decided[id] < service {
			verdicts[id] = topology.Unknown
		}
	}
	for _, t := range s.tasks { // of which nothing was observed
		if verdicts[t.component.ID] == "" {
			verdicts[t.component.ID] = topology.Unknown
		}
	}
	return verdicts
}

func worse(was, r topology.Result) topology.Result {
	if was == "" || r == topology.Down || r == topology.Unknown && was != topology.Down {
		return r
	}
	return was
}

// answeredAtAll is up once the device has told something, whatever it told.
func answeredAtAll(was, r topology.Result) topology.Result {
	if was == topology.Up || r != topology.Unknown {
		return topology.Up
	}
	return topology.Unknown
}
