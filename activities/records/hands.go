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
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/runbooks"
)

// handsRound is the round of a sweep under which the answer to a question is
// kept, and its number is added: no sweep makes so many.
const handsRound = 1000

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
	in, err := a.Incident(ctx, p.Incident)
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
	in, err := a.Incident(ctx, q.Incident)
	if err != nil {
		return q, err
	}
	return q, a.store.PutObservations(ctx, sweepOf(in), handsRound+q.Number, []topology.Observation{{
		Component: q.Component, Probe: q.Probe, Peer: q.Peer, Vantage: topology.Hands, At: q.AnsweredAt, Result: q.Answer.Result(), Detail: handsDetail(q),
	}})
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

// LookAgainParams asks what an incident's observations come to now.
type LookAgainParams struct {
	Incident string `json:"incident"`
}

// Look is what an incident's observations come to, with the answers of people
// on site among them.
type Look struct {
	Finding topology.Finding `json:"finding"`
	Changed bool             `json:"changed,omitempty"` // another component, or surer or less so, than the incident says
	Title   string           `json:"title,omitempty"`   // of the finding; where it names another component
	Site    string           `json:"site,omitempty"`
	Text    string           `json:"text,omitempty"` // the finding in one English line
	Servers []string         `json:"servers,omitempty"`
	Clients []string         `json:"clients,omitempty"`
	Sweep   string           `json:"sweep"`
	// Ask are the questions that would decide it, most telling first, of which
	// none was asked before. Their number is not given yet.
	Ask []incident.Question `json:"ask,omitempty"`
	// Moot are the numbers of the open questions that would no longer tell
	// anything; those that an engineer asked are not among them.
	Moot []int `json:"moot,omitempty"`
}

// LookAgain infers once more over the stored observations of an incident.
func (a *Activities) LookAgain(ctx context.Context, p LookAgainParams) (Look, error) {
	in, err := a.Incident(ctx, p.Incident)
	if err != nil {
		return Look{}, err
	}
	out := Look{Finding: in.Finding, Sweep: sweepOf(in)}
	obs, err := a.store.Observations(ctx, out.Sweep)
	if err != nil {
		return out, fmt.Errorf("read observations of incident %s: %w", in.ID, err)
	}
	if obs, _, err = a.news(ctx, obs); err != nil {
		return out, err
	}
	inf := a.graph.Infer(obs)
	asked, err := a.store.Questions(ctx, store.QuestionFilter{Incident: in.ID})
	if err != nil {
		return out, err
	}
	f, ok := sameFailure(in, inf.Findings)
	if !ok {
		return out, nil // the rows name nothing any more: what was found stands until something else is
	}
	if f.Component != in.Finding.Component || !slices.Equal(f.AmbiguousWith, in.Finding.AmbiguousWith) || topology.Percent(f.Itself()) != topology.Percent(in.Finding.Itself()) {
		a.change(&out, in, f)
	}
	a.questions(&out, inf.Next, asked)
	return out, nil
}

// change fills in what the new finding means. Machines that the incident
// already counts stay with it: it ends when they are all back.
func (a *Activities) change(out *Look, in incident.Incident, f topology.Finding) {
	out.Finding, out.Changed = f, true
	out.Text = strings.TrimSuffix(topology.Describe(a.inv, f, inventory.English), ".")
	servers := map[string]bool{}
	for _, id := range slices.Concat(in.Servers, f.Explains) {
		servers[id] = true
	}
	out.Servers = sorted(servers)
	out.Clients = a.clientsOf(out.Servers)
	if f.Component != in.Finding.Component {
		out.Title = topology.Headline(a.inv, f, inventory.English)
		if c, ok := a.inv.Component(f.Component); ok {
			out.Site = siteOf(c)
		}
	}
}

// sameFailure is the finding that explains what the incident is about: the one
// that shares most of its machines, of equals the one that it could have been.
func sameFailure(in incident.Incident, findings []topology.Finding) (topology.Finding, bool) {
	best, score := -1, 0
	for i, f := range findings {
		shared := 0
		for _, id := range f.Explains {
			if _, ok := slices.BinarySearch(in.Finding.Explains, id); ok {
				shared++
			}
		}
		mine := 2 * shared
		if f.Component == in.Finding.Component || slices.Contains(in.Finding.AmbiguousWith, f.Component) {
			mine++
		}
		if mine > score {
			best, score = i, mine
		}
	}
	if best < 0 {
		return topology.Finding{}, false
	}
	return findings[best], true
}

// questions fills in what only people can tell about the finding, and which of
// the open questions are moot.
func (a *Activities) questions(out *Look, next []topology.ProbeRequest, asked []incident.Question) {
	class := append([]string{out.Finding.Component}, out.Finding.AmbiguousWith...)
	wanted := map[question]bool{}
	if len(out.Finding.AmbiguousWith) > 0 {
		for _, r := range next {
			about := slices.Contains(class, r.Component) || slices.Contains(class, r.Peer)
			if r.Vantage != topology.Hands || !about || message.CanBeSeen(a.inv, r.Component, r.Probe, r.Peer) != nil {
				continue
			}
			key := question{component: r.Component, peer: r.Peer, probe: r.Probe}
			wanted[key] = true
			before := slices.ContainsFunc(asked, func(q incident.Question) bool {
				return q.Component == r.Component && q.Probe == r.Probe && q.Peer == r.Peer
			})
			if c, ok := a.inv.Component(r.Component); ok && !before {
				out.Ask = append(out.Ask, incident.Question{Component: r.Component, Probe: r.Probe, Peer: r.Peer, Site: siteOf(c)})
			}
		}
	}
	for _, q := range asked {
		if q.Open() && q.AskedBy == AskedByVakhta && !wanted[question{component: q.Component, peer: q.Peer, probe: q.Probe}] {
			out.Moot = append(out.Moot, q.Number)
		}
	}
	slices.Sort(out.Moot)
}

// AskedByVakhta is who asks what inference wants to know.
const AskedByVakhta = "vakhta"

// openWith finds the open incident whose finding has come to name the
// component since it was opened for another.
func (a *Activities) openWith(ctx context.Context, component string) (incident.Incident, bool, error) {
	all, err := a.store.Incidents(ctx, store.IncidentFilter{Open: true})
	if err != nil {
		return incident.Incident{}, false, fmt.Errorf("look for open incidents of %s: %w", component, err)
	}
	for _, in := range all {
		if !in.Drill && in.Component != component && in.Finding.Component == component {
			return in, true, nil
		}
	}
	return incident.Incident{}, false, nil
}
