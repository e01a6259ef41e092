package records_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/message"
	"vakhta/internal/topology"
)

const bareRack = "msk-r1-k03"

// darkRack is an incident about a rack without management of which no machine
// answers: rack or switch, no probe can tell.
func darkRack(t *testing.T) (*rig, incident.Incident) {
	t.Helper()
	inv := must[*inventory.Inventory](t)(inventory.Load(estate.Generate(estate.Options{Seed: 1, Bare: []string{bareRack}})))
	r := newRigOf(t, inv)
	var obs []topology.Observation
	for _, c := range inv.Components() {
		if c.Kind != inventory.KindServer || c.Site != "msk" {
			continue
		}
		for i, v := range estate.Vantages {
			o := topology.Observation{Component: c.ID, Probe: topology.ProbeTCP, Vantage: v, At: r.now.Add(time.Duration(i) * time.Second), Result: topology.Up}
			if c.Rack == bareRack {
				o.Result = topology.Down
			}
			obs = append(obs, o)
		}
	}
	if err := r.store.PutObservations(t.Context(), "sweep-1", 1, obs); err != nil {
		t.Fatal(err)
	}
	inf := topology.New(inv).Infer(obs)
	if len(inf.Findings) != 1 {
		t.Fatalf("%d findings, want one: %+v", len(inf.Findings), inf.Findings)
	}
	opened := must[records.Opened](t)(r.OpenIncident(t.Context(), records.OpenIncidentParams{RequestKey: "k", Finding: inf.Findings[0], Sweep: "sweep-1"}))
	return r, opened.Incident
}

func (r *rig) again(of string) records.Look {
	r.t.Helper()
	return must[records.Look](r.t)(r.LookAgain(r.t.Context(), records.LookAgainParams{Incident: of}))
}

// ask asks the first of the questions that would tell more.
func (r *rig) ask(of string, n int, q incident.Question) records.Asked {
	r.t.Helper()
	return must[records.Asked](r.t)(r.AskQuestion(r.t.Context(), records.AskParams{
		Incident: of, Number: n, Component: q.Component, Probe: q.Probe, Peer: q.Peer, By: records.AskedByVakhta,
	}))
}

func (r *rig) say(id string, a incident.Answer) incident.Question {
	r.t.Helper()
	return must[incident.Question](r.t)(r.SettleQuestion(r.t.Context(), records.AnswerParams{
		Question: id, Reply: incident.Reply{Answer: a, By: "nina", Via: "telegram"},
	}))
}

// What is in the rack, and in which order it is asked, is inference's; here
// it matters that each answer narrows the finding, in the incident's own rows.
func TestAnswersNarrowTheFindingOneAfterAnother(t *testing.T) {
	for want, lights := range map[string]map[string]incident.Answer{
		bareRack + "-sw": {bareRack: incident.Yes, "m1-0301": incident.Yes, "m1-0325": incident.Yes},
		bareRack:         {bareRack: incident.No},
	} {
		t.Run(want, func(t *testing.T) {
			r, in := darkRack(t)
			class := 1 + len(in.Finding.AmbiguousWith)
			if class < 3 {
				t.Fatalf("the probes tell all but %v apart", in.Finding.AmbiguousWith)
			}
			asked, last := 0, records.Look{}
			for l := r.again(in.ID); len(l.Ask) > 0; l = r.again(in.ID) {
				asked++
				q := l.Ask[0]
				answer, ok := lights[q.Component]
				if !ok || asked > 4 {
					t.Fatalf("question %d is %s of %s", asked, q.Probe, q.Component)
				}
				got := r.ask(in.ID, asked, q)
				r.now = r.now.Add(20 * time.Minute) // people take their time
				r.say(got.Question.ID, answer)
				if last = r.again(in.ID); !last.Told || len(last.Finding.AmbiguousWith) >= class {
					t.Errorf("after %s of %s: %s", q.Probe, q.Component, last.Text)
				}
			}
			if last.Finding.Component != want || len(last.Servers) != 40 {
				t.Errorf("it came to %s with %d servers, want %s: %+v", last.Finding.Component, len(last.Servers), want, last.Finding)
			}
			rows := must[[]topology.Observation](t)(r.store.Observations(t.Context(), "sweep-1"))
			answers := slices.DeleteFunc(rows, func(o topology.Observation) bool { return o.Vantage != topology.Hands })
			if len(answers) != asked || answers[0].Detail != "answered by nina" {
				t.Errorf("observations %+v, want %d answers among them", answers, asked)
			}
			t.Logf("%d questions: %s", asked, last.Text)
		})
	}
}

