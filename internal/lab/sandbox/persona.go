package sandbox

import (
	"fmt"
	"strings"
	"sync"
	"time"
)

// Duration is a time.Duration that is written "1.5s" in JSON.
type Duration time.Duration

// MarshalText writes the duration as time.Duration prints it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration reads.
func (d *Duration) UnmarshalText(b []byte) error {
	v, err := time.ParseDuration(string(b))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 1.5s: %w", b, err)
	}
	*d = Duration(v)
	return nil
}

// Persona is how the person behind an address behaves. A nil part follows the
// default persona's.
type Persona struct {
	Phone    *Phone   `json:"phone,omitempty"`
	SMS      *SMS     `json:"sms,omitempty"`
	Telegram *Chat    `json:"telegram,omitempty"`
	Mail     *Mailbox `json:"mail,omitempty"`
	Room     *Room    `json:"room,omitempty"`
}

// Answer is what becomes of a call.
type Answer string

// The answers.
const (
	AnswerHuman     Answer = "human"
	AnswerVoicemail Answer = "voicemail" // picks up, listens, never presses
	AnswerNever     Answer = "never"     // rings until the call's Timeout
	AnswerBusy      Answer = "busy"
	AnswerFailed    Answer = "failed" // the carrier can't reach the number
)

// Phone is how a person takes calls.
type Phone struct {
	Answer Answer `json:"answer,omitempty"` // empty: human
	// After is how long it rings before it is picked up.
	After Duration `json:"after,omitempty"`
	// Digits are pressed in turn: a Gather takes as many as it asks for, and
	// gets nothing when none are left.
	Digits string `json:"digits,omitempty"`
	// Think is how long after the prompt the first digit is pressed.
	Think Duration `json:"think,omitempty"`
	// Refuse has the API refuse the call at once with this Twilio error, e.g. 21211.
	Refuse int `json:"refuse,omitempty"`
}

// SMS is how a number takes text messages.
type SMS struct {
	// Refuse has the API refuse the message at once with this Twilio error:
	// 21211 invalid number, 21610 opted out, 21614 not a mobile number.
	Refuse int `json:"refuse,omitempty"`
	// Fail lets the message be accepted and then undelivered with this error,
	// e.g. 30003 unreachable, 30005 unknown handset, 30006 landline.
	Fail int `json:"fail,omitempty"`
	// NoReceipt: the message stays sent, the carrier never confirms delivery.
	NoReceipt bool `json:"noReceipt,omitempty"`
	// Reply is written back after After, to Config.TwilioInboundURL.
	Reply string `json:"reply,omitempty"`
	// Reads and Press, by WhatsApp only: the message is read, and the button
	// whose payload has this prefix is pressed, After later.
	Reads bool     `json:"reads,omitempty"`
	Press string   `json:"press,omitempty"`
	After Duration `json:"after,omitempty"`
}

// Chat is how a Telegram user behaves.
type Chat struct {
	// Press is the prefix of the callback data of the button that he presses,
	// After later; empty: never.
	Press   string   `json:"press,omitempty"`
	After   Duration `json:"after,omitempty"`
	Blocked bool     `json:"blocked,omitempty"` // 403: he blocked the bot
	Unknown bool     `json:"unknown,omitempty"` // 400: chat not found
	// NoTopics: 400, the bot may make none in the group, or the group has none.
	NoTopics bool `json:"noTopics,omitempty"`
}

// Mailbox is how a mail address behaves. Nobody clicks: a link is for a person.
type Mailbox struct {
	Bounce      bool     `json:"bounce,omitempty"`  // bounced, and suppressed from then on
	Drop        bool     `json:"drop,omitempty"`    // already on the suppression list
	Defer       bool     `json:"defer,omitempty"`   // deferred once, then delivered
	Open        bool     `json:"open,omitempty"`    // a person opens it After delivery
	MachineOpen bool     `json:"machine,omitempty"` // a mail proxy prefetches it
	After       Duration `json:"after,omitempty"`
}

// Room is how a team's channel in Slack or Mattermost behaves.
type Room struct {
	// Press is the prefix of the button that By presses, After later; empty: nobody does.
	Press string   `json:"press,omitempty"`
	By    string   `json:"by,omitempty"`
	After Duration `json:"after,omitempty"`
	Gone  bool     `json:"gone,omitempty"` // there is no such channel, or the bot isn't in it
}

// DefaultPersona is how everybody behaves until told otherwise: the phone is
// answered and 1 is pressed, messages arrive, buttons are left alone.
func DefaultPersona() Persona {
	return Persona{
		Phone:    &Phone{Answer: AnswerHuman, After: Duration(200 * time.Millisecond), Digits: "1", Think: Duration(100 * time.Millisecond)},
		SMS:      &SMS{},
		Telegram: &Chat{},
		Mail:     &Mailbox{},
		Room:     &Room{},
	}
}

type people struct {
	mu         sync.RWMutex
	byAddress  map[string]Persona
	everybody  Persona
	suppressed map[string]bool // mail addresses that bounced
}

func (p *people) init() {
	p.byAddress = make(map[string]Persona)
	p.everybody = DefaultPersona()
	p.suppressed = make(map[string]bool)
}

// address is the form under which a persona is kept: mail hosts and most
// mailboxes ignore case, WhatsApp numbers are phone numbers.
func address(a string) string {
	return strings.ToLower(strings.TrimPrefix(strings.TrimSpace(a), "whatsapp:"))
}

// SetPersona sets how the person at an address (phone number, mail address or
// chat id) behaves from now on.
func (s *Sandbox) SetPersona(addr string, p Persona) {
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	s.people.byAddress[address(addr)] = p
}

// SetDefaults sets how everybody without a persona of his own behaves; nil
// parts stay as they are.
func (s *Sandbox) SetDefaults(p Persona) {
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	s.people.everybody = merge(p, s.people.everybody)
}

// Personas are the personas that were set, by address, and the default one under "*".
func (s *Sandbox) Personas() map[string]Persona {
	s.people.mu.RLock()
	defer s.people.mu.RUnlock()
	all := map[string]Persona{"*": s.people.everybody}
	for a, p := range s.people.byAddress {
		all[a] = p
	}
	return all
}

// ResetPersonas forgets every persona, the defaults' changes and the bounces.
func (s *Sandbox) ResetPersonas() {
	s.people.mu.Lock()
	defer s.people.mu.Unlock()
	s.people.init()
}

// of is the persona at an address, with no nil part.
func (p *people) of(addr string) Persona {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return merge(p.byAddress[address(addr)], p.everybody)
}

func (p *people) suppress(addr string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.suppressed[address(addr)] = true
}

func (p *people) isSuppressed(addr string) bool {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.suppressed[address(addr)]
}

func merge(p, fallback Persona) Persona {
	if p.Phone == nil {
		p.Phone = fallback.Phone
	}
	if p.SMS == nil {
		p.SMS = fallback.SMS
	}
	if p.Telegram == nil {
		p.Telegram = fallback.Telegram
	}
	if p.Mail == nil {
		p.Mail = fallback.Mail
	}
	if p.Room == nil {
		p.Room = fallback.Room
	}
	return p
}
