package twilio

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf16"

	api "github.com/twilio/twilio-go/rest/api/v2010"

	"vakhta/activities/notify"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

// whatsAppPrefix makes a phone number an address of WhatsApp.
const whatsAppPrefix = "whatsapp:"

// Templates are the SIDs of the content templates of one language, which
// WhatsApp has approved (deploy/whatsapp holds their texts). Tell is needed, and
// stands in for those that are not given: without their buttons.
type Templates struct {
	Tell     string // what nobody has to confirm
	Confirm  string // "I have read this"
	Page     string // "Take it", "I can't"
	Question string // "Yes", "No", "Can't tell"
}

// WhatsAppConfig is the sender.
type WhatsAppConfig struct {
	From      string // E.164
	Templates map[inventory.Language]Templates
	// Heard says when a contact last wrote to us by WhatsApp; nil: never. For a
	// day after that he may be written to freely, otherwise by a template only.
	Heard func(ctx context.Context, contact string, ch inventory.Channel) (time.Time, error)
}

// WhatsApp sends WhatsApp messages. It is safe for concurrent use.
type WhatsApp struct {
	account *account
	cfg     WhatsAppConfig
}

var _ notify.Channel = (*WhatsApp)(nil)

// NewWhatsApp checks the account's and the sender's settings.
func NewWhatsApp(cfg Config, sender WhatsAppConfig) (*WhatsApp, error) {
	a, err := newAccount(cfg)
	if err != nil {
		return nil, err
	}
	if sender.From == "" {
		return nil, errors.New("twilio: whatsapp: the sender's number is empty; configure one of the account")
	}
	for _, lang := range []inventory.Language{inventory.Russian, inventory.English} {
		if sender.Templates[lang].Tell == "" {
			return nil, fmt.Errorf("twilio: whatsapp: there is no template to tell by in %q; nothing else may be sent to who hasn't written to us for a day", lang)
		}
	}
	return &WhatsApp{account: a, cfg: sender}, nil
}

// Send implements [notify.Channel].
func (w *WhatsApp) Send(ctx context.Context, n ledger.Notification, to string) ledger.Outcome {
	params := &api.CreateMessageParams{}
	params.SetTo(whatsAppPrefix + to)
	params.SetFrom(whatsAppPrefix + w.cfg.From)
	if template, buttons := w.template(n); buttons || !w.talking(ctx, n) {
		params.SetContentSid(template)
		params.SetContentVariables(variables(n))
	} else {
		params.SetBody(freely(n))
	}
	if w.account.cfg.PublicURL != "" {
		params.SetStatusCallback(w.account.callback(StatusPath, n))
	}
	if seconds, bounded := validity(n.Deadline, time.Now()); bounded {
		params.SetValidityPeriod(seconds)
	}
	service, x := w.account.open(ctx)
	var sid *string
	sent, err := service.CreateMessage(params)
	if sent != nil {
		sid = sent.Sid
	}
	return w.account.outcome(x, sid, err, to)
}

// Capabilities implements [notify.Channel].
func (*WhatsApp) Capabilities() notify.Capabilities {
	return notify.Capabilities{LookUp: true, Receipts: true, Acknowledge: true}
}

// LookUp implements [notify.Channel]: every message carries its code.
func (w *WhatsApp) LookUp(ctx context.Context, n ledger.Notification, to string) (string, bool, error) {
	return w.account.lookUpMessage(ctx, n, whatsAppPrefix+to)
}

// template is the one for a message; buttons says that it has those that the
// message wants.
func (w *WhatsApp) template(n ledger.Notification) (sid string, buttons bool) {
	t, there := w.cfg.Templates[n.Language]
	if !there {
		t = w.cfg.Templates[inventory.English]
	}
	switch {
	case n.AckCode == "" || !message.WantsAck(n.Event):
		sid = ""
	case message.TakesAnswer(n.Event):
		sid = t.Question
	case message.CanDecline(n.Event):
		sid = t.Page
	default:
		sid = t.Confirm
	}
	if sid == "" {
		return t.Tell, false
	}
	return sid, true
}

// window is how long after somebody's message he may be written to freely: a
// day, less what a message may wait in queues.
const window = 24*time.Hour - 15*time.Minute

// talking says whether the window is open. What can't be known is closed: a
// template is taken in any case.
func (w *WhatsApp) talking(ctx context.Context, n ledger.Notification) bool {
	if w.cfg.Heard == nil {
		return false
	}
	at, err := w.cfg.Heard(ctx, n.Contact, inventory.WhatsApp)
	return err == nil && !at.IsZero() && time.Since(at) < window
}

// The limits of a message: Twilio's of a free text, and WhatsApp's of a
// template with its variables, less what the templates say themselves.
const (
	maxFree     = 1600 // UTF-16 units
	maxVariable = 850
)

// variables fill a template: 1 is the text, in one line, since a variable can
// hold no other; 2 is the code, which the buttons bring back.
func variables(n ledger.Notification) string {
	code := n.AckCode
	if code == "" {
		code = "-" // an empty one is refused
	}
	both, _ := json.Marshal(map[string]string{"1": cut(inOneLine(n.Body), maxVariable), "2": code}) // of texts alone
	return string(both)
}

// inOneLine sets the lines of a text behind each other.
func inOneLine(text string) string {
	var b strings.Builder
	for line := range strings.Lines(text) {
		line = strings.Join(strings.Fields(line), " ")
		switch {
		case line == "":
			continue
		case b.Len() == 0:
		case strings.HasPrefix(line, "- "):
			b.WriteString(" •")
			line = line[1:]
		case strings.ContainsAny(b.String()[b.Len()-1:], ".:!?;,"):
			b.WriteByte(' ')
		default:
			b.WriteString(" · ")
		}
		b.WriteString(line)
	}
	if b.Len() == 0 {
		return "-"
	}
	return b.String()
}

// freely is the text with its code: without buttons, the code is how to answer.
func freely(n ledger.Notification) string {
	if n.AckCode == "" {
		return cut(n.Body, maxFree)
	}
	tail := "\n\n" + message.ReplyLine(n.Event, n.AckCode, n.Language)
	return cut(n.Body, maxFree-len(utf16.Encode([]rune(tail)))) + tail
}

// cut keeps a text within a number of UTF-16 units, at a whole character.
func cut(text string, limit int) string {
	if len(utf16.Encode([]rune(text))) <= limit {
		return text
	}
	units := 0
	for i, r := range text {
		units += utf16.RuneLen(r)
		if units > limit-1 {
			return text[:i] + "…"
		}
	}
	return text
}
