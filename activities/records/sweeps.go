package records

import (
	"context"
	"fmt"
	"slices"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// shardSize is how many components one probe activity is given: FIELD-NOTES §0
// measured batches of 50–200 as the knee between history and parallelism.
const shardSize = 200

// maxNeighbours bounds the bystanders that are asked to tell suspects apart: a
// few of each suspect are enough.
const maxNeighbours = 150

// maxFollowUp bounds the components that one deciding or confirming round may probe.
const maxFollowUp = 2000

// Scope is what a localization looks at: exactly one field is set.
type Scope struct {
	Client     string   `json:"client,omitempty"`
	Site       string   `json:"site,omitempty"`
	Components []string `json:"components,omitempty"`
	All        bool     `json:"all,omitempty"`
}

// Shard is a batch of components of one site, for one vantage.
type Shard struct {
	Site       string           `json:"site"`
	Vantage    string           `json:"vantage"`
	Components []string         `json:"components"`
	Probes     []topology.Probe `json:"probes,omitempty"` // empty: what the profile says
}

// SweepPlan is what a sweep will probe, the largest site first.
type SweepPlan struct {
	Total  int         `json:"total"`
	Sites  []SiteCount `json:"sites"`
	Shards []Shard     `json:"shards"`
}

// PlanSweep resolves a scope to shards.
func (a *Activities) PlanSweep(_ context.Context, s Scope) (SweepPlan, error) {
	servers, err := a.resolve(s)
	if err != nil {
		return SweepPlan{}, err
	}
	plan := SweepPlan{Total: len(servers), Sites: a.countSites(servers)}
	plan.Shards = a.shard(servers, nil)
	return plan, nil
}

func (a *Activities) resolve(s Scope) ([]string, error) {
	switch {
	case s.Client != "":
		if _, ok := a.inv.Client(s.Client); !ok {
			return nil, invalid("client: the inventory has no client %q; see `vakhta inventory show`", s.Client)
		}
		return a.inv.ServersOf(s.Client), nil
	case s.Site != "":
		if _, ok := a.inv.Site(s.Site); !ok {
			return nil, invalid("site: the inventory has no site %q; see `vakhta inventory show`", s.Site)
		}
		return a.inv.ServersAt(s.Site), nil
	case len(s.Components) > 0:
		for i, id := range s.Components {
			if _, ok := a.inv.Component(id); !ok {
				return nil, invalid("components[%d]: the inventory has no component %q", i, id)
			}
		}
		return slices.Compact(slices.Sorted(slices.Values(s.Components))), nil
	default:
		return a.inv.Servers(), nil
	}
}

// shard groups components by site and vantage, the largest site first.
func (a *Activities) shard(ids []string, probes []topology.Probe) []Shard {
	bySite := map[string][]string{}
	for _, id := range ids {
		c, ok := a.inv.Component(id)
		if !ok || (c.Probe.Address == "" && !c.Probe.BMC.Given()) {
			continue // nothing to ask: never a probe to what the inventory doesn't hold
		}
		bySite[c.Site] = append(bySite[c.Site], id)
	}
	var shards []Shard
	for _, n := range a.countSites(ids) {
		vantage := n.Site
		if s, ok := a.inv.Site(n.Site); ok && len(s.Vantages) > 0 {
			vantage = s.Vantages[0]
		}
		for part := range slices.Chunk(bySite[n.Site], shardSize) {
			shards = append(shards, Shard{Site: n.Site, Vantage: vantage, Components: part, Probes: probes})
		}
	}
	return shards
}

// Inferred is what a round of inference came to, and what would sharpen it.
type Inferred struct {
	Findings    []topology.Finding `json:"findings"`
	Unexplained []string           `json:"unexplained,omitempty"`
	Down        int                `json:"down"`
	// Decide are the probes that would tell the explanations apart.
	Decide []Shard `json:"decide,omitempty"`
	// Confirm are the machines that the findings take down: asked once more
	// before a person is woken or a client is told.
	Confirm []Shard `json:"confirm,omitempty"`
}

// Infer explains the observations of a sweep.
func (a *Activities) Infer(ctx context.Context, sweep string) (Inferred, error) {
	obs, err := a.store.Observations(ctx, sweep)
	if err != nil {
		return Inferred{}, fmt.Errorf("read observations of sweep %s: %w", sweep, err)
	}
	inf := a.graph.Infer(obs)
	out := Inferred{Findings: inf.Findings, Unexplained: inf.Unexplained, Down: inf.Down}
	if inf.Down == 0 {
		return out, nil
	}
	seen := map[string]bool{}
	for _, o := range obs {
		seen[o.Component+"/"+string(o.Probe)] = true
	}
	out.Decide = a.deciding(inf, obs, seen)
	out.Confirm = a.confirming(inf)
	return out, nil
}

// deciding are the probes not made yet: the power state of machines that are
// down, the management addresses of suspects, and neighbours behind them.
func (a *Activities) deciding(inf topology.Inference, obs []topology.Observation, seen map[string]bool) []Shard {
	down := downServers(a.inv, obs)
	power := map[string]bool{}
	service := map[string]bool{}
	for _, id := range down {
		if c, _ := a.inv.Component(id); c.Probe.BMC.Given() && !seen[id+"/"+string(topology.ProbePower)] {
			power[id] = true
		}
	}
	for _, r := range inf.Next {
		if seen[r.Component+"/"+string(r.Probe)] {
			continue
		}
		if r.Probe == topology.ProbePower {
			power[r.Component] = true
		} else {
			service[r.Component] = true
		}
	}
	// One missed probe may be chance: what nothing explains is asked once more.
	for _, id := range inf.Unexplained[:min(len(inf.Unexplained), maxNeighbours)] {
		service[id] = true
	}
	for _, id := range a.graph.Neighbours(down, maxNeighbours) {
		if !seen[id+"/"+string(topology.ProbeTCP)] && !seen[id+"/"+string(topology.ProbeICMP)] {
			service[id] = true
		}
	}
	shards := a.shard(sorted(power), []topology.Probe{topology.ProbePower})
	return append(shards, a.shard(sorted(service), nil)...)
}

// confirming are all machines that the findings should take down.
func (a *Activities) confirming(inf topology.Inference) []Shard {
	again := map[string]bool{}
	for _, f := range inf.Findings {
		for _, id := range f.Explains {
			again[id] = true
		}
		if len(again) < maxFollowUp {
			for _, id := range a.graph.Blast(f.Component).Servers {
				again[id] = true
			}
		}
	}
	return a.shard(sorted(again), nil)
}

func downServers(inv *inventory.Inventory, obs []topology.Observation) []string {
	down := map[string]bool{}
	for _, o := range obs {
		if c, ok := inv.Component(o.Component); ok && c.Kind == inventory.KindServer && o.Probe != topology.ProbePower {
			down[o.Component] = o.Result == topology.Down
		}
	}
	for id, is := range down {
		if !is {
			delete(down, id)
		}
	}
	return sorted(down)
}

func sorted(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for id := range set {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
