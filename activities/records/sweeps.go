package records

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// Scope is what a localization looks at: exactly one field is set.
type Scope struct {
	Client     string   `json:"client,omitempty"`
	Site       string   `json:"site,omitempty"`
	Components []string `json:"components,omitempty"` // and the machines that hang on them
	All        bool     `json:"all,omitempty"`
	Full       bool     `json:"full,omitempty"` // with All: everything is asked of every machine, not of samples
	// Work is planned work: all that it touches, and what feeds it.
	Work string `json:"work,omitempty"`
}

// PlanSweepParams asks for the first round of a sweep.
type PlanSweepParams struct {
	Sweep string `json:"sweep"` // key of its plan and its observations in the store
	Scope Scope  `json:"scope"`
	// Routine: nobody waits for the answer, and the sweep is to learn habits.
	Routine bool `json:"routine,omitempty"`
}

// ShardRef is a shard of a round as workflows know it: a number and counts.
type ShardRef struct {
	Number int `json:"number"`
	// Vantages may take it, in this order: the next when one is absent.
	Vantages   []string    `json:"vantages"`
	Components int         `json:"components"`
	Sites      []SiteCount `json:"sites,omitempty"` // of those asked for the first time
	// Extra: a second view, without which the answer comes all the same.
	Extra bool `json:"extra,omitempty"`
}

// SweepPlan is what a sweep will probe, the largest site first.
type SweepPlan struct {
	Total  int         `json:"total"`
	Sites  []SiteCount `json:"sites"`
	Shards []ShardRef  `json:"shards"` // of the first round
}

// PlanSweep resolves a scope to the shards of the first round, and keeps them.
// Of a large estate some machines of each failure domain are asked everything,
// the others are pinged; where a domain is not well, the second round asks all of it.
func (a *Activities) PlanSweep(ctx context.Context, p PlanSweepParams) (SweepPlan, error) {
	servers, err := a.resolveIn(ctx, p.Scope)
	if err != nil {
		return SweepPlan{}, err
	}
	q := a.newQuestions(nil)
	if len(p.Scope.Components) > 0 {
		servers = q.named(servers)
	}
	plan := SweepPlan{Total: len(servers), Sites: a.countSites(servers)}
	if p.Scope.bySample(len(servers), p.Routine) {
		q.firstSamples()
	} else {
		q.first(servers)
	}
	if p.Scope.whole() {
		q.allEquipment(p.Scope.Site)
	}
	if p.Scope.Client != "" || len(p.Scope.Components) > 0 {
		q.services(servers)
	}
	q.fromOutside(servers)
	if p.Scope.Work != "" {
		q.links(servers)
	}
	plan.Shards, err = q.keep(ctx, p.Sweep, 1)
	return plan, err
}

func (a *Activities) resolve(s Scope) ([]string, error) {
	switch {
	case s.Client != "":
		if _, ok := a.inv.Client(s.Client); !ok {
			return nil, invalid("client: the inventory has no client %q; %s", s.Client, meant(a.inv.LikeClient(s.Client), "clients"))
		}
		return a.inv.ServersOf(s.Client), nil
	case s.Site != "":
		if _, ok := a.inv.Site(s.Site); !ok {
			return nil, invalid("site: the inventory has no site %q; %s", s.Site, meant(a.inv.LikeSite(s.Site), "sites"))
		}
		return a.inv.ServersAt(s.Site), nil
	case len(s.Components) > 0:
		for i, id := range s.Components {
			if _, ok := a.inv.Component(id); !ok {
				return nil, invalid("components[%d]: the inventory has no component %q; %s", i, id, meant(a.inv.LikeComponent(id), "components"))
			}
		}
		return a.below(s.Components), nil
	default:
		return a.inv.Servers(), nil
	}
}

// mostBelow is of how many machines at most those are asked that hang on named equipment, so that an
// alert about an uplink does not begin with a sweep of its whole site: later rounds ask more where it is needed.
const mostBelow = 500

// below are the components, and machines that hang on them, whether or not these have something else to
// fall back upon. Of many it is some, from everywhere.
func (a *Activities) below(ids []string) []string {
	named := map[string]bool{}
	for _, id := range ids {
		named[id] = true
	}
	blast := a.graph().Blast(ids...)
	hang := slices.DeleteFunc(slices.Concat(blast.Servers, blast.Degraded), func(id string) bool { return named[id] })
	slices.Sort(hang)
	for _, id := range spread(hang, mostBelow) {
		named[id] = true
	}
	return sorted(named)
}

