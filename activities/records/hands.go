package records

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/topology"
	"vakhta/runbooks"
)

// Rounds of a sweep under which answers are kept; no sweep makes so many.
const (
	handsRound   = 1000 // and the number of the question is added
	foreignRound = 2000 // what was answered for other incidents
)

// AskedByVakhta is who asks what inference wants to know.
const AskedByVakhta = "vakhta"

// AskParams asks people at a site to look at one thing.
type AskParams struct {
	Incident  string         `json:"incident"`
	Number    int            `json:"number"`
	Component string         `json:"component"`
	Probe     topology.Probe `json:"probe"`
	Peer      string         `json:"peer,omitempty"`
	By        string         `json:"by"`
	// Ladder and Deadline are by which channels and how long; empty: as configured.
	Ladder   []runbooks.Rung `json:"ladder,omitempty"`
	Deadline time.Duration   `json:"deadline,omitempty"`
}

// Hands says how people on site are asked.
type Hands struct {
	// Ladder is by which channels, and how long each is given. Default: email
	// 1m, telegram 3m, call 5m.
	Ladder []runbooks.Rung
	// Deadline is after what time an engineer gets the task. Default: 30m.
	Deadline time.Duration
}

func (h Hands) withDefaults() Hands {
	if len(h.Ladder) == 0 {
		h.Ladder = []runbooks.Rung{
			{Channel: string(inventory.Email), Wait: runbooks.Duration(time.Minute)},
			{Channel: string(inventory.Telegram), Wait: runbooks.Duration(3 * time.Minute)},
			{Channel: string(inventory.Call), Wait: runbooks.Duration(5 * time.Minute)},
		}
	}
	h.Deadline = cmp.Or(h.Deadline, 30*time.Minute)
	return h
}

// Asked is a question and its words, in English.
type Asked struct {
	Question incident.Question `json:"question"`
	Text     string            `json:"text"` // what to look at, where, and the one question
	Team     inventory.Team    `json:"team"` // the site's support, without addresses; empty: it has none
	Ladder   []runbooks.Rung   `json:"ladder"`
}

// AskQuestion keeps a question, which is asked from now on, and says who is to
// be asked it. An answer that is there already comes back with it.
func (a *Activities) AskQuestion(ctx context.Context, p AskParams) (Asked, error) {
	if err := a.may(p.By, inventory.Responder); err != nil {
		return Asked{}, err
	}
	in, err := a.incident(ctx, p.Incident)
	if err != nil {
		return Asked{}, err
	}
	if err := message.CanBeSeen(a.inv, p.Component, p.Probe, p.Peer); err != nil {
		return Asked{}, invalid("%v", err)
	}
	c, _ := a.inv.Component(p.Component)
	site := siteOf(c)
	var out Asked
	if s, ok := a.inv.Site(site); ok && s.Support != "" {
		if out.Team, err = a.Team(ctx, s.Support); err != nil {
			return Asked{}, err
		}
	}
	how := a.opts.Hands.withDefaults()
	if out.Ladder = p.Ladder; len(out.Ladder) == 0 {
		out.Ladder = how.Ladder
	}
	now := a.now()
	out.Question, err = a.store.PutQuestion(ctx, incident.Question{
		Incident: in.ID, Number: p.Number, Component: p.Component, Probe: p.Probe, Peer: p.Peer, Site: site, Team: out.Team.ID,
		AskedBy: p.By, AskedAt: now, Deadline: now.Add(cmp.Or(p.Deadline, how.Deadline)),
	})
	if err != nil {
		return Asked{}, err
	}
	if q := out.Question; q.Component != p.Component || q.Probe != p.Probe || q.Peer != p.Peer {
		return Asked{}, invalid("n: question %s is another one, about %s; take the next number", q.ID, q.Component)
	}
	out.Text = a.questionText(out.Question)
	return out, nil
}

func siteOf(c *inventory.Component) string {
	if c.Kind == inventory.KindSite {
		return c.ID
	}
	return c.Site
}

// questionText says a question in one English line.
func (a *Activities) questionText(q incident.Question) string {
	words := message.Ask(a.inv, q.Component, q.Probe, q.Peer, inventory.English)
	return fmt.Sprintf("%s, %s: %s", words.What, words.Place, words.Text)
}

// QuestionParams writes a question, or the news that it needs no looking any
// more, to members of the site's support by one channel.
type QuestionParams struct {
	Question string            `json:"question"` // its id
	Contacts []string          `json:"contacts"`
	Channel  inventory.Channel `json:"channel,omitempty"` // empty: each contact's fastest that isn't a call
	Event    string            `json:"event"`             // message.EventQuestion or its stand-down
	Round    int               `json:"round"`
	Level    int               `json:"level"`
	Rung     int               `json:"rung"`
	// Reminded are those of the contacts who were asked before.
	Reminded []string      `json:"reminded,omitempty"`
	Deadline time.Duration `json:"deadline,omitempty"`
}

