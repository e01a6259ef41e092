package web

import (
	"errors"
	"maps"
	"net/http"
	"slices"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/maintenance"
	"vakhta/internal/store"
)

// worksAhead is how far the list of planned work looks, worksPast how long what is over stays in it.
const (
	worksAhead = 90 * 24 * time.Hour
	worksPast  = 7 * 24 * time.Hour
)

// unreadShown is how many of those who have not confirmed a page names.
const unreadShown = 500

type workRow struct {
	maintenance.Work
	Count store.WorkCount
}

// Unread is how many have not confirmed.
func (r workRow) Unread() int { return r.Count.Clients - r.Count.Confirmed }

// Ahead says whether the work is still to be done.
func (r workRow) Ahead() bool { return !r.Status.Over() && r.Status != maintenance.Running }

type worksView struct {
	Rows []workRow
	Now  time.Time
}

// works lists planned work, the next first.
func (p *Pages) works(w http.ResponseWriter, r *http.Request) {
	now := p.opts.Now()
	all, err := p.store.Maintenances(r.Context(), now.Add(-worksPast), now.Add(worksAhead))
	if err != nil {
		p.fail(w, "list of planned work", err)
		return
	}
	counts, err := p.store.MaintenanceCounts(r.Context(), all)
	if err != nil {
		p.fail(w, "list of planned work", err)
		return
	}
	v := worksView{Now: now}
	for i := range all {
		v.Rows = append(v.Rows, workRow{all[i], counts[all[i].ID]})
	}
	show(w, p.opts.Log, http.StatusOK, "works", page{Title: "Planned work", Refresh: 30, OnCall: p.opts.OnCall != nil, Content: v})
}

type workView struct {
	workRow
	Now      time.Time
	Machines int
	Waiting  []waiting
	More     int // who have not confirmed either
}

// waiting is a client who has not confirmed, and how he was told.
type waiting struct {
	ID, Name string
	Machines int
	Told     []told
}

type told struct {
	Channel inventory.Channel
	State   ledger.State
}

// work shows one: what, when, and who has not confirmed it.
func (p *Pages) work(w http.ResponseWriter, r *http.Request) {
	v, err := p.workView(r)
	if errors.Is(err, store.ErrNotFound) {
		p.fail(w, "planned work "+r.PathValue("id"), err)
		return
	}
	if err != nil {
		p.fail(w, "planned work", err)
		return
	}
	show(w, p.opts.Log, http.StatusOK, "work", page{Title: v.TitleIn("en"), Refresh: 15, OnCall: p.opts.OnCall != nil, Content: &v})
}

func (p *Pages) workView(r *http.Request) (workView, error) {
	ctx, id := r.Context(), r.PathValue("id")
	v := workView{Now: p.opts.Now()}
	m, err := p.store.Maintenance(ctx, id)
	if err != nil {
		return v, err
	}
	counts, err := p.store.MaintenanceCounts(ctx, []maintenance.Work{m})
	if err != nil {
		return v, err
	}
	v.workRow = workRow{m, counts[m.ID]}
	confirmed, err := p.store.Confirmations(ctx, m.ID, m.Revision, "")
	if err != nil {
		return v, err
	}
	standings, err := p.store.Standings(ctx, store.NotificationFilter{Subject: "maintenance/" + m.ID, Revision: &m.Revision})
	if err != nil {
		return v, err
	}
	by := map[string][]told{}
	for _, n := range standings {
		if t := (told{n.Channel, n.State}); !slices.Contains(by[n.Client], t) {
			by[n.Client] = append(by[n.Client], t)
		}
	}
	for _, client := range slices.Sorted(maps.Keys(m.ByClient)) {
		v.Machines += len(m.ByClient[client])
		switch _, knows := confirmed[client]; {
		case knows:
		case len(v.Waiting) < unreadShown:
			v.Waiting = append(v.Waiting, waiting{client, p.names.Client(client), len(m.ByClient[client]), by[client]})
		default:
			v.More++
		}
	}
	return v, nil
}