func TestAQuestionNamesItsPlaceItsTeamAndItsTime(t *testing.T) {
	r, in := darkRack(t)
	lamp := incident.Question{Component: "m1-0325", Probe: topology.ProbePSU, Peer: bareRack + "-pdu-b"}
	got := r.ask(in.ID, 1, lamp)
	if want := "server m1-0325, Moscow, room 1, rack 1.03, unit 25: Is the lamp of the power supply on PDU B lit?"; got.Text != want {
		t.Errorf("%q, want %q", got.Text, want)
	}
	if got.Team.ID != "msk-hands" || got.Question.Site != "msk" || !got.Question.Deadline.Equal(r.now.Add(30*time.Minute)) || len(got.Ladder) != 3 {
		t.Errorf("%+v", got)
	}
	for _, m := range got.Team.Members {
		if len(m.Addresses) > 0 {
			t.Errorf("the addresses of %s would stand in a history", m.ID)
		}
	}
	if again := r.ask(in.ID, 1, lamp); again.Question != got.Question {
		t.Errorf("a retry: %+v, want %+v", again.Question, got.Question)
	}
	for name, p := range map[string]struct {
		records.AskParams
		says string
	}{
		"another under its number": {records.AskParams{Number: 1, Component: bareRack, Probe: topology.ProbePower}, "take the next number"},
		"unknown component":        {records.AskParams{Number: 2, Component: "nothing", Probe: topology.ProbePower}, `no component "nothing"`},
		"what can't be seen":       {records.AskParams{Number: 2, Component: bareRack, Probe: topology.ProbeTCP}, "can't be answered by looking"},
		"no other end":             {records.AskParams{Number: 2, Component: "m1-0325", Probe: topology.ProbePSU}, "peer: must be given"},
	} {
		t.Run(name, func(t *testing.T) {
			p.Incident = in.ID
			_, err := r.AskQuestion(t.Context(), p.AskParams)
			r.wantInvalid(err, records.TypeInvalid, p.says)
		})
	}
}

func TestAQuestionIsWrittenToWhoHasTheChannel(t *testing.T) {
	r, in := darkRack(t)
	q := r.ask(in.ID, 1, incident.Question{Component: "m1-0325", Probe: topology.ProbePSU, Peer: bareRack + "-pdu-b"}).Question
	write := func(p records.QuestionParams) records.Composed {
		t.Helper()
		p.Question = q.ID
		return must[records.Composed](t)(r.ComposeQuestion(t.Context(), p))
	}
	first := write(records.QuestionParams{Contacts: []string{"nina", "romashka-director"}, Channel: inventory.Telegram, Event: message.EventQuestion, Round: 1, Level: 1, Rung: 1})
	if !slices.Equal(first.Unreachable, []string{"romashka-director"}) || len(first.Batches) != 1 {
		t.Fatalf("%+v", first)
	}
	if retry := write(records.QuestionParams{Contacts: []string{"nina"}, Channel: inventory.Telegram, Event: message.EventQuestion, Round: 1, Level: 1, Rung: 1}); !slices.Equal(retry.Batches[0], first.Batches[0]) {
		t.Errorf("a retry wrote %v, the first was %v", retry.Batches, first.Batches)
	}
	n := r.written(first)[0]
	for _, part := range []string{"m1-0325", "VK-M10325", "стойка 1.03", "юнит 25", "Горит ли лампа блока питания, который включён в PDU B?", n.AckCode} {
		if !strings.Contains(n.Body, part) {
			t.Errorf("the message lacks %q:\n%s", part, n.Body)
		}
	}
	if id, ok := incident.QuestionOf(n.Subject, n.Step); !ok || id != q.ID || !n.Critical {
		t.Errorf("%s %s is of question %q", n.Subject, n.Step, id)
	}
	again := r.written(write(records.QuestionParams{Contacts: []string{"nina"}, Channel: inventory.Telegram, Event: message.EventQuestion, Round: 2, Level: 1, Rung: 1, Reminded: []string{"nina"}}))[0]
	if again.ID == n.ID || !strings.Contains(again.Body, "Напоминание") {
		t.Errorf("the reminder is %s:\n%s", again.ID, again.Body)
	}
	r.say(q.ID, incident.No)
	down := r.written(write(records.QuestionParams{Contacts: []string{"gleb"}, Event: message.EventQuestionStandDown, Round: 2}))[0]
	if !strings.Contains(down.Body, "нет") || strings.Contains(down.Body, "Горит ли") || down.Channel == inventory.Call {
		t.Errorf("%s to stand down by %s", down.Body, down.Channel)
	}
}

