package workflows

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.temporal.io/sdk/temporal"
	"go.temporal.io/sdk/workflow"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/message"
	"vakhta/internal/topology"
	"vakhta/runbooks"
)

// HandsInput starts RemoteHands: one question about one component to the
// support of its site.
type HandsInput struct {
	Incident  string         `json:"incident"`
	Number    int            `json:"n,omitempty"` // default: the end of the workflow's id, hands/<incident>/<n>
	Component string         `json:"component"`
	Probe     topology.Probe `json:"probe"`          // power, psu, port, outlet, feed
	Peer      string         `json:"peer,omitempty"` // the component at the other end, for psu, port and outlet
	By        string         `json:"by,omitempty"`   // who wants to know
	// Ladder is by which channels they are asked, with waits; default: the configuration's.
	Ladder   []runbooks.Rung   `json:"ladder,omitempty"`
	Deadline runbooks.Duration `json:"deadline,omitempty"` // after it an engineer gets the task; default: the configuration's
}

const (
	// askRounds is how often everybody is asked at least: the second time is a reminder.
	askRounds = 2
	// overdueFor is how long an answer is still taken after the deadline.
	overdueFor = 24 * time.Hour
)

// RemoteHands asks people at a site to go and look: by one channel after
// another, reminded, then the next level, until somebody answers, the answer
// is not needed any more, or the deadline makes it an engineer's task. The
// answer is an observation like any other; its incident infers again.
func RemoteHands(ctx workflow.Context, in HandsInput) (HandsStatus, error) {
	if err := in.validate(workflow.GetInfo(ctx).WorkflowExecution.ID); err != nil {
		return HandsStatus{}, err
	}
	h := &hands{in: in, status: HandsStatus{Asked: []string{}}}
	if err := h.setup(ctx); err != nil {
		return h.status, err
	}
	err := h.run(ctx)
	if temporal.IsCanceledError(err) && h.status.Question.ID != "" {
		detached, _ := workflow.NewDisconnectedContext(ctx)
		h.stopped = "cancelled"
		return h.status, firstOf(h.end(detached), err)
	}
	return h.status, err
}

func (in *HandsInput) validate(id string) error {
	if err := required("incident", in.Incident, "component", in.Component, "probe", string(in.Probe)); err != nil {
		return err
	}
	if _, n, ok := incident.ParseQuestionID(strings.TrimPrefix(id, "hands/")); in.Number == 0 && ok {
		in.Number = n
	}
	if want := HandsID(in.Incident, in.Number); in.Number < 1 || id != want {
		return invalid("n: the workflow of a question must have the id %s, with its number from 1", HandsID(in.Incident, max(in.Number, 1)))
	}
	in.By = cmp.Or(in.By, records.AskedByVakhta)
	if in.Deadline < 0 {
		return invalid("deadline: must be longer than nothing")
	}
	return checkWaits(in.Ladder)
}

type hands struct {
	in      HandsInput
	team    inventory.Team
	ladder  []runbooks.Rung
	status  HandsStatus
	told    bool // that there is an answer in the store
	stopped string
	follows []string // other incidents that wait for the answer
	sending workflow.WaitGroup
}

func (h *hands) setup(ctx workflow.Context) error {
	h.sending = workflow.NewWaitGroup(ctx)
	if err := workflow.SetQueryHandlerWithOptions(ctx, QueryStatus, func() (HandsStatus, error) { return h.status, nil },
		workflow.QueryHandlerOptions{Description: "Who is asked, and what was answered"}); err != nil {
		return fmt.Errorf("set query %s: %w", QueryStatus, err)
	}
	err := workflow.SetUpdateHandlerWithOptions(ctx, UpdateAnswer, h.answer, workflow.UpdateHandlerOptions{
		Description: "Say what was seen: yes, no or cant-tell", Validator: h.validateAnswer,
	})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateAnswer, err)
	}
	err = workflow.SetUpdateHandlerWithOptions(ctx, UpdateCancel, func(_ workflow.Context, u StopUpdate) (HandsStatus, error) {
		h.stopped = "withdrawn by " + u.By + ": " + u.Reason
		return h.status, nil
	}, workflow.UpdateHandlerOptions{Description: "Withdraw the question", Validator: func(u StopUpdate) error {
		return firstOf(u.validate(), required("reason", u.Reason), h.mustBeOpen())
	}})
	if err != nil {
		return fmt.Errorf("set update %s: %w", UpdateCancel, err)
	}
	workflow.Go(ctx, h.listen)
	return upsert(ctx, AttrIncident.ValueSet(h.in.Incident), AttrStatus.ValueSet(string(incident.Asking)))
}

