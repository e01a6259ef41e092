package described

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"vakhta/activities/notify"
	"vakhta/internal/ledger"
)

// file is a description as it is written.
type file struct {
	Request  request   `yaml:"request"`
	Answer   reading   `yaml:"answer"`
	LookUp   *lookUp   `yaml:"lookUp"`
	Callback *callback `yaml:"callback"`
}

// reading says what an answer means.
type reading struct {
	ID       expression `yaml:"id"`      // the provider's own id of the message
	Code     expression `yaml:"code"`    // its error code
	Message  expression `yaml:"message"` // its words, for an operator
	Outcomes []rule     `yaml:"outcomes"`
}

// lookUp asks the gateway what it has of a message.
type lookUp struct {
	Request request    `yaml:"request"`
	Found   expression `yaml:"found"`
	Missing expression `yaml:"missing"`
	ID      expression `yaml:"id"`
}

// rule turns what it holds for into an outcome or a state.
type rule struct {
	When  expression `yaml:"when"`
	Is    word       `yaml:"is"`
	Class word       `yaml:"class"` // of refused
	After word       `yaml:"after"` // of retry

	state ledger.State
	after time.Duration
}

// apply writes the rule's word into an outcome.
func (r rule) apply(o *ledger.Outcome) {
	o.State = r.state
	switch r.state {
	case ledger.Refused:
		o.Class, o.OptedOut, o.Code = r.class()
	case ledger.Retry:
		o.Class, o.RetryAfter = ledger.ClassRetry, r.after
	case ledger.Unknown:
		o.Class = ledger.ClassAmbiguous
	}
}

// classes are the words for what kind of refusal it is, the default one first.
var classes = []string{"config", "account", "dead", "opted-out", "next"}

func (r rule) class() (class ledger.Class, optedOut bool, code string) {
	switch r.Class.text {
	case "account":
		return ledger.ClassConfig, false, notify.AccountRefused
	case "dead":
		return ledger.ClassDead, false, ""
	case "opted-out":
		return ledger.ClassDead, true, ""
	case "next":
		return ledger.ClassNext, false, ""
	default:
		return ledger.ClassConfig, false, ""
	}
}

// word is a scalar that remembers where it stands.
type word struct {
	text string
	line int
}

// UnmarshalYAML implements yaml.Unmarshaler.
func (w *word) UnmarshalYAML(node *yaml.Node) error {
	if node.Kind != yaml.ScalarNode {
		return fmt.Errorf("line %d: a text is expected here", node.Line)
	}
	w.text, w.line = node.Value, node.Line
	return nil
}

// problem is a mistake in a description.
type problem struct {
	line  int
	field string
	says  string
}

func (p *problem) Error() string { return fmt.Sprintf("line %d: %s: %s", p.line, p.field, p.says) }

// load reads a description; all that is wrong with it is told at once.
func load(path string, secrets map[string]string) (*file, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read the provider's description: %w", err)
	}
	f, err := parse(text, secrets)
	if err != nil {
		return nil, fmt.Errorf("provider's description %s: %w", path, err)
	}
	return f, nil
}

func parse(text []byte, secrets map[string]string) (*file, error) {
	var f file
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(true)
	if err := d.Decode(&f); err != nil {
		return nil, errors.New(strings.ReplaceAll(strings.TrimPrefix(err.Error(), "yaml: "), "unmarshal errors:\n  ", ""))
	}
	c := &checker{secrets: secrets}
	c.request("request", &f.Request)
	if len(f.Answer.Outcomes) == 0 {
		c.wrong(1, "answer.outcomes", "missing; say at least by which answer a message is accepted")
	}
	for name, e := range map[string]*expression{"id": &f.Answer.ID, "code": &f.Answer.Code, "message": &f.Answer.Message} {
		c.expression("answer."+name, e, false)
	}
	c.rules("answer.outcomes", f.Answer.Outcomes, []ledger.State{ledger.Accepted, ledger.Refused, ledger.Retry, ledger.Unknown})
	if l := f.LookUp; l != nil {
		c.request("lookUp.request", &l.Request)
		c.expression("lookUp.id", &l.ID, false)
		for name, e := range map[string]*expression{"found": &l.Found, "missing": &l.Missing} {
			c.required("lookUp."+name, e)
		}
	}
	if f.Callback != nil {
		c.callback(f.Callback)
	}
	return &f, c.err()
}

// checker collects what is wrong.
type checker struct {
	secrets  map[string]string
	problems []*problem
}

func (c *checker) wrong(line int, field, says string) {
	c.problems = append(c.problems, &problem{line, field, says})
}

func (c *checker) err() error {
	slices.SortFunc(c.problems, func(a, b *problem) int {
		if a.line != b.line {
			return a.line - b.line
		}
		return strings.Compare(a.field, b.field)
	})
	var all []error
	for _, p := range c.problems {
		all = append(all, p)
	}
	return errors.Join(all...)
}

func (c *checker) rules(field string, rules []rule, states []ledger.State) {
	for i := range rules {
		r, at := &rules[i], fmt.Sprintf("%s[%d]", field, i)
		c.required(at+".when", &r.When)
		r.state = ledger.State(r.Is.text)
		if !slices.Contains(states, r.state) {
			c.wrong(max(r.Is.line, r.When.line), at+".is", fmt.Sprintf("%q is none of %v", r.Is.text, states))
		}
		if r.Class.text != "" && (r.state != ledger.Refused || !slices.Contains(classes, r.Class.text)) {
			c.wrong(r.Class.line, at+".class", fmt.Sprintf("%q: refused alone has a class, one of %v", r.Class.text, classes))
		}
		if r.After.text == "" {
			continue
		}
		var err error
		if r.after, err = time.ParseDuration(r.After.text); err != nil || r.after < 0 || r.state != ledger.Retry {
			c.wrong(r.After.line, at+".after", "retry alone has one, a time such as 30s")
		}
	}
}

// secret refers to one by its name.
func (c *checker) secret(field string, w word) {
	if _, there := c.secrets[w.text]; !there {
		c.wrong(w.line, field, fmt.Sprintf("the configuration has no secret %q for this provider", w.text))
	}
}