// named asks the equipment among components, and returns the machines, which are those that count; where there is
// no machine the equipment counts.
func (q *questions) named(ids []string) []string {
	machines := slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
		c, ok := q.a.inv.Component(id)
		return !ok || c.Kind != inventory.KindServer
	})
	if len(machines) == 0 {
		return ids
	}
	for _, id := range ids {
		if c, ok := q.a.inv.Component(id); ok && c.Kind != inventory.KindServer {
			q.askEquipment(c)
		}
	}
	return machines
}

// meant says what may have been meant by a name that the inventory doesn't hold.
func meant(like, list string) string {
	if like != "" {
		return "did you mean " + like + "?"
	}
	return "the ids are under " + list + " in its documents"
}

// InferParams asks for what a sweep has come to after so many rounds.
type InferParams struct {
	Sweep string `json:"sweep"`
	Scope Scope  `json:"scope"`
	Round int    `json:"round"` // rounds made; the next one is planned, if there is something to ask
	// Decide: probes that would tell explanations apart may be asked for, too,
	// not only those that confirm.
	Decide bool `json:"decide"`
	// Last: there is no further round. What was seen is learned.
	Last bool `json:"last,omitempty"`
	// Routine: nobody waits for the answer; the sweep is forgotten once it is
	// learned, unless it found something.
	Routine bool     `json:"routine,omitempty"`
	Absent  []string `json:"absent,omitempty"` // vantages that did not answer: the next round does without them
}

// Inferred is what a round of inference came to, and what would sharpen it.
type Inferred struct {
	Findings    []topology.Finding `json:"findings"`
	Unexplained []string           `json:"unexplained,omitempty"`
	// UnexplainedCount is how many these are, where Unexplained lacks some.
	UnexplainedCount int      `json:"unexplainedCount,omitempty"`
	Blind            []string `json:"blind,omitempty"` // vantages that saw nothing where others did
	Down             int      `json:"down"`
	// Troubles say why probes could not tell, the commonest reason first.
	Troubles []string `json:"troubles,omitempty"`
	// Notices are services that fail on machines that answer, or soon will; those that fail come first.
	Notices []Notice `json:"notices,omitempty"`
	// WasSo counts servers of the scope that don't answer and didn't before, or
	// are under planned work: that is no news.
	WasSo int `json:"wasSo,omitempty"`
	// Next is the next round, empty when nothing is left to ask: probes that
	// would tell the explanations apart, and machines that the findings take
	// down, asked once more before a person is woken or a client is told.
	Next     []ShardRef `json:"next,omitempty"`
	Deciding bool       `json:"deciding,omitempty"` // not only confirming
}

// Infer explains the observations of a sweep and plans its next round.
func (a *Activities) Infer(ctx context.Context, p InferParams) (Inferred, error) {
	all, rounds, err := a.store.Rounds(ctx, p.Sweep)
	if err != nil {
		return Inferred{}, fmt.Errorf("read observations of sweep %s: %w", p.Sweep, err)
	}
	n, untold := a.newRound(p, rounds), troubles(all)
	obs, wasSo, err := a.news(ctx, all) // it sorts all: what rounds hold is mixed up from here on
	if err != nil {
		return Inferred{}, err
	}
	past, err := a.recall(ctx, p.Sweep, obs)
	if err != nil {
		return Inferred{}, err
	}
	inf := a.graph().InferSifted(&topology.Sifted{Observations: obs, Past: past, HabitsKnown: true})
	out := Inferred{Findings: sayUntold(a.sayAbsent(inf.Findings, p.Absent), obs), Unexplained: inf.Unexplained, Blind: inf.Blind, Down: inf.Down}
	if out.WasSo, err = a.countIn(ctx, p.Scope, wasSo); err != nil {
		return out, err
	}
	if out.Findings, err = a.lastWorked(ctx, out.Findings); err != nil {
		return out, err
	}
	n.inf, n.obs = inf, obs
	if p.Round == 1 && p.Scope.bySample(len(a.inv.Servers()), p.Routine) {
		n.narrow()
	}
	if p.Decide && inf.Down > 0 && !settled(inf) {
		n.decide()
	}
	if p.Decide {
		n.equipment()
	}
	out.Deciding = !n.empty()
	n.confirm()
	out.Notices, out.Troubles = notices(obs), untold
	n.serveAgain(out.Notices)
	if out.Next, err = n.keep(ctx, p.Sweep, p.Round+1); err != nil || len(out.Next) > 0 && !p.Last {
		if err != nil {
			return out, err
		}
		return a.brief(ctx, p.Sweep, out)
	}
	out.Next = nil
	if err := a.learn(ctx, p, all, out); err != nil {
		return out, err
	}
	return a.brief(ctx, p.Sweep, out)
}

