package sandbox

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
)

// Item is one message or call as its recipient got it, or one that he wrote.
type Item struct {
	Seq      int64    `json:"seq"` // grows by one per item
	Provider Provider `json:"provider"`
	Channel  string   `json:"channel"` // email, sms, whatsapp, call, telegram
	// ID is the provider's: sg_message_id (begins with the X-Message-Id), message
	// or call SID, "<chat>/<message_id>".
	ID         string            `json:"id"`
	To         string            `json:"to"`
	From       string            `json:"from"`
	At         time.Time         `json:"at"`
	Inbound    bool              `json:"inbound,omitempty"` // written by the persona to us
	Subject    string            `json:"subject,omitempty"`
	Text       string            `json:"text,omitempty"`
	HTML       string            `json:"html,omitempty"`
	Calendar   string            `json:"calendar,omitempty"` // attached to a mail
	Headers    map[string]string `json:"headers,omitempty"`  // of a mail
	Args       map[string]string `json:"args,omitempty"`     // custom_args
	Categories []string          `json:"categories,omitempty"`
	Status     string            `json:"status"`
	ErrorCode  int               `json:"errorCode,omitempty"`
	History    []Status          `json:"history"`
	Buttons    []Button          `json:"buttons,omitempty"`
	Edited     bool              `json:"edited,omitempty"`
	Silent     bool              `json:"silent,omitempty"`  // arrived without a sound
	Thread     string            `json:"thread,omitempty"`  // id of the message or topic in whose thread it stands
	Topic      *Topic            `json:"topic,omitempty"`   // it is a topic, not a message
	OnlyFor    string            `json:"onlyFor,omitempty"` // who alone sees it
	Opened     bool              `json:"opened,omitempty"`
	Segments   int               `json:"segments,omitempty"` // of an SMS

	Spoken     []string `json:"spoken,omitempty"`     // what was said on the phone
	Digits     string   `json:"digits,omitempty"`     // what was pressed, in order
	Transcript []Line   `json:"transcript,omitempty"` // the call, line by line
	AnsweredBy string   `json:"answeredBy,omitempty"` // human or machine_start, if detection was on
	Seconds    int      `json:"seconds,omitempty"`    // the call's duration

	service string // MessagingServiceSid
}

// Topic is one of a Telegram group.
type Topic struct {
	Name   string `json:"name"`
	Closed bool   `json:"closed,omitempty"`
}

// Status is a state that an item was in since At.
type Status struct {
	State string    `json:"state"`
	At    time.Time `json:"at"`
	Code  int       `json:"code,omitempty"`
}

// Button is a button below a message.
type Button struct {
	Text    string `json:"text"`
	Data    string `json:"data,omitempty"`
	URL     string `json:"url,omitempty"`
	Row     int    `json:"row"`
	Pressed bool   `json:"pressed,omitempty"`
	// Answer is the notice that answerCallbackQuery showed.
	Answer string `json:"answer,omitempty"`

	calls, context string // where a Mattermost button calls, and with what
}

// Line is one line of a call's transcript.
type Line struct {
	Who  string `json:"who"` // voice, person or line
	Text string `json:"text"`
}

// Event says that an item appeared or changed.
type Event struct {
	N    int64  `json:"n"`    // grows by one per event
	Kind string `json:"kind"` // new or changed
	Item Item   `json:"item"`
}

// Query selects items; zero fields select all.
type Query struct {
	To      string
	Channel string
	Since   time.Time
	After   int64 // items with a greater Seq
	Limit   int   // the newest so many
}

// inbox keeps the items with an index per question that a send or a look-up asks.
type inbox struct {
	mu        sync.RWMutex
	items     []*Item
	byID      map[string]*Item
	byTo      map[string][]*Item // address → items, oldest first
	byChannel map[string]int
	seq       int64         // the last item's; survives a clearing
	log       []change      // the newest changes
	n         int64         // the last event's number
	changed   chan struct{} // closed at the next change
}

type change struct {
	n    int64
	kind string
	item *Item
}

// eventsKept is how far back an event reader may lag.
const eventsKept = 1 << 16

func (b *inbox) init() {
	b.items = nil
	b.byID = make(map[string]*Item)
	b.byTo = make(map[string][]*Item)
	b.byChannel = make(map[string]int)
	b.changed = make(chan struct{})
	b.log = nil
}

// add takes over the item: the caller must not touch it afterwards.
func (b *inbox) add(it *Item, state string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.seq++
	it.Seq = b.seq
	it.At = time.Now().UTC()
	it.Status = state
	it.History = []Status{{State: state, At: it.At}}
	b.items = append(b.items, it)
	b.byID[it.ID] = it
	key := address(it.To)
	b.byTo[key] = append(b.byTo[key], it)
	b.byChannel[it.Channel]++
	b.note("new", it)
}