func (h *hands) listen(ctx workflow.Context) {
	sel := workflow.NewSelector(ctx)
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalAnswered), func(c workflow.ReceiveChannel, _ bool) {
		c.Receive(ctx, nil)
		h.told = true
	})
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalStop), func(c workflow.ReceiveChannel, _ bool) {
		var s StopSignal
		c.Receive(ctx, &s)
		h.stopped = cmp.Or(s.Why, "stopped")
	})
	sel.AddReceive(workflow.GetSignalChannel(ctx, SignalFollow), func(c workflow.ReceiveChannel, _ bool) {
		var s FollowSignal
		c.Receive(ctx, &s)
		if s.Incident == "" || s.Incident == h.in.Incident {
			return
		}
		if !slices.Contains(h.follows, s.Incident) {
			h.follows = append(h.follows, s.Incident)
		}
		h.tell(ctx, s.Incident) // also at the last moment
	})
	for {
		sel.Select(ctx)
	}
}

func (h *hands) validateAnswer(u AnswerUpdate) error {
	if err := u.validate(); err != nil {
		return err
	}
	if !slices.Contains(incident.Answers, u.Answer) {
		return invalid("answer: %q is none of yes, no, cant-tell", u.Answer)
	}
	if q := h.status.Question; q.Answer == u.Answer && q.AnsweredBy == u.By {
		return nil // the same once more
	}
	return h.mustBeOpen()
}

func (h *hands) mustBeOpen() error {
	switch q := h.status.Question; {
	case q.ID == "":
		return invalid("question: is still being written; try again in a moment")
	case q.Answer != "":
		return invalid("question: %s was answered already: %s, by %s (%s)", q.ID, q.Answer, q.AnsweredBy, q.Via)
	case h.stopped != "" || !q.Open():
		return invalid("question: %s is no longer asked: %s", q.ID, cmp.Or(h.stopped, string(q.State)))
	}
	return nil
}

// answer takes what an engineer, or the desk, was told.
func (h *hands) answer(ctx workflow.Context, u AnswerUpdate) (HandsStatus, error) {
	if h.status.Question.Answer == "" {
		reply := incident.Reply{Answer: u.Answer, By: u.By, Via: u.Via, Note: cut(u.Note, 300), At: workflow.Now(ctx).UTC()}
		if err := h.settle(ctx, records.AnswerParams{Reply: reply}); err != nil {
			return h.status, err
		}
	}
	if q := h.status.Question; q.Answer != u.Answer || q.AnsweredBy != u.By {
		return h.status, invalid("question: %s was answered already: %s, by %s (%s)", q.ID, cmp.Or(q.Answer, incident.Answer(q.State)), q.AnsweredBy, q.Via)
	}
	return h.status, nil
}

// settle records, or reads, where the question stands in the store.
func (h *hands) settle(ctx workflow.Context, p records.AnswerParams) error {
	p.Question, h.told = h.status.Question.ID, false
	q, err := record[incident.Question](ctx, rec.SettleQuestion, p)
	if err != nil {
		return err
	}
	// Of two that read at once the later reader may be told first.
	if was := h.status.Question.State; was == incident.Asking || was == incident.Overdue && q.State != incident.Asking {
		h.status.Question = q
		h.details(ctx)
	}
	return nil
}

// over: nobody needs to be asked now.
func (h *hands) over() bool { return h.stopped != "" || h.told || h.status.Question.Answer != "" }

func (h *hands) run(ctx workflow.Context) error {
	// A question that is kept is never left open: cancelling waits until it is known.
	detached, _ := workflow.NewDisconnectedContext(ctx)
	asked, err := record[records.Asked](detached, rec.AskQuestion, records.AskParams{
		Incident: h.in.Incident, Number: h.in.Number, Component: h.in.Component, Probe: h.in.Probe, Peer: h.in.Peer, By: h.in.By, Ladder: h.in.Ladder, Deadline: h.in.Deadline.Std(),
	})
	if err != nil {
		return err
	}
	h.status.Question, h.status.Text, h.team, h.ladder = asked.Question, asked.Text, asked.Team, asked.Ladder
	if err := upsert(ctx, AttrSite.ValueSet(asked.Question.Site)); err != nil {
		return err
	}
	h.announce(ctx)
	if err := h.note(ctx, "asked", "question", h.in.By, "", fmt.Sprintf("Question %s to %s: %s", asked.Question.ID, h.who(), asked.Text)); err != nil {
		return err
	}
	if err := h.climb(ctx); err != nil {
		return err
	}
	if !h.over() {
		if err := h.giveUp(ctx); err != nil {
			return err
		}
	}
	if _, err := h.wait(ctx, overdueFor); err != nil {
		return err
	}
	return h.end(ctx)
}

