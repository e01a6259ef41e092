package main

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"vakhta/internal/inventory"
	"vakhta/internal/maintenance"
	"vakhta/internal/maintnote"
	"vakhta/internal/store"
	"vakhta/workflows"
)

// notices takes MAINTNOTE notices of upstreams: each becomes a draft for an
// engineer to approve, or tells the one that was made of an earlier notice.
type notices struct {
	flows interface {
		SignalWithStartWorkflow(ctx context.Context, workflowID, signalName string, signalArg any,
			options client.StartWorkflowOptions, workflow any, workflowArgs ...any) (client.WorkflowRun, error)
	}
	store interface {
		MaintenanceBare(ctx context.Context, id string) (maintenance.Work, error)
	}
	inventory *inventory.Inventory
}

// noticeTaken is what became of a notice.
type noticeTaken struct {
	Maintenance string            `json:"maintenance"` // the upstream's id
	Work        string            `json:"work,omitempty"`
	State       string            `json:"state"` // drafted, told, over, ignored, refused
	Guessed     map[string]string `json:"guessed,omitempty"`
	Unknown     []string          `json:"unknown,omitempty"` // objects that are taken for nothing
	Why         string            `json:"why,omitempty"`     // of a refusal
}

// take takes one notice; components are given by a person, or guessed. The
// error says that Temporal or the store did not answer; a notice that nothing
// can be made of is refused in the answer.
func (t notices) take(ctx context.Context, n maintnote.Notice, components ...string) (noticeTaken, error) {
	out := noticeTaken{Maintenance: n.Maintenance, Work: maintenance.DraftID(n)}
	kept, err := t.store.MaintenanceBare(ctx, out.Work)
	known := err == nil
	ended := n.Status == maintnote.Cancelled || n.Status == maintnote.Completed
	switch {
	case err != nil && !errors.Is(err, store.ErrNotFound):
		return out, err
	case known && kept.Status.Over():
		out.State = "over"
		return out, nil
	case !known && ended:
		out.Work, out.State = "", "ignored"
		return out, nil
	}
	draft, err := maintenance.Draft(n, t.inventory, components...)
	out.Guessed, out.Unknown = draft.Guessed, draft.Unknown
	if err != nil && !known {
		out.Work, out.State, out.Why = "", "refused", err.Error()
		return out, nil
	}
	if known { // it has its components
		draft.Work = kept
	}
	out.State = map[bool]string{false: "drafted", true: "told"}[known]
	by := cmp.Or(n.Provider, "upstream")
	_, err = t.flows.SignalWithStartWorkflow(ctx, workflows.MaintenanceID(out.Work), workflows.SignalUpstream,
		workflows.UpstreamSignal{Sequence: n.Sequence, StartsAt: n.Start, EndsAt: n.End, Cancelled: n.Status == maintnote.Cancelled},
		client.StartWorkflowOptions{ID: workflows.MaintenanceID(out.Work), TaskQueue: workflows.QueueRunbooks, StaticSummary: draft.Work.TitleIn("en")},
		workflows.TypeMaintenance, workflows.MaintenanceInput{Act: workflows.Act{By: by, Via: workflows.ViaNotice}, Work: draft.Work})
	return out, err
}

// takeNotices is the door for upstreams' notices: a calendar, or a whole mail.
func (g *gateway) takeNotices(w http.ResponseWriter, r *http.Request, body []byte) {
	all, err := maintnote.Read(body)
	if err != nil {
		writeError(w, http.StatusBadRequest, "body: "+err.Error())
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), startWithin)
	defer cancel()
	t := notices{g.deps.Flows, g.deps.Store, g.deps.Inventory}
	out, code := make([]noticeTaken, 0, len(all)), http.StatusAccepted
	for _, n := range all {
		taken, err := t.take(ctx, n)
		if err != nil {
			g.log.Error().Err(err).Msg("notice of planned work not taken")
			writeError(w, http.StatusServiceUnavailable, "the notice could not be kept; send it again")
			return
		}
		if taken.State == "refused" {
			code = http.StatusUnprocessableEntity
		}
		out = append(out, taken)
	}
	writeJSON(w, code, out)
}

// feedAgo is for how long a client's calendar shows work that is over.
const feedAgo = 90 * 24 * time.Hour

// feed is the calendar of the planned work on a client's machines, behind a
// link that nobody can guess.
func (g *gateway) feed(w http.ResponseWriter, r *http.Request) {
	token, isCalendar := strings.CutSuffix(r.PathValue("token"), ".ics")
	id, err := g.signer.VerifyFeed(token)
	c, known := g.deps.Inventory.Client(id)
	if err != nil || !isCalendar || !known {
		writeError(w, http.StatusNotFound, "no such calendar")
		return
	}
	now := g.now()
	works, err := g.deps.Store.MaintenancesFor(r.Context(), id, now.Add(-feedAgo), time.Time{})
	if err != nil {
		g.log.Error().Err(err).Msg("calendar not read")
		writeError(w, http.StatusServiceUnavailable, "the store does not answer; try again")
		return
	}
	from := maintenance.NewIssuer(g.cfg.PublicURL, g.cfg.Organizer())
	var all []maintnote.Notice
	for i := range works {
		if works[i].Announced.IsZero() { // nobody was told
			continue
		}
		if n, his := works[i].Notice(id, string(c.Language), from, now); his {
			all = append(all, n)
		}
	}
	h := w.Header()
	h.Set("Content-Type", "text/calendar; charset=utf-8")
	h.Set("Cache-Control", "private, max-age=300")
	h.Set("X-Content-Type-Options", "nosniff")
	_, _ = w.Write([]byte(maintnote.Calendar(c.Name, all...))) // the reader may have gone
}