func TestWhatIsAskedOrAnsweredElsewhereIsNotAskedAgain(t *testing.T) {
	r, in := darkRack(t)
	other := r.open("m1-0601") // another incident at the same site
	wanted := r.again(in.ID).Ask[0]
	theirs := r.ask(other.ID, 1, wanted).Question
	if q := r.again(in.ID).Ask[0]; q.ID != theirs.ID || q.Incident != other.ID || q.Number != 1 {
		t.Errorf("asked elsewhere as %s, but it wants %+v", theirs.ID, q)
	}
	r.say(theirs.ID, incident.No)
	l := r.again(in.ID)
	if !l.Told || !l.Changed || l.Finding.Component != wanted.Component {
		t.Errorf("answered elsewhere: %+v", l.Finding)
	}
	for _, q := range l.Ask {
		if q.Component == wanted.Component {
			t.Errorf("it is asked once more: %+v", q)
		}
	}
	// What was seen long before tells nothing.
	r, in = darkRack(t)
	r.now = r.now.Add(-time.Hour)
	other = r.open("m1-0601")
	r.say(r.ask(other.ID, 1, wanted).Question.ID, incident.No)
	r.now = r.now.Add(time.Hour)
	if l := r.again(in.ID); l.Told {
		t.Errorf("an hour old: %+v", l.Finding)
	}
}

func TestAQuestionThatWouldTellNothingIsMoot(t *testing.T) {
	r, in := darkRack(t)
	ask := r.again(in.ID).Ask
	r.ask(in.ID, 1, ask[0])
	r.ask(in.ID, 2, ask[1])
	mine := must[records.Asked](t)(r.AskQuestion(t.Context(), records.AskParams{Incident: in.ID, Number: 3, Component: "m1-0301", Probe: topology.ProbePower, By: "ivan"}))
	if l := r.again(in.ID); len(l.Moot) > 0 {
		t.Errorf("moot %v before anything was answered", l.Moot)
	}
	r.say(incident.QuestionID(in.ID, 1), incident.No)
	if l := r.again(in.ID); !slices.Equal(l.Moot, []int{2}) {
		t.Errorf("moot %v after %s, want 2; %s is an engineer's", l.Moot, l.Finding.Component, mine.Question.ID)
	}
}

func TestAnotherIncidentOfTheComponentIsNamed(t *testing.T) {
	r, in := darkRack(t)
	twin := r.open(bareRack)
	r.say(r.ask(in.ID, 1, incident.Question{Component: bareRack, Probe: topology.ProbePower}).Question.ID, incident.No)
	l := r.again(in.ID)
	if l.Finding.Component != bareRack || l.Twin != twin.ID {
		t.Errorf("finding %s, twin %q, want %s", l.Finding.Component, l.Twin, twin.ID)
	}
	in.Component = bareRack
	err := r.SaveIncident(t.Context(), records.SaveIncidentParams{Incident: in})
	r.wantInvalid(err, records.TypeConflict, "another incident of "+bareRack+" is open")
}

func TestWhoComesToAnIncidentThatNamesItsComponentJoins(t *testing.T) {
	r, in := darkRack(t)
	in.Component, in.Finding.Component = bareRack, bareRack
	r.save(in)
	if got := r.open(bareRack); got.ID != in.ID {
		t.Errorf("a second incident %s beside %s", got.ID, in.ID)
	}
	// The switch's own next incident gets an id of its own.
	if got := r.open(bareRack + "-sw"); got.ID == in.ID || got.Component != bareRack+"-sw" {
		t.Errorf("incident %s of %s beside %s", got.ID, got.Component, in.ID)
	}
}