func (h *hands) who() string {
	if h.team.ID == "" {
		return "an engineer, since site " + h.status.Question.Site + " has no support"
	}
	return h.team.Name + " at site " + h.status.Question.Site
}

// wait lets time pass until the question is over. Being told is checked: the
// store has the last word.
func (h *hands) wait(ctx workflow.Context, d time.Duration) (over bool, err error) {
	until := workflow.Now(ctx).Add(d)
	for left := d; left > 0; left = until.Sub(workflow.Now(ctx)) {
		over, err := workflow.AwaitWithTimeout(ctx, left, h.over)
		if err != nil || !over {
			return false, err
		}
		if h.told {
			if err := h.settle(ctx, records.AnswerParams{}); err != nil {
				return false, err
			}
		}
		if h.over() {
			return true, nil
		}
	}
	return h.over(), nil
}

// climb asks level after level, and then all once more, until somebody has
// answered or the deadline has come.
func (h *hands) climb(ctx workflow.Context) error {
	if h.team.ID == "" {
		return nil
	}
	for range max(h.team.Repeat+1, askRounds) {
		h.status.Round++
		for i, level := range h.team.Levels {
			h.status.Level = i + 1
			if over, err := h.level(ctx, level); err != nil || over {
				return err
			}
		}
	}
	_, err := h.wait(ctx, h.left(ctx))
	return err
}

func (h *hands) left(ctx workflow.Context) time.Duration {
	return h.status.Question.Deadline.Sub(workflow.Now(ctx))
}

// level asks all members of a level by one channel after another. It answers
// whether there is no more asking: answered, withdrawn, or out of time.
func (h *hands) level(ctx workflow.Context, level inventory.Level) (bool, error) {
	began := workflow.Now(ctx)
	for rung, r := range h.ladder {
		// Nobody is called who pressed a button while no worker could hear it.
		if err := h.settle(ctx, records.AnswerParams{}); err != nil {
			return false, err
		}
		if h.over() || h.left(ctx) <= 0 {
			return true, nil
		}
		reached, err := h.ask(ctx, level.Members, inventory.Channel(r.Channel), rung)
		if err != nil {
			return false, err
		}
		if !reached {
			continue
		}
		if over, err := h.wait(ctx, min(r.Wait.Std(), h.left(ctx))); err != nil || over {
			return over, err
		}
	}
	rest := time.Duration(level.AckWithinSeconds)*time.Second - workflow.Now(ctx).Sub(began)
	over, err := h.wait(ctx, min(rest, h.left(ctx)))
	return over || h.left(ctx) <= 0, err
}

// ask writes the question to contacts and sends it in the background. It
// answers whether any of them has such an address.
func (h *hands) ask(ctx workflow.Context, contacts []string, ch inventory.Channel, rung int) (bool, error) {
	p := h.params(message.EventQuestion, contacts)
	p.Channel, p.Rung, p.Deadline = ch, rung, max(h.left(ctx), time.Minute)
	for _, id := range contacts {
		if slices.Contains(h.status.Asked, id) {
			p.Reminded = append(p.Reminded, id)
		}
	}
	c, err := record[records.Composed](ctx, rec.ComposeQuestion, p)
	if err != nil || len(c.Batches) == 0 {
		return false, err
	}
	if h.over() {
		return true, nil // what was written is taken back, not sent
	}
	reached := minus(contacts, c.Unreachable)
	h.status.Asked = append(h.status.Asked, minus(reached, h.status.Asked)...)
	h.send(ctx, c)
	h.details(ctx)
	word := "Asking"
	if len(p.Reminded) > 0 {
		word = "Reminding"
	}
	return true, h.note(ctx, fmt.Sprintf("ask-%d.%d.%d", p.Round, p.Level, rung), "question", "vakhta", string(ch),
		fmt.Sprintf("%s %s by %s: question %s", word, strings.Join(reached, ", "), ch, h.status.Question.ID))
}

func (h *hands) params(event string, contacts []string) records.QuestionParams {
	return records.QuestionParams{Question: h.status.Question.ID, Contacts: contacts, Event: event, Round: h.status.Round, Level: h.status.Level}
}

func (h *hands) send(ctx workflow.Context, c records.Composed) {
	h.sending.Add(1)
	workflow.Go(ctx, func(ctx workflow.Context) {
		defer h.sending.Done()
		if _, err := deliver(ctx, c, urgent, nil); err != nil {
			workflow.GetLogger(ctx).Error("A question could not be sent", "question", h.status.Question.ID, "error", err)
		}
	})
}

