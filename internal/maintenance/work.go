// Package maintenance is the law of planned work: what a work is, what it may
// become, whom it touches, and which two works must not run together. It does
// no I/O.
package maintenance

import (
	"fmt"
	"slices"
	"time"

	"vakhta/internal/topology"
)

// Status is where a work stands.
type Status string

// The statuses, in the order of a good life.
const (
	Planned   Status = "planned"   // computed and kept; nobody was told
	Approved  Status = "approved"  // clients are told
	Running   Status = "running"   // its window is open
	Completed Status = "completed" // done
	Cancelled Status = "cancelled" // will not be done
	// RolledBack: begun and broken off, everything is as it was before.
	RolledBack Status = "rolled-back"
)

// Over says that nothing more will come of the work.
func (s Status) Over() bool { return s == Completed || s == Cancelled || s == RolledBack }

// Act is something that is done to a work.
type Act string

// The acts.
const (
	Approve    Act = "approve"
	Begin      Act = "begin"
	Extend     Act = "extend"
	Complete   Act = "complete"
	Cancel     Act = "cancel"
	Reschedule Act = "reschedule"
	RollBack   Act = "rollBack"
)

// allowed are the statuses in which an act may be done.
var allowed = map[Act][]Status{
	Approve: {Planned}, Begin: {Approved}, Extend: {Running}, Complete: {Running}, RollBack: {Running}, Cancel: {Planned, Approved}, Reschedule: {Planned, Approved},
}

// May says whether an act is possible; the error says why it isn't.
func (w *Work) May(act Act) error {
	if slices.Contains(allowed[act], w.Status) {
		return nil
	}
	return fmt.Errorf("%s: the work is %s; it is possible while it is %v only", act, w.Status, allowed[act])
}

// Work is planned work on components: a maintenance.
type Work struct {
	ID         string            `json:"id"`
	Title      map[string]string `json:"title"`             // per language
	Text       map[string]string `json:"text,omitempty"`    // per language: what is done, for clients
	Components []string          `json:"components"`        // what is worked on
	Impacts    map[string]Impact `json:"impacts,omitempty"` // by component; one that is not here goes off
	StartsAt   time.Time         `json:"startsAt"`
	EndsAt     time.Time         `json:"endsAt"`
	MovedFrom  time.Time         `json:"movedFrom,omitzero"` // the start that an earlier revision announced
	Notices    Policy            `json:"notices,omitempty"`  // who is told how long before the start
	Owner      string            `json:"owner,omitempty"`    // team that does it
	Status     Status            `json:"status"`
	Announced  time.Time         `json:"announcedAt,omitzero"` // when its first clients were told
	Revision   int               `json:"revision"`             // grows when what clients were told changes
	Sequence   int               `json:"sequence,omitempty"`   // of the calendar: grows with each change that a client sees
	PlannedBy  string            `json:"plannedBy,omitempty"`
	ApprovedBy string            `json:"approvedBy,omitempty"`
	Override   string            `json:"override,omitempty"` // why it may run although a redundancy is broken
	Upstream   *Upstream         `json:"upstream,omitempty"` // whose notice it was made of

	// ByClient are the machines that lose service, Degraded those that keep it
	// and work worse, Reduced those that lose redundancy only; all computed from
	// the topology.
	ByClient map[string][]string `json:"byClient,omitempty"`
	Degraded map[string][]string `json:"degraded,omitempty"`
	Reduced  map[string][]string `json:"reduced,omitempty"`
}

// Upstream is another provider's notice that a work was made of.
type Upstream struct {
	Provider string   `json:"provider"`
	UID      string   `json:"uid"`
	Sequence int      `json:"sequence"`
	Objects  []string `json:"objects,omitempty"` // the provider's own ids of what it touches
}

// TitleIn is the title in a language, else in another one.
func (w *Work) TitleIn(language string) string { return in(w.Title, language) }

// TextIn is the text in a language, else in another one.
func (w *Work) TextIn(language string) string { return in(w.Text, language) }

func in(texts map[string]string, language string) string {
	for _, l := range []string{language, "en", "ru"} {
		if t := texts[l]; t != "" {
			return t
		}
	}
	return ""
}

