package workflows

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/stretchr/testify/mock"

	"vakhta/activities/notify"
	"vakhta/activities/probe"
	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/runbooks"
)

// answer mocks the activities by their method values.
func (w *world) answer() {
	on(w, rec.Team, func(_ context.Context, id string) (inventory.Team, error) {
		if slices.Contains(w.teams, id) {
			other := w.team
			other.ID = id
			return other, nil
		}
		if id != w.team.ID {
			return inventory.Team{}, invalid("team: the inventory has no team %q", id)
		}
		return w.team, nil
	})
	on(w, rec.Roster, w.roster)
	on(w, rec.ComposePage, w.composePage)
	on(w, rec.PageAcknowledged, func(_ context.Context, p records.PageStateParams) (records.PageState, error) {
		if w.ledger == nil {
			return records.PageState{}, nil
		}
		return w.ledger(p), nil
	})
	on(w, rec.Drop, func(_ context.Context, p records.DropParams) (int, error) { return 0, keep(w, &w.drops, p) })
	on(w, rec.ComposeTask, func(_ context.Context, p records.TaskParams) (records.Composed, error) {
		return one("task/" + p.Key), keep(w, &w.tasks, p)
	})
	on(w, rec.ComposeUpdate, func(_ context.Context, p records.ComposeParams) (records.Composed, error) {
		if w.refuseCompose != nil {
			if err := w.refuseCompose(p); err != nil {
				return records.Composed{}, err
			}
		}
		_ = keep(w, &w.composed, composed{p, w.elapsed()})
		if w.compose != nil {
			return w.note(w.compose(p)), nil
		}
		return one(fmt.Sprintf("%s/%d", p.Step, p.Revision)), nil
	})
	on(w, rec.NextRung, func(_ context.Context, p records.NextRungParams) (records.Composed, error) {
		_ = keep(w, &w.rungs, p)
		if w.next == nil {
			return records.Composed{}, nil
		}
		return w.note(w.next(p)), nil
	})
	on(w, rec.StillUnreached, func(_ context.Context, p records.UnreachedParams) (records.Unreached, error) {
		return w.unreached, keep(w, &w.missed, p)
	})
	on(w, rec.Append, func(_ context.Context, e []incident.Entry) error {
		for _, line := range e {
			_ = keep(w, &w.lines, line)
		}
		return nil
	})
	on(w, send.Deliver, w.deliver)
	w.answerIncidents()
	w.answerHands()
	w.answerReports()
}

func (w *world) answerIncidents() {
	on(w, rec.Incident, func(_ context.Context, id string) (incident.Incident, error) {
		if id != w.record.ID {
			return incident.Incident{}, invalid("incident: there is no incident %q", id)
		}
		return w.record, nil
	})
	on(w, rec.PinRunbook, func(_ context.Context, _ records.PinParams) (runbooks.Runbook, error) {
		if w.book.Name == "" {
			return w.book, invalid("runbook: none is on this finding")
		}
		return w.book, nil
	})
	on(w, rec.SaveIncident, func(_ context.Context, p records.SaveIncidentParams) error {
		if w.refuseSave != nil {
			if err := w.refuseSave(p.Incident); err != nil {
				return err
			}
		}
		for _, line := range p.Entries {
			_ = keep(w, &w.lines, line)
		}
		return keep(w, &w.saved, p.Incident)
	})
	on(w, rec.Condition, func(_ context.Context, p records.ConditionParams) (bool, error) {
		if w.condition != nil {
			return w.condition(p)
		}
		return p.Expression == "true", nil
	})
	on(w, rec.WatchPlan, func(_ context.Context, in incident.Incident) ([]records.Watched, error) {
		if len(in.Servers) == 0 {
			return nil, nil
		}
		return []records.Watched{{Vantage: "msk", Components: in.Servers}}, nil
	})
	on(w, look.Watch, func(_ context.Context, p probe.WatchParams) (probe.WatchResult, error) {
		w.mu.Lock()
		w.watched++
		w.watchedBy = append(w.watchedBy, p)
		n := w.watched
		w.mu.Unlock()
		return w.watch(n)
	}).After(lookFor)
	on(w, rec.DraftPostmortem, func(_ context.Context, _ string) (incident.Postmortem, error) { return w.draft, nil })
	on(w, rec.SavePostmortem, func(_ context.Context, p records.SavePostmortemParams) (incident.Postmortem, error) {
		p.Postmortem.Revision++
		_ = keep(w, &w.lines, p.Entry)
		return p.Postmortem, keep(w, &w.postSave, p)
	})
}

