package sandbox

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// Provider names an imitated company.
type Provider string

// The providers.
const (
	SendGrid   Provider = "sendgrid"
	Twilio     Provider = "twilio"
	Telegram   Provider = "telegram"
	SMTP       Provider = "smtp"
	SMSGate    Provider = "smsgate" // an SMS gateway without a library
	Slack      Provider = "slack"
	Mattermost Provider = "mattermost"
)

// providers are all of them.
var providers = []Provider{SendGrid, Twilio, Telegram, SMTP, SMSGate, Slack, Mattermost}

// The channels that an Item can have come by; Telegram's is its provider's name.
const (
	ChannelEmail      = "email"
	ChannelSMS        = "sms"
	ChannelWhatsApp   = "whatsapp"
	ChannelCall       = "call"
	ChannelTelegram   = "telegram"
	ChannelSlack      = "slack"
	ChannelMattermost = "mattermost"
)

// Config is what a sandbox is built of. The zero value of everything but the
// credentials is usable.
type Config struct {
	SendGridKey   string // API key; requests must carry it as a bearer token
	TwilioSID     string // account SID, "AC" and 32 hex digits
	TwilioToken   string // auth token; signs the callbacks too
	TelegramToken string // "<bot id>:<secret>"
	// SMTPUser and SMTPPassword are what the relay wants to be logged in with;
	// empty: it takes mail from everybody.
	SMTPUser, SMTPPassword string
	// SMSGateLogin and SMSGatePassword are the account at the SMS gateway; the
	// password signs its callbacks, too.
	SMSGateLogin, SMSGatePassword string

	SlackToken      string // of the bot
	SlackSecret     string // signs the presses
	SlackActionURL  string // gets them
	SlackEventURL   string // gets what is written in channels; empty: nothing
	SlackCommandURL string // gets the slash command; empty: there is none
	MattermostToken string // of the bot; a button says itself where it calls
	// MattermostCommandURL gets the slash command, which carries MattermostCommandToken; empty: there is none.
	MattermostCommandURL   string
	MattermostCommandToken string

	// SendGridEventURL gets the event webhook; empty: no events are sent.
	SendGridEventURL string
	// TwilioInboundURL gets the SMS that a persona writes to us; empty: none.
	TwilioInboundURL string
	// TelegramWebhookURL and TelegramSecret are the state after a setWebhook;
	// the Bot API can change them.
	TelegramWebhookURL string
	TelegramSecret     string

	// Key signs the event webhook; nil generates one on P-256.
	Key *ecdsa.PrivateKey
	// Seed makes the faults' dice reproducible: the same faults strike the same
	// attempts to the same recipients, whatever the order of requests.
	Seed uint64
	// Timing is how long the simulated world takes; zero fields get defaults.
	Timing Timing
	// Limits are the providers' rate limits; zero fields are unlimited.
	Limits Limits
	// CallbackWorkers bounds the callbacks in flight per provider; 0 is 16.
	CallbackWorkers int
	// Client posts the callbacks; nil is one with the providers' time-outs.
	Client *http.Client
}

// Timing is the pace of the simulated world.
type Timing struct {
	MailDelivered time.Duration // accepted → delivered, bounce or drop; default 50 ms
	EventBatch    time.Duration // how long SendGrid gathers events into a POST; default 50 ms
	SMSSent       time.Duration // queued → sent; default 20 ms
	SMSDelivered  time.Duration // sent → delivered; default 50 ms
	Ring          time.Duration // initiated → ringing; default 20 ms
	CallSecond    time.Duration // one second of a call's own time; default 50 ms
	Retry         time.Duration // first pause before a callback is repeated, doubles; default 200 ms
	RetryMax      time.Duration // longest such pause; default 5 s
	MaxHang       time.Duration // accept-then-hang closes the connection after; default 2 min
}

// Limits are requests per second, each with a burst of one second's worth.
type Limits struct {
	SendGrid     float64 // calls of mail send
	SMS          float64 // messages of the account
	Calls        float64 // calls of the account
	Telegram     float64 // messages of the bot; the real figure is 30
	TelegramChat float64 // messages to one chat; the real figure is 1
	SMTP         float64 // mails
	SMSGate      float64 // messages of the account
}

