package incident

import (
	"strconv"
	"strings"
	"time"

	"vakhta/internal/topology"
)

// Answer is what somebody who went and looked says.
type Answer string

// The answers.
const (
	Yes      Answer = "yes"
	No       Answer = "no"
	CantTell Answer = "cant-tell"
)

// Answers are all that a question takes.
var Answers = []Answer{Yes, No, CantTell}

// Result is the answer as an observation: every question is put so that yes means that it works.
func (a Answer) Result() topology.Result {
	switch a {
	case Yes:
		return topology.Up
	case No:
		return topology.Down
	}
	return topology.Unknown
}

// QuestionState is where a question to a site's support stands.
type QuestionState string

// The states of a question. An overdue one was handed to an engineer and still takes an answer.
const (
	Asking    QuestionState = "asking"
	Overdue   QuestionState = "overdue"
	Answered  QuestionState = "answered"
	Withdrawn QuestionState = "withdrawn" // the answer is not needed any more
	Unheard   QuestionState = "unheard"   // nobody answered, and it is no longer asked
)

// Question is the one thing that people at a site are asked to go and look at.
type Question struct {
	ID        string         `json:"id"` // "<incident>/<n>"
	Incident  string         `json:"incident"`
	Number    int            `json:"number"` // within the incident, from 1
	Component string         `json:"component"`
	Probe     topology.Probe `json:"probe"`
	Peer      string         `json:"peer,omitempty"`
	Site      string         `json:"site"`
	Team      string         `json:"team,omitempty"` // who is asked; empty: the site has no support, an engineer is
	State     QuestionState  `json:"state"`
	AskedBy   string         `json:"askedBy"` // vakhta, or who wanted to know
	AskedAt   time.Time      `json:"askedAt"`
	Deadline  time.Time      `json:"deadline"`

	Answer     Answer    `json:"answer,omitempty"`
	AnsweredBy string    `json:"answeredBy,omitempty"` // contact id, or a name
	Via        string    `json:"via,omitempty"`        // a channel or a door
	Note       string    `json:"note,omitempty"`
	AnsweredAt time.Time `json:"answeredAt,omitzero"`
}

// Reply is one person's answer to a question.
type Reply struct {
	Answer Answer    `json:"answer"`
	By     string    `json:"by"`
	Via    string    `json:"via"`
	Note   string    `json:"note,omitempty"`
	At     time.Time `json:"at,omitzero"`
}

// Open says that an answer is still wanted.
func (q Question) Open() bool { return q.State == Asking || q.State == Overdue }

// QuestionID is the id of an incident's n-th question.
func QuestionID(incident string, n int) string { return incident + "/" + strconv.Itoa(n) }

// ParseQuestionID takes a question's id apart.
func ParseQuestionID(id string) (incident string, n int, ok bool) {
	at := strings.LastIndexByte(id, '/')
	if at <= 0 {
		return "", 0, false
	}
	n, err := strconv.Atoi(id[at+1:])
	return id[:at], n, err == nil && n > 0
}

// questionStep begins the step of every message about a question.
const questionStep = "hands/"

// QuestionStep begins the step of every message about an incident's n-th question.
func QuestionStep(n int) string { return questionStep + strconv.Itoa(n) + "/" }

// QuestionOf is the id of the question that a notification of this subject
// ("incident/<id>") and step asks; false: it is about none.
func QuestionOf(subject, step string) (id string, ok bool) {
	incident, isIncident := strings.CutPrefix(subject, "incident/")
	rest, isQuestion := strings.CutPrefix(step, questionStep)
	number, _, _ := strings.Cut(rest, "/")
	n, err := strconv.Atoi(number)
	return QuestionID(incident, n), isIncident && isQuestion && err == nil && n > 0
}
