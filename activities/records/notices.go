package records

import (
	"slices"
	"strings"

	"vakhta/internal/topology"
)

// mostNotices is of how many services a localization tells.
const mostNotices = 50

// services are the probes of what machines serve.
var services = []topology.Probe{topology.ProbeTLS, topology.ProbeHTTP, topology.ProbeDNS, topology.ProbeSSH}

// Notice is what is worth knowing of a machine that answers: a service of it that does not do as it
// should, or that soon won't.
type Notice struct {
	Component string         `json:"component"`
	Probe     topology.Probe `json:"probe"`
	Unwell    bool           `json:"unwell,omitempty"` // false: it is well, and won't be for long
	Text      string         `json:"text"`             // "port 443: status 503"
}

// services asks what the machines serve, of those whose services are not asked anyway because
// they are all that can be.
func (q *questions) services(ids []string) {
	for _, id := range ids {
		c, ok := q.a.inv.Component(id)
		if !ok || c.Probe.Address == "" || len(c.Probe.TCP) == 0 && !c.Probe.ICMP {
			continue
		}
		if p := &c.Probe; len(p.TLS)+len(p.HTTP)+len(p.DNS)+len(p.SSH) > 0 {
			q.add(q.vantages(c.Site), false, services, false, id)
		}
	}
}

// notices are what the latest rows of services tell of machines that answer. Where nothing but a
// service was asked of a machine, that is the finding's to tell.
func notices(obs []topology.Observation) []Notice {
	lives := map[string]bool{}
	latest := map[question]*topology.Observation{}
	for i := range obs {
		o := &obs[i]
		key := question{component: o.Component, probe: o.Probe}
		if was := latest[key]; slices.Contains(services, o.Probe) && (was == nil || o.At.After(was.At)) {
			latest[key] = o
		}
	}
	if len(latest) == 0 {
		return nil
	}
	for i := range obs {
		if o := &obs[i]; reaches(o.Probe) && !slices.Contains(services, o.Probe) && o.Result == topology.Up {
			lives[o.Component] = true
		}
	}
	var out []Notice
	for _, o := range latest {
		unwell := o.Result == topology.Down && lives[o.Component]
		if soon := o.Result == topology.Up && o.Probe == topology.ProbeTLS && strings.Contains(o.Detail, "certificate expires in"); unwell || soon {
			out = append(out, Notice{Component: o.Component, Probe: o.Probe, Unwell: unwell, Text: o.Detail})
		}
	}
	slices.SortFunc(out, func(a, b Notice) int {
		if a.Unwell != b.Unwell {
			if a.Unwell {
				return -1
			}
			return 1
		}
		return strings.Compare(a.Component+" "+string(a.Probe), b.Component+" "+string(b.Probe))
	})
	return out[:min(len(out), mostNotices)]
}

// serveAgain asks once more for services that were seen to fail in one round only.
func (r *round) serveAgain(ns []Notice) {
	for _, n := range ns {
		if n.Unwell && r.failedIn[question{component: n.Component, probe: n.Probe}] == 1 {
			r.ask([]topology.Probe{n.Probe}, n.Component)
		}
	}
}