func (t *Timing) setDefaults() {
	set := func(d *time.Duration, v time.Duration) {
		if *d == 0 {
			*d = v
		}
	}
	set(&t.MailDelivered, 50*time.Millisecond)
	set(&t.EventBatch, 50*time.Millisecond)
	set(&t.SMSSent, 20*time.Millisecond)
	set(&t.SMSDelivered, 50*time.Millisecond)
	set(&t.Ring, 20*time.Millisecond)
	set(&t.CallSecond, 50*time.Millisecond)
	set(&t.Retry, 200*time.Millisecond)
	set(&t.RetryMax, 5*time.Second)
	set(&t.MaxHang, 2*time.Minute)
}

// Sandbox is the providers, the people they reach, and everything that these got.
// Its methods are safe for concurrent use.
type Sandbox struct {
	cfg    Config
	pubKey string
	ctx    context.Context
	cancel context.CancelFunc
	mux    *http.ServeMux

	life   sync.Mutex // guards closed, and wg against an Add beside its Wait
	closed bool
	wg     sync.WaitGroup

	inbox    inbox
	people   people
	faults   faults
	doors    doors
	limits   limiter
	agenda   *agenda
	couriers map[Provider]*courier
	held     held
	mail     mailState
	calls    callState
	contents contents
	bot      botState
	relay    relayState
}

// New makes a sandbox and starts its clockwork; Close ends it.
func New(cfg Config) (*Sandbox, error) {
	cfg.Timing.setDefaults()
	if cfg.CallbackWorkers <= 0 {
		cfg.CallbackWorkers = 16
	}
	if cfg.Key == nil {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("generate the event webhook's key: %w", err)
		}
		cfg.Key = key
	}
	der, err := x509.MarshalPKIXPublicKey(&cfg.Key.PublicKey)
	if err != nil {
		return nil, fmt.Errorf("encode the event webhook's public key: %w", err)
	}
	if cfg.Client == nil {
		cfg.Client = callbackClient()
	}
	s := &Sandbox{cfg: cfg, pubKey: base64.StdEncoding.EncodeToString(der)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.inbox.init()
	s.people.init()
	s.faults.init(cfg.Seed)
	s.limits.init()
	s.calls.init()
	s.bot.init(cfg)
	if err := s.relay.init(); err != nil {
		return nil, err
	}
	s.agenda = newAgenda()
	s.goRun(func() { s.agenda.run(s.ctx) })
	s.couriers = make(map[Provider]*courier)
	for _, p := range providers {
		s.couriers[p] = s.startCourier(cfg.CallbackWorkers)
	}
	s.routes()
	return s, nil
}

// PublicKey is the event webhook's verification key, base64 of its DER, as
// SendGrid's settings page shows it.
func (s *Sandbox) PublicKey() string { return s.pubKey }

// Handler serves the providers' APIs, the control API under /_sandbox/ and the
// inbox page at /.
func (s *Sandbox) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Close hangs up calls, drops callbacks that are still to be delivered and waits
// for every goroutine. Requests that hang by a fault are cut.
func (s *Sandbox) Close() {
	s.life.Lock()
	s.closed = true
	s.life.Unlock()
	s.cancel()
	s.agenda.wake()
	for _, c := range s.couriers {
		c.close()
	}
	s.doors.mu.Lock()
	s.closeDoors()
	s.doors.mu.Unlock()
	s.wg.Wait()
	s.cfg.Client.CloseIdleConnections()
}

// goRun starts a goroutine that Close waits for; after Close it starts none.
func (s *Sandbox) goRun(f func()) {
	s.life.Lock()
	defer s.life.Unlock()
	if !s.closed {
		s.wg.Go(f)
	}
}

// Reset forgets the inbox, the personas and the faults.
func (s *Sandbox) Reset() {
	s.ClearFaults()
	s.ResetPersonas()
	s.ClearInbox()
}