// sayAbsent says in the evidence of each finding which vantages of its site did
// not answer: what they would have seen is missing.
func (a *Activities) sayAbsent(fs []topology.Finding, absent []string) []topology.Finding {
	if len(absent) == 0 {
		return fs
	}
	out := slices.Clone(fs)
	for i := range out {
		c, ok := a.inv.Component(out[i].Component)
		if !ok {
			continue
		}
		missing := slices.DeleteFunc(a.newQuestions(nil).vantages(cmp.Or(c.Site, c.ID)), func(v string) bool { return !slices.Contains(absent, v) })
		slices.Sort(missing)
		for _, v := range missing {
			out[i].Evidence = append(slices.Clip(out[i].Evidence), topology.Evidence{Text: "the vantage " + v + " did not answer, and has seen nothing of it"})
		}
	}
	return out
}

// sayUntold says in the evidence of a machine that failed by itself why its BMC, which is there,
// does not tell whether it is on.
func sayUntold(fs []topology.Finding, obs []topology.Observation) []topology.Finding {
	why := map[string]string{}
	for i := range obs {
		if o := &obs[i]; toldNothing(o) && o.Detail != "" {
			why[o.Component] = o.Detail
		}
	}
	if len(why) == 0 {
		return fs
	}
	out := slices.Clone(fs)
	for i := range out {
		if text := why[out[i].Component]; text != "" && out[i].Kind == inventory.KindServer {
			out[i].Evidence = append(slices.Clip(out[i].Evidence), topology.Evidence{
				Component: out[i].Component, Probe: topology.ProbePSU, Result: topology.Up, Text: "whether it is on is not known: " + text,
			})
		}
	}
	return out
}

// toldNothing: the row is of a BMC that is there, so that the machine has input, and tells no more.
func toldNothing(o *topology.Observation) bool {
	return o.Probe == topology.ProbePSU && o.Peer == "" && o.Result == topology.Up && strings.HasPrefix(o.Detail, "the BMC")
}

// learn takes a sweep that is over into the habits. A routine one that found nothing is forgotten, once no
// sweep looks back so far any more, and takes those that are too old with it.
func (a *Activities) learn(ctx context.Context, p InferParams, obs []topology.Observation, out Inferred) error {
	if err := a.store.LearnHabits(ctx, p.Sweep, a.now(), obs); err != nil {
		return err
	}
	if !p.Routine {
		return nil
	}
	if len(out.Findings)+len(out.Unexplained) == 0 {
		forget := a.store.Quiet
		if len(obs) > mostQuiet {
			forget = a.store.ForgetSweep
		}
		if err := forget(ctx, p.Sweep); err != nil {
			return err
		}
	}
	if err := a.store.ForgetQuiet(ctx, a.now().Add(-lately)); err != nil {
		return err
	}
	if a.opts.KeepSweeps == 0 {
		return nil
	}
	_, err := a.store.PruneObservations(ctx, a.now().Add(-a.opts.KeepSweeps))
	return err
}

// countIn counts the servers that are in the scope.
func (a *Activities) countIn(ctx context.Context, s Scope, servers map[string]bool) (n int, err error) {
	if len(servers) == 0 {
		return 0, nil
	}
	scope, err := a.resolveIn(ctx, s)
	for _, id := range scope {
		if servers[id] {
			n++
		}
	}
	return n, err
}

// settled: nothing more could be told apart.
func settled(inf topology.Inference) bool {
	return len(inf.Unexplained) == 0 && !slices.ContainsFunc(inf.Findings, func(f topology.Finding) bool {
		return f.Confidence < sure || len(f.AmbiguousWith) > 0
	})
}

// sure is a finding's confidence above which no further probe is worth its time.
const sure = 0.95

func downServers(inv *inventory.Inventory, obs []topology.Observation) []string {
	down := map[string]bool{}
	for i := range obs {
		o := &obs[i]
		if c, ok := inv.Component(o.Component); !ok || c.Kind != inventory.KindServer || !reaches(o.Probe) {
			continue
		}
		if o.Result == topology.Down {
			down[o.Component] = true
		} else {
			delete(down, o.Component)
		}
	}
	return sorted(down)
}

// reaches: the probe asks whether the component answers over the network.
func reaches(p topology.Probe) bool {
	switch p {
	case topology.ProbeTCP, topology.ProbeICMP, topology.ProbeTLS, topology.ProbeHTTP, topology.ProbeDNS, topology.ProbeSSH:
		return true
	}
	return false
}

func sorted(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for id := range set {
		out = append(out, id)
	}
	slices.Sort(out)
	return out
}