// ComposeQuestion writes the notifications into the ledger, one batch per
// contact: one person's dead provider doesn't hold the other's question.
func (a *Activities) ComposeQuestion(ctx context.Context, p QuestionParams) (Composed, error) {
	q, err := a.Question(ctx, p.Question)
	if err != nil {
		return Composed{}, err
	}
	out := Composed{Contacts: len(p.Contacts)}
	var rows []ledger.Notification
	for _, id := range p.Contacts {
		contact, ok := a.inv.Contact(id)
		ch := p.Channel
		if ok && ch == "" {
			if ladder := informLadder(contact); len(ladder) > 0 {
				ch = ladder[0]
			}
		}
		if !ok || contact.Addresses[ch] == "" {
			out.Unreachable = append(out.Unreachable, id)
			continue
		}
		n, err := a.write(questionDraft(q, p), contact, ch, p.Rung, a.questionData(q, contact, slices.Contains(p.Reminded, id)))
		if err != nil {
			return Composed{}, err
		}
		rows = append(rows, n)
	}
	ids, err := a.enqueue(ctx, rows)
	for _, id := range slices.Concat(ids...) {
		out.Batches = append(out.Batches, []string{id})
	}
	return out, err
}

func questionDraft(q incident.Question, p QuestionParams) draft {
	step := fmt.Sprintf("%s%d.%d.%d", incident.QuestionStep(q.Number), p.Round, p.Level, p.Rung)
	asks := message.TakesAnswer(p.Event)
	if !asks {
		step = incident.QuestionStep(q.Number) + "standdown"
	}
	return draft{
		subject: "incident/" + q.Incident, event: p.Event, step: step, revision: max(p.Round, 1), team: q.Team, critical: asks, deadline: p.Deadline,
	}
}

func (a *Activities) questionData(q incident.Question, contact *inventory.Contact, reminded bool) message.Data {
	data := a.baseData(contact)
	data.Incident, data.Team = q.Incident, a.teamName(q.Team)
	data.Question = message.Ask(a.inv, q.Component, q.Probe, q.Peer, contact.Language)
	data.Question.Reminder = reminded
	data.Question.Answer = message.AnswerWord(string(q.Answer), contact.Language)
	data.TakenBy = a.inv.Names().Person(q.AnsweredBy)
	return data
}

// Question reads a question.
func (a *Activities) Question(ctx context.Context, id string) (incident.Question, error) {
	q, err := a.store.Question(ctx, id)
	if err != nil {
		return q, permanent(fmt.Errorf("read question %s: %w", id, err))
	}
	return q, nil
}

// AnswerParams says where a question stands: it is answered, or in another state.
type AnswerParams struct {
	Question string                 `json:"question"`
	Reply    incident.Reply         `json:"reply,omitzero"` // empty: what the store holds, if anything
	State    incident.QuestionState `json:"state,omitempty"`
}

// SettleQuestion records an answer or a state, and reads the question back. An
// answer, whichever door it came by, becomes an observation of the incident's
// sweep. Of several the first counts.
func (a *Activities) SettleQuestion(ctx context.Context, p AnswerParams) (q incident.Question, err error) {
	switch {
	case p.Reply.Answer != "":
		if p.Reply.At.IsZero() {
			p.Reply.At = a.now()
		}
		q, _, err = a.store.AnswerQuestion(ctx, p.Question, p.Reply)
	case p.State != "":
		q, err = a.store.SetQuestion(ctx, p.Question, p.State)
	default:
		q, err = a.store.Question(ctx, p.Question)
	}
	if err != nil {
		return q, permanent(err)
	}
	if q.Answer == "" {
		return q, nil
	}
	in, err := a.incident(ctx, q.Incident)
	if err != nil {
		return q, err
	}
	return q, a.store.PutObservations(ctx, sweepOf(in), handsRound+q.Number, []topology.Observation{observed(q)})
}

// observed is the answer to a question as an observation.
func observed(q incident.Question) topology.Observation {
	return topology.Observation{
		Component: q.Component, Probe: q.Probe, Peer: q.Peer, Vantage: topology.Hands, At: q.AnsweredAt, Result: q.Answer.Result(), Detail: handsDetail(q),
	}
}

// sweepOf is where an incident's observations are; one that no sweep led to has its own.
func sweepOf(in incident.Incident) string {
	if in.Sweep != "" {
		return in.Sweep
	}
	return "incident/" + in.ID
}

func handsDetail(q incident.Question) string {
	return strings.TrimSuffix("answered by "+q.AnsweredBy+": "+q.Note, ": ")
}
