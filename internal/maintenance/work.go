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
)

// Over says that nothing more will come of the work.
func (s Status) Over() bool { return s == Completed || s == Cancelled }

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
)

// allowed are the statuses in which an act may be done.
var allowed = map[Act][]Status{
	Approve: {Planned}, Begin: {Approved}, Extend: {Running}, Complete: {Running}, Cancel: {Planned, Approved, Running}, Reschedule: {Planned, Approved},
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
	Title      map[string]string `json:"title"`          // per language
	Text       map[string]string `json:"text,omitempty"` // per language: what is done, for clients
	Components []string          `json:"components"`     // switched off or cut by the work
	StartsAt   time.Time         `json:"startsAt"`
	EndsAt     time.Time         `json:"endsAt"`
	MovedFrom  time.Time         `json:"movedFrom,omitzero"` // the start that an earlier revision announced
	Notices    []time.Duration   `json:"notices,omitempty"`  // reminders, so long before the start
	Owner      string            `json:"owner,omitempty"`    // team that does it
	Status     Status            `json:"status"`
	Announced  time.Time         `json:"announcedAt,omitzero"`
	Revision   int               `json:"revision"` // grows when what clients were told changes
	PlannedBy  string            `json:"plannedBy,omitempty"`
	ApprovedBy string            `json:"approvedBy,omitempty"`
	Override   string            `json:"override,omitempty"` // why it may run although a redundancy is broken

	// ByClient are the machines that lose service, Reduced those that keep it
	// and lose redundancy only; both computed from the topology.
	ByClient map[string][]string `json:"byClient,omitempty"`
	Reduced  map[string][]string `json:"reduced,omitempty"`
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
}

// Measure computes whom the work touches.
func (w *Work) Measure(g Blaster, clientOf func(server string) string) {
	blast := g.Blast(w.Components...)
	w.ByClient, w.Reduced = blast.ByClient, map[string][]string{}
	for _, server := range blast.Degraded {
		if client := clientOf(server); client != "" {
			w.Reduced[client] = append(w.Reduced[client], server)
		}
	}
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
	mine := g.Blast(w.Components...).Servers
	for _, o := range others {
		if !o.From.Before(w.EndsAt) || !o.To.IsZero() && !w.StartsAt.Before(o.To) {
			continue
		}
		theirs := g.Blast(o.Components...).Servers
		apart := make(map[string]bool, len(mine)+len(theirs))
		for _, s := range slices.Concat(mine, theirs) {
			apart[s] = true
		}
		var broken []string
		for _, s := range g.Blast(slices.Concat(w.Components, o.Components)...).Servers {
			if !apart[s] {
				broken = append(broken, s)
			}
		}
		if len(broken) > 0 {
			out = append(out, Conflict{With: o.Name, Servers: broken})
		}
	}
	return out
}

// DefaultNotices are when clients are reminded of a work, before it begins.
var DefaultNotices = []time.Duration{3 * 24 * time.Hour, 24 * time.Hour, time.Hour}

// Reminders are the instants of the reminders that are still to come.
func (w *Work) Reminders(now time.Time) []time.Time {
	var out []time.Time
	for _, d := range w.Notices {
		if at := w.StartsAt.Add(-d); at.After(now) {
			out = append(out, at)
		}
	}
	slices.SortFunc(out, time.Time.Compare)
	return out
}