// giveUp makes it an engineer's task: silence is not an answer. One that comes
// later is taken all the same.
func (h *hands) giveUp(ctx workflow.Context) error {
	if err := h.settle(ctx, records.AnswerParams{State: incident.Overdue}); err != nil || h.over() {
		return err
	}
	h.announce(ctx)
	q := h.status.Question
	why := fmt.Sprintf("nobody of %s has answered in %s", h.who(), q.Deadline.Sub(q.AskedAt))
	switch {
	case h.team.ID == "":
		why = "site " + q.Site + " has no support in the inventory"
	case len(h.status.Asked) == 0:
		why = "no channel reaches " + h.who()
	}
	if err := h.note(ctx, "overdue", "question", "vakhta", "", fmt.Sprintf("Question %s is an engineer's task now: %s", q.ID, why)); err != nil {
		return err
	}
	text := fmt.Sprintf("Question %s: %s. %s. Find it out, then: vakhta hands answer %s yes|no|cant-tell", q.ID, why, h.status.Text, q.ID)
	return handTask(ctx, "incident/"+q.Incident, "hands/"+q.ID, "", text, urgent)
}

// end says what became of the question, and tells those who were asked.
func (h *hands) end(ctx workflow.Context) error {
	state := incident.Unheard
	if h.stopped != "" {
		state = incident.Withdrawn
	}
	// An answer that came at the last moment counts.
	if err := h.settle(ctx, records.AnswerParams{State: state}); err != nil {
		return err
	}
	q := h.status.Question
	told := h.announce(ctx)
	kind, actor, via, text := "question", "vakhta", "", fmt.Sprintf("Question %s is withdrawn: %s", q.ID, h.stopped)
	switch q.State {
	case incident.Answered:
		kind, actor, via = "answer", q.AnsweredBy, q.Via
		text = strings.TrimSuffix(fmt.Sprintf("Question %s answered %s: %s (%s)", q.ID, q.Answer, h.status.Text, q.Note), " ()")
	case incident.Unheard:
		text = fmt.Sprintf("Question %s was never answered", q.ID)
	}
	if err := firstOf(h.note(ctx, "end", kind, actor, via, text), h.standDown(ctx)); err != nil {
		return err
	}
	for _, heard := range told {
		if err := heard.Get(ctx, nil); err != nil {
			workflow.GetLogger(ctx).Warn("An incident did not hear of an answer", "question", q.ID, "error", err)
		}
	}
	h.sending.Wait(ctx)
	return workflow.Await(ctx, func() bool { return workflow.AllHandlersFinished(ctx) })
}

// standDown takes back what has not left, and tells those who were asked that
// they need not look. Who answered knows.
func (h *hands) standDown(ctx workflow.Context) error {
	q := h.status.Question
	if len(h.status.Asked) == 0 {
		return nil
	}
	if _, err := record[int](ctx, rec.Drop, records.DropParams{Subject: "incident/" + q.Incident, StepPrefix: incident.QuestionStep(q.Number)}); err != nil {
		return err
	}
	others := minus(h.status.Asked, []string{q.AnsweredBy})
	if len(others) == 0 {
		return nil
	}
	p := h.params(message.EventQuestionStandDown, others)
	p.Deadline = time.Hour
	c, err := record[records.Composed](ctx, rec.ComposeQuestion, p)
	if err == nil && len(c.Batches) > 0 {
		h.send(ctx, c)
	}
	return err
}

// announce tells the incidents, and everybody who looks, where it stands.
func (h *hands) announce(ctx workflow.Context) []workflow.Future {
	h.details(ctx)
	if err := upsert(ctx, AttrStatus.ValueSet(string(h.status.Question.State))); err != nil {
		workflow.GetLogger(ctx).Error("A search attribute could not be set", "error", err)
	}
	told := []workflow.Future{h.tell(ctx, h.in.Incident)}
	for _, other := range h.follows {
		told = append(told, h.tell(ctx, other))
	}
	return told
}

func (h *hands) tell(ctx workflow.Context, id string) workflow.Future {
	return workflow.SignalExternalWorkflow(ctx, IncidentID(id), "", SignalHandsState, h.status)
}

func (h *hands) note(ctx workflow.Context, key, kind, actor, via, text string) error {
	return noteIncident(ctx, h.in.Incident, fmt.Sprintf("hands/%d/%s", h.in.Number, key), kind, actor, via, cut(text, 600))
}

func (h *hands) details(ctx workflow.Context) {
	q := h.status.Question
	line := fmt.Sprintf("**%s**\n\n%s; asked: %s", h.status.Text, q.State, cmp.Or(strings.Join(h.status.Asked, ", "), "nobody yet"))
	if q.Answer != "" {
		line = fmt.Sprintf("**%s**\n\n**%s**, by %s (%s) %s", h.status.Text, q.Answer, q.AnsweredBy, q.Via, q.Note)
	}
	workflow.SetCurrentDetails(ctx, line)
}
