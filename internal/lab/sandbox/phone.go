package sandbox

import (
	"encoding/xml"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// verb is one TwiML element.
type verb struct {
	XMLName xml.Name
	Attrs   []xml.Attr `xml:",any,attr"`
	Text    string     `xml:",chardata"`
	Verbs   []verb     `xml:",any"`
}

func (v verb) attr(name, fallback string) string {
	for _, a := range v.Attrs {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return fallback
}

func (v verb) number(name string, fallback int) int {
	n, err := strconv.Atoi(v.attr(name, ""))
	if err != nil {
		return fallback
	}
	return n
}

// said is a Say's text with its SSML children, spaces folded.
func (v verb) said() string {
	var b strings.Builder
	b.WriteString(v.Text)
	for _, child := range v.Verbs {
		b.WriteString(" " + child.said())
	}
	return strings.Join(strings.Fields(b.String()), " ")
}

var errTwiml = errors.New("the document is not TwiML: its root must be Response")

func parseTwiml(doc []byte) ([]verb, error) {
	var root verb
	if err := xml.Unmarshal(doc, &root); err != nil {
		return nil, err
	}
	if root.XMLName.Local != "Response" {
		return nil, errTwiml
	}
	return root.Verbs, nil
}

// document is TwiML and where it came from, against which its URLs resolve.
type document struct {
	base  string
	twiml []byte
}

// maxDocuments ends a call whose documents redirect in a circle.
const maxDocuments = 100

// talk executes the call's TwiML, document after document, until it hangs up.
func (c *call) talk() {
	doc := &document{twiml: []byte(c.form.Get("Twiml"))}
	if target := c.form.Get("Url"); target != "" {
		doc = c.fetch(c.form.Get("Method"), target, nil)
		if fallback := c.form.Get("FallbackUrl"); doc == nil && fallback != "" {
			doc = c.fetch(c.form.Get("FallbackMethod"), fallback, nil)
		}
	}
	for n := 0; doc != nil && n < maxDocuments && c.ctx.Err() == nil; n++ {
		verbs, err := parseTwiml(doc.twiml)
		if err != nil {
			c.note("voice", "An application error has occurred. Goodbye.")
			return
		}
		doc = c.perform(doc, verbs)
	}
}

// fetch asks our side for the next document; nil ends the call.
func (c *call) fetch(method, target string, more url.Values) *document {
	params := c.params("in-progress")
	for k, v := range more {
		params[k] = v
	}
	rule, token := retryRuleOf(target), sid("")
	var d delivery
	for n := 1; ; n++ {
		d = c.box.webhook(c.ctx, method, target, params, token)
		if !rule.again(n, d) || !c.wait(c.box.backoff(n)) {
			break
		}
	}
	if !d.ok() {
		if c.ctx.Err() == nil {
			c.note("voice", "An application error has occurred. Goodbye.")
		}
		return nil
	}
	base, _, _ := strings.Cut(target, "#")
	if len(strings.TrimSpace(string(d.body))) == 0 { // an empty answer is an empty document
		return nil
	}
	return &document{base: base, twiml: d.body}
}

// perform executes verbs in order and returns the document to go on with, or nil.
func (c *call) perform(doc *document, verbs []verb) *document {
	for _, v := range verbs {
		if c.ctx.Err() != nil {
			return nil
		}
		switch v.XMLName.Local {
		case "Gather":
			next, moved := c.gather(doc, v)
			if moved {
				return next
			}
		case "Redirect":
			return c.fetch(v.attr("method", http.MethodPost), doc.resolve(strings.TrimSpace(v.Text)), nil)
		case "Hangup", "Reject":
			c.note("line", "hung up")
			return nil
		default:
			c.utter(v)
		}
	}
	return nil
}

// utter performs the verbs that only make a sound, alone or within a Gather.
func (c *call) utter(v verb) {
	switch v.XMLName.Local {
	case "Say":
		for range max(1, v.number("loop", 1)) {
			text := v.said()
			c.note("voice", text)
			c.wait(c.seconds(1 + utf8.RuneCountInString(text)/15)) // a voice speaks some 15 characters a second
		}
	case "Pause":
		c.wait(c.seconds(v.number("length", 1)))
	case "Play":
		c.note("line", "a recording plays")
	default:
		c.note("line", "the sandbox doesn't know the verb "+v.XMLName.Local)
	}
}

// gather plays the nested prompt and then collects digits. It says whether the
// call moved to another document: without input it goes on below the Gather,
// unless actionOnEmptyResult asks otherwise.
func (c *call) gather(doc *document, v verb) (next *document, moved bool) {
	for _, prompt := range v.Verbs {
		c.utter(prompt)
	}
	digits := c.press(v.number("numDigits", 0), v.attr("finishOnKey", "#"))
	want := v.number("numDigits", 0)
	if digits == "" || (want > 0 && len(digits) < want) {
		c.wait(c.seconds(v.number("timeout", 5)))
	}
	if c.ctx.Err() != nil {
		return nil, true
	}
	if digits == "" && v.attr("actionOnEmptyResult", "false") != "true" {
		return nil, false
	}
	more := url.Values{"Digits": {digits}}
	if digits != "" {
		more.Set("FinishedOnKey", "")
	}
	return c.fetch(v.attr("method", http.MethodPost), doc.resolve(v.attr("action", "")), more), true
}

// press has the person press the next digits; a machine presses none.
func (c *call) press(n int, finish string) string {
	if c.phone.Answer == AnswerVoicemail || c.digits == "" {
		return ""
	}
	if !c.wait(time.Duration(c.phone.Think)) {
		return ""
	}
	all := c.digits
	if n > 0 && n < len(all) {
		all = all[:n]
	}
	c.digits = c.digits[len(all):]
	pressed := all
	if i := strings.Index(all, finish); finish != "" && i >= 0 {
		c.digits = all[i+len(finish):] + c.digits
		all, pressed = all[:i], all[:i+len(finish)]
	}
	c.note("person", "pressed "+pressed)
	c.box.inbox.change(c.it.ID, func(it *Item) { it.Digits += pressed })
	return all
}

// resolve makes a document's URL absolute; an empty one is the document itself.
func (d *document) resolve(ref string) string {
	if ref == "" {
		return d.base
	}
	base, err := url.Parse(d.base)
	if err != nil {
		return ref
	}
	u, err := base.Parse(ref)
	if err != nil {
		return ref
	}
	return u.String()
}