// change applies f to the item with this id, under the inbox's lock; an item
// that was cleared meanwhile is nobody's loss.
func (b *inbox) change(id string, f func(*Item)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if it, ok := b.byID[id]; ok {
		f(it)
		b.note("changed", it)
	}
}

func (it *Item) set(state string, code int) {
	it.Status = state
	if code != 0 {
		it.ErrorCode = code
	}
	it.History = append(it.History, Status{State: state, At: time.Now().UTC(), Code: code})
}

func (b *inbox) note(kind string, it *Item) {
	b.n++
	if len(b.log) >= 2*eventsKept {
		b.log = slices.Clone(b.log[eventsKept:])
	}
	b.log = append(b.log, change{n: b.n, kind: kind, item: it})
	close(b.changed)
	b.changed = make(chan struct{})
}

// clone is a copy that shares nothing that later changes.
func (it *Item) clone() Item {
	c := *it
	c.Headers = maps.Clone(it.Headers)
	c.Args = maps.Clone(it.Args)
	c.Categories = slices.Clone(it.Categories)
	c.History = slices.Clone(it.History)
	c.Buttons = slices.Clone(it.Buttons)
	c.Spoken = slices.Clone(it.Spoken)
	c.Transcript = slices.Clone(it.Transcript)
	return c
}

// Inbox is what the recipients got, oldest first.
func (s *Sandbox) Inbox(q Query) []Item {
	b := &s.inbox
	b.mu.RLock()
	defer b.mu.RUnlock()
	from := b.items
	if q.To != "" {
		from = b.byTo[address(q.To)]
	}
	var found []Item
	for i := len(from) - 1; i >= 0; i-- {
		it := from[i]
		if it.Seq <= q.After || (!q.Since.IsZero() && it.At.Before(q.Since)) {
			break
		}
		if q.Channel != "" && it.Channel != q.Channel {
			continue
		}
		found = append(found, it.clone())
		if q.Limit > 0 && len(found) == q.Limit {
			break
		}
	}
	slices.Reverse(found)
	return found
}

// Item is the item with the provider's id.
func (s *Sandbox) Item(id string) (Item, bool) {
	s.inbox.mu.RLock()
	defer s.inbox.mu.RUnlock()
	it, ok := s.inbox.byID[id]
	if !ok {
		return Item{}, false
	}
	return it.clone(), true
}

// ClearInbox forgets all items; messages under way still arrive nowhere.
func (s *Sandbox) ClearInbox() {
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	waiters := s.inbox.changed
	s.inbox.init()
	close(waiters)
}

// Events are the changes after the n-th, at most limit of them (0: all), and a
// channel that is closed when there is more. A reader that lags far behind gets
// the oldest that are kept.
func (s *Sandbox) Events(after int64, limit int) ([]Event, <-chan struct{}) {
	b := &s.inbox
	b.mu.RLock()
	defer b.mu.RUnlock()
	start, _ := slices.BinarySearchFunc(b.log, after, func(c change, n int64) int {
		if c.n <= n {
			return -1
		}
		return 1
	})
	tail := b.log[start:]
	if limit > 0 && len(tail) > limit {
		tail = tail[:limit]
	}
	events := make([]Event, len(tail))
	for i, c := range tail {
		events[i] = Event{N: c.n, Kind: c.kind, Item: c.item.clone()}
	}
	return events, b.changed
}

// Count is how many times a recipient got the same thing.
type Count struct {
	Provider Provider `json:"provider"`
	Channel  string   `json:"channel"`
	To       string   `json:"to"`
	Key      string   `json:"key"`
	N        int      `json:"n"`
}

// Counts groups what recipients got (not what they wrote) by provider, channel,
// recipient and key; a nil key is the whole text, with what was spoken for a call.
func (s *Sandbox) Counts(key func(Item) string) []Count {
	if key == nil {
		key = Item.Content
	}
	s.inbox.mu.RLock()
	defer s.inbox.mu.RUnlock()
	counts := make(map[Count]int)
	for _, it := range s.inbox.items {
		if !it.Inbound {
			counts[Count{Provider: it.Provider, Channel: it.Channel, To: it.To, Key: key(*it)}]++
		}
	}
	list := make([]Count, 0, len(counts))
	for c, n := range counts {
		c.N = n
		list = append(list, c)
	}
	slices.SortFunc(list, func(a, b Count) int {
		return strings.Compare(a.Channel+"\x00"+a.To+"\x00"+a.Key, b.Channel+"\x00"+b.To+"\x00"+b.Key)
	})
	return list
}

// Content is what the recipient read or, for a call, heard.
func (it Item) Content() string {
	if it.Channel == ChannelCall {
		return strings.Join(it.Spoken, " ")
	}
	return it.Text
}
