package workflows

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/message"
	"vakhta/internal/topology"
)

// floor is a site with people on it: what they were sent, and what they said.
type floor struct {
	support   inventory.Team
	nobodyBy  []inventory.Channel // channels that reach none of them
	questions map[string]incident.Question
	messages  []asking
	heard     []incident.QuestionState // by the incident, of a question that is played alone
	looks     int
	look      func(call int) records.Look // what the incident's observations come to
	shut      func(records.AskParams) error
}

type asking struct {
	records.QuestionParams
	at time.Duration
}

func (w *world) onSite() {
	w.support = inventory.Team{ID: "msk-hands", Name: "Moscow hands", Levels: []inventory.Level{
		{Members: []string{"nina", "oleg"}, AckWithinSeconds: 300}, {Members: []string{"chief"}, AckWithinSeconds: 300},
	}}
	w.questions = map[string]incident.Question{}
}

// answerHands mocks the activities behind questions; the first answer counts,
// as in the store.
func (w *world) answerHands() {
	on(w, rec.AskQuestion, func(_ context.Context, p records.AskParams) (records.Asked, error) {
		if w.shut != nil {
			if err := w.shut(p); err != nil {
				return records.Asked{}, err
			}
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		p.Deadline = cmp.Or(p.Deadline, 30*time.Minute)
		id := incident.QuestionID(p.Incident, p.Number)
		if _, ok := w.questions[id]; !ok {
			w.questions[id] = incident.Question{
				ID: id, Incident: p.Incident, Number: p.Number, Component: p.Component, Probe: p.Probe, Peer: p.Peer, Site: siteOf(p.Component),
				Team: w.support.ID, State: incident.Asking, AskedBy: p.By, AskedAt: w.Now(), Deadline: w.Now().Add(p.Deadline),
			}
		}
		if p.Ladder == nil {
			p.Ladder = ladder
		}
		return records.Asked{Question: w.questions[id], Text: "Is " + p.Component + " lit?", Team: w.support, Ladder: p.Ladder}, nil
	})
	on(w, rec.SettleQuestion, func(_ context.Context, p records.AnswerParams) (incident.Question, error) {
		switch {
		case p.Reply.Answer != "":
			w.say(p.Question, p.Reply)
		case p.State != "":
			w.mu.Lock()
			if q := w.questions[p.Question]; q.Open() {
				q.State = p.State
				w.questions[p.Question] = q
			}
			w.mu.Unlock()
		}
		w.mu.Lock()
		defer w.mu.Unlock()
		return w.questions[p.Question], nil
	})
	on(w, rec.ComposeQuestion, func(_ context.Context, p records.QuestionParams) (records.Composed, error) {
		_ = keep(w, &w.messages, asking{p, w.elapsed()})
		out := records.Composed{Contacts: len(p.Contacts)}
		for _, c := range p.Contacts {
			if slices.Contains(w.nobodyBy, p.Channel) {
				out.Unreachable = append(out.Unreachable, c)
				continue
			}
			out.Batches = append(out.Batches, []string{fmt.Sprintf("%s %s %d.%d.%d %s %s", p.Question, p.Event, p.Round, p.Level, p.Rung, p.Channel, c)})
		}
		return out, nil
	})
	on(w, rec.LookAgain, func(_ context.Context, _ records.LookAgainParams) (records.Look, error) {
		w.mu.Lock()
		w.looks++
		n := w.looks
		w.mu.Unlock()
		if w.floor.look == nil {
			return records.Look{Finding: w.record.Finding, Sweep: "sweep-1"}, nil
		}
		return w.floor.look(n), nil
	})
}

// siteOf says where components of the tests stand: what is named after St
// Petersburg there, the rest in Moscow.
func siteOf(component string) string {
	if strings.HasPrefix(component, "spb-") {
		return "spb"
	}
	return "msk"
}

// say records an answer, as the gateway does.
func (w *world) say(id string, r incident.Reply) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if q := w.questions[id]; q.Open() {
		q.State, q.Answer, q.AnsweredBy, q.Via, q.Note, q.AnsweredAt = incident.Answered, r.Answer, r.By, r.Via, r.Note, r.At
		w.questions[id] = q
	}
}

// press has somebody answer a question by a button after a while; the gateway
// tells the workflow, unless it can't.
func (w *world) press(d time.Duration, n int, by string, answer incident.Answer, told bool) {
	w.after(d, func() {
		w.say(incident.QuestionID("i1", n), incident.Reply{Answer: answer, By: by, Via: "telegram", At: w.Now()})
		if !told {
			return
		}
		if err := w.SignalWorkflowByID(HandsID("i1", n), SignalAnswered, Act{By: by, Via: "telegram"}); err != nil {
			w.t.Errorf("tell question %d: %v", n, err)
		}
	})
}

// asks says when each question was put: "1m0s 1.1.1 call nina,oleg", and
// "again" of those who were asked before.
func (w *world) asks() []string {
	var out []string
	for _, m := range w.messages {
		if m.Event != message.EventQuestion {
			continue
		}
		line := fmt.Sprintf("%s %d.%d.%d %s %s", m.at, m.Round, m.Level, m.Rung, m.Channel, strings.Join(m.Contacts, ","))
		if len(m.Reminded) > 0 {
			line += " again"
		}
		out = append(out, line)
	}
	return out
}

// stoodDown are the contacts who were told that they need not look.
func (w *world) stoodDown() []string {
	var out []string
	for _, m := range w.messages {
		if m.Event == message.EventQuestionStandDown {
			out = append(out, m.Contacts...)
		}
	}
	return out
}

// lit is the question whether a component has power.
func lit(component string) incident.Question {
	return incident.Question{Component: component, Probe: topology.ProbePower, Site: siteOf(component)}
}
