package web

import (
	"errors"
	"net/http"
	"time"

	"vakhta/internal/inventory"
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
	show(w, p.opts.Log, http.StatusOK, "works", p.frame(r, "Planned work", v).refreshed(30))
}

type workView struct {
	workRow
	Now      time.Time
	Machines int
	Acts     []actForm
	NextAt   time.Time // when the announcement climbs
	Rungs    []rung
	Waiting  []waiting
	More     int // who have not confirmed either
}

// rung is how many of those who have not confirmed were told last by a channel.
type rung struct {
	Channel inventory.Channel // empty: nothing has left yet
	Clients int
}

// waiting is a client who has not confirmed, how he was told, and what comes next.
type waiting struct {
	maintenance.Waiting
	Name string
	Next []string // "call → Ivan Petrov"
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
	show(w, p.opts.Log, http.StatusOK, "work", p.frame(r, v.TitleIn("en"), &v).refreshed(15))
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
	v.workRow, v.Acts = workRow{m, counts[m.ID]}, possible(&m)
	for _, servers := range m.ByClient {
		v.Machines += len(servers)
	}
	all, err := p.opts.Desk.Waiting(ctx, m)
	if err != nil {
		return v, err
	}
	if m.Status == maintenance.Approved {
		v.NextAt = p.opts.Desk.NextRung(ctx, m)
	}
	v.Rungs = rungsOf(all)
	v.More = max(len(all)-unreadShown, 0)
	for _, c := range all[:len(all)-v.More] {
		line := waiting{Waiting: c, Name: p.names.Client(c.Client)}
		for _, n := range c.Next {
			line.Next = append(line.Next, string(n.Channel)+" → "+p.names.Person(n.Contact))
		}
		v.Waiting = append(v.Waiting, line)
	}
	return v, nil
}

// rungOrder are the channels as a ladder climbs, mostly.
var rungOrder = []inventory.Channel{
	"", inventory.Sink, inventory.Email, inventory.Slack, inventory.Mattermost, inventory.Telegram, inventory.WhatsApp, inventory.SMS, inventory.Call,
}

// rungsOf counts who waits by the channel that told him last, the slowest first.
func rungsOf(all []maintenance.Waiting) []rung {
	count := map[inventory.Channel]int{}
	for i := range all {
		count[all[i].Rung()]++
	}
	var out []rung
	for _, ch := range rungOrder {
		if count[ch] > 0 {
			out = append(out, rung{ch, count[ch]})
		}
	}
	return out
}
