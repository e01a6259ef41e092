package twilio

import (
	"fmt"
	"net/http"
	"slices"
	"strings"

	"vakhta/activities/notify"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

// InboundPath is the path below the public URL that takes what people write to
// our numbers; the operator sets it at Twilio.
const InboundPath = "/callbacks/twilio/inbound"

// Inbound is an SMS or a WhatsApp message that somebody wrote to us.
type Inbound struct {
	ID      string // Twilio's; a repeated callback has the same
	Channel inventory.Channel
	From    string // E.164
	Text    string
	// Events has one element if the text holds an acknowledgement code, or a
	// button was pressed. Whether the sender is anybody that we know is for the
	// caller to see.
	Events []ledger.Event
	// Pressed: a button was, and the text is only what it says.
	Pressed bool
	// Leaves and Returns: he wants no more messages, or wants them again.
	Leaves, Returns bool
}

// The words by which people leave and return, as carriers know them, and in Russian.
var (
	leaving   = []string{"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "СТОП"}
	returning = []string{"START", "UNSTOP", "СТАРТ"}
)

// Inbound verifies and reads a message to us.
func (w *Webhook) Inbound(r *http.Request, body []byte) (Inbound, error) {
	form, err := w.form(r, body)
	if err != nil {
		return Inbound{}, err
	}
	in := Inbound{ID: form.Get("MessageSid"), Channel: inventory.SMS, Text: strings.TrimSpace(form.Get("Body"))}
	var whatsApp bool
	if in.From, whatsApp = strings.CutPrefix(form.Get("From"), whatsAppPrefix); whatsApp {
		in.Channel = inventory.WhatsApp
	}
	if in.ID == "" || in.From == "" {
		return Inbound{}, fmt.Errorf("%w: twilio inbound: no MessageSid or no sender", notify.ErrMalformed)
	}
	if e, ok := notify.Pressed(form.Get("ButtonPayload")); ok {
		// A template whose buttons carry no code is told by the message that they stand below.
		e.ProviderID = form.Get("OriginalRepliedMessageSid")
		e.Provider, e.Key, e.At = w.provider, in.ID+"/button", w.now().UTC()
		in.Events, in.Pressed = []ledger.Event{e}, true
		return in, nil
	}
	word := strings.ToUpper(strings.Trim(in.Text, " .!"))
	in.Leaves, in.Returns = slices.Contains(leaving, word), slices.Contains(returning, word)
	if code, ok := ledger.AckCodeIn(in.Text); ok && !in.Leaves && !in.Returns {
		in.Events = []ledger.Event{{
			Provider: w.provider, Key: in.ID + "/reply", State: ledger.Read,
			AckCode: code, Acknowledged: true, At: w.now().UTC(),
		}}
	}
	return in, nil
}