func (w *world) answerReports() {
	on(w, rec.TakeReport, func(_ context.Context, p records.TakeReportParams) (records.Reporter, error) {
		r := w.reporter
		r.Report = p.Report
		return r, nil
	})
	on(w, rec.Explain, func(_ context.Context, _ string) (records.Explanation, error) { return w.explain, nil })
	on(w, rec.ComposeReply, func(_ context.Context, p records.ReplyParams) (records.Composed, error) {
		if w.replyable != nil && !w.replyable(p) {
			return records.Composed{Contacts: 1, Unreachable: []string{"anna"}}, nil
		}
		return one(fmt.Sprintf("%s %s rung %d", p.Step, p.Event, p.Rung)), keep(w, &w.replies, p)
	})
	on(w, rec.CloseReport, func(_ context.Context, p records.CloseReportParams) error { return keep(w, &w.closed, p) })
	on(w, rec.PlanSweep, func(_ context.Context, p records.PlanSweepParams) (records.SweepPlan, error) {
		if p.Scope.Client == "nobody" {
			return records.SweepPlan{}, invalid("client: the inventory has no client %q", p.Scope.Client)
		}
		return w.plan, nil
	})
	w.OnActivity(look.SweepShard, mock.Anything, mock.MatchedBy(func(p probe.ShardParams) bool { return p.Vantage == asleep })).
		Return(probe.ShardResult{}, nil).After(time.Minute).Maybe()
	on(w, look.SweepShard, func(_ context.Context, p probe.ShardParams) (probe.ShardResult, error) {
		_ = keep(w, &w.sweeps, p)
		if w.sweep != nil {
			return w.sweep(p)
		}
		if p.Round > 1 {
			return probe.ShardResult{}, nil // counted already
		}
		at, servers := w.shard(p.Shard)
		return counted(at, servers, 0), nil
	})
	on(w, rec.Infer, func(_ context.Context, p records.InferParams) (records.Inferred, error) {
		_ = keep(w, &w.inferences, p)
		w.mu.Lock()
		w.inferred++
		n := w.inferred
		w.mu.Unlock()
		if w.infer == nil {
			return records.Inferred{}, nil
		}
		return w.infer(n), nil
	})
	on(w, rec.OpenIncident, func(_ context.Context, p records.OpenIncidentParams) (records.Opened, error) {
		if w.open != nil {
			return w.open(p)
		}
		return records.Opened{Incident: w.record, Created: true}, nil
	})
	on(w, rec.ScopeAlerts, func(_ context.Context, ids []string) (records.TriageScope, error) {
		if w.scope == nil {
			return records.TriageScope{Components: []string{"s1"}}, nil
		}
		return w.scope(ids)
	})
	on(w, rec.SettleRaised, func(_ context.Context, p records.SettleRaisedParams) (records.SettledRaised, error) {
		_ = keep(w, &w.settled, p)
		if w.settle != nil {
			return w.settle(p), nil
		}
		return records.SettledRaised{Left: p.Unexplained}, nil
	})
	on(w, rec.AlertsOver, func(context.Context, string) (bool, error) { return w.alertsOver, nil })
	on(w, rec.LinkAlerts, func(_ context.Context, p records.LinkAlertsParams) (int, error) {
		return len(p.IDs), keep(w, &w.linked, p)
	})
}

// roster answers from the team's plain levels, as the calendar would.
func (w *world) roster(_ context.Context, p records.RosterParams) (records.Roster, error) {
	return rosterOf(&w.team, p), nil
}

func rosterOf(team *inventory.Team, p records.RosterParams) records.Roster {
	out := records.Roster{Levels: len(team.Levels), Repeat: team.Repeat, People: []records.OnCall{}}
	var people []string
	switch {
	case len(p.People) > 0:
		people = p.People
	case p.Fallback:
		people, out.AckWithinSeconds = team.Fallback, 300
	case p.Level < len(team.Levels):
		l := team.Levels[p.Level]
		people, out.AckWithinSeconds, out.Mode = l.Members, l.AckWithinSeconds, l.Mode
	}
	for _, id := range people {
		ladder := p.Ladder
		if m, ok := team.Member(id); ok && len(m.Pages) > 0 {
			ladder = m.Pages
		}
		out.People = append(out.People, records.OnCall{Contact: id, Ladder: ladder})
	}
	return out
}

func (w *world) composePage(_ context.Context, p records.PageParams) (records.Composed, error) {
	_ = keep(w, &w.pages, paged{p, w.elapsed()})
	out := records.Composed{Contacts: len(p.Contacts)}
	for _, c := range p.Contacts {
		if slices.Contains(w.noAddress, c) {
			out.Unreachable = append(out.Unreachable, c)
			continue
		}
		out.Batches = append(out.Batches, []string{fmt.Sprintf("%s %d.%d.%d %s %s", p.Event, p.Round, p.Level, p.Rung, p.Channel, c)})
	}
	return out, nil
}

// note keeps whom a composition could not reach, as the store does.
func (w *world) note(c records.Composed) records.Composed {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range c.Unreachable {
		if !slices.Contains(w.unreached.Names, id) {
			w.unreached.Names = append(w.unreached.Names, id)
		}
	}
	w.unreached.Total = max(len(w.unreached.Names), c.UnreachableTotal)
	w.unreached.Digest = "digest"
	return c
}

func (w *world) deliver(_ context.Context, p notify.SendBatchParams) (notify.DeliverResult, error) {
	var out notify.DeliverResult
	for _, id := range p.IDs {
		_ = keep(w, &w.sent, id)
		if w.refuse != nil && w.refuse(id) {
			out.Refused++
		} else {
			out.Accepted++
		}
	}
	return out, nil
}