// Explains says whether the work explains at an instant that its machines are
// down. One that nobody has marked (an import of an earlier release) counts by its window.
func (w *Work) Explains(at time.Time) bool {
	if w.Status == Running {
		return true
	}
	return (w.Status == "" || w.Status == Approved) && !at.Before(w.StartsAt) && at.Before(w.EndsAt)
}

// Blaster says what failed components take down; [topology.Graph] does.
type Blaster interface {
	Blast(failed ...string) topology.Blast
	Jointly(first []string) func(second []string) []string
}

// Off are the components that the work takes down, whether their redundancy
// carries what hangs on them or not.
func (w *Work) Off() []string { return w.with(Outage, ReducedRedundancy) }

// Dark are the components that take down with them what hangs on them alone.
func (w *Work) Dark() []string { return w.with(Outage) }

func (w *Work) with(impacts ...Impact) []string {
	var out []string
	for _, id := range w.Components {
		if slices.Contains(impacts, w.ImpactOf(id)) {
			out = append(out, id)
		}
	}
	return out
}

// ImpactOf is what the work does to one of its components.
func (w *Work) ImpactOf(component string) Impact {
	if i, given := w.Impacts[component]; given {
		return i
	}
	return Outage
}

// Measure computes whom the work touches. A machine counts by the worst that
// happens to it.
func (w *Work) Measure(g Blaster, clientOf func(server string) string) {
	counted := map[string]bool{}
	take := func(servers []string) map[string][]string {
		out := map[string][]string{}
		for _, server := range servers {
			client := clientOf(server)
			if client == "" || counted[server] {
				continue
			}
			counted[server] = true
			out[client] = append(out[client], server)
		}
		return out
	}
	dark, slow, spare := g.Blast(w.Dark()...), g.Blast(w.with(Degraded)...), g.Blast(w.with(ReducedRedundancy)...)
	w.ByClient = take(dark.Servers)
	w.Degraded = take(slow.Servers)
	w.Reduced = take(slices.Concat(dark.Degraded, spare.Servers, spare.Degraded))
}

// Of is the worst that happens to a client's machines, and to which.
func (w *Work) Of(client string) (Impact, []string) {
	for _, t := range w.touched() {
		if servers := t.by[client]; len(servers) > 0 {
			return t.impact, servers
		}
	}
	return NoImpact, nil
}

// Audience are the clients that the worst of the given impacts befalls, by id;
// without impacts, all whom the policy tells anything.
func (w *Work) Audience(impacts ...Impact) []string {
	if len(impacts) == 0 {
		impacts = w.Told()
	}
	var out []string
	seen := map[string]bool{}
	for _, t := range w.touched() {
		for client := range t.by {
			if !seen[client] && slices.Contains(impacts, t.impact) {
				out = append(out, client)
			}
			seen[client] = true
		}
	}
	slices.Sort(out)
	return out
}

type touched struct {
	impact Impact
	by     map[string][]string
}

// touched are the machines by impact, the worst first.
func (w *Work) touched() []touched {
	return []touched{{Outage, w.ByClient}, {Degraded, w.Degraded}, {ReducedRedundancy, w.Reduced}}
}

// Conflict is a second event that takes, together with the work, more down
// than the two of them apart: it breaks the redundancy that each leans on.
type Conflict struct {
	With    string   `json:"with"` // "maintenance/<id>" or "incident/<id>"
	Servers []string `json:"servers"`
}

// Other is what may stand in the way of a work.
type Other struct {
	Name       string // as in Conflict.With
	Components []string
	From, To   time.Time // To zero: open
}

// Conflicts finds what breaks a redundancy together with the work.
func (w *Work) Conflicts(g Blaster, others []Other) []Conflict {
	var out []Conflict
	with := g.Jointly(w.Off())
	for _, o := range others {
		if !o.From.Before(w.EndsAt) || !o.To.IsZero() && !w.StartsAt.Before(o.To) {
			continue
		}
		if broken := with(o.Components); len(broken) > 0 {
			out = append(out, Conflict{With: o.Name, Servers: broken})
		}
	}
	return out
}
