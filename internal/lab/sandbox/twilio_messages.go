package sandbox

import (
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"
)

// The published limits of a message.
const (
	maxSMS      = 1600   // UTF-16 units of Body
	maxValidity = 36_000 // seconds
)

func (s *Sandbox) createMessage(w http.ResponseWriter, r *http.Request) {
	f := r.PostForm
	to, channel := f.Get("To"), ChannelSMS
	if strings.HasPrefix(to, "whatsapp:") {
		channel = ChannelWhatsApp
	}
	if code, text := s.checkMessage(f, channel); code != 0 {
		twilioError(w, http.StatusBadRequest, code, text)
		return
	}
	if s.refuse(w, Twilio, OpSend, channel, to) {
		return
	}
	if wait := s.limits.take("sms", s.cfg.Limits.SMS); wait > 0 {
		tooMany(w, Twilio, wait)
		return
	}
	from := f.Get("From")
	if from == "" {
		from = f.Get("MessagingServiceSid")
	}
	body, buttons, fails := f.Get("Body"), []Button(nil), 0
	if f.Get("ContentSid") != "" {
		var code int
		if body, buttons, fails, code = s.filled(f); code != 0 {
			twilioError(w, http.StatusBadRequest, code, "The Content or its variables are invalid")
			return
		}
	}
	it := &Item{
		Provider: Twilio, Channel: channel, ID: sid("SM"), To: to, From: from,
		Text: body, Segments: segments(body), Buttons: buttons, service: f.Get("MessagingServiceSid"),
	}
	s.inbox.add(it, "queued")
	sent, _ := s.Item(it.ID)
	s.messageLife(sent, f.Get("StatusCallback"), f.Get("ContentSid") != "", fails)
	if s.vanish(w, r, Twilio, channel, to) {
		return
	}
	writeJSON(w, http.StatusCreated, s.messageResource(sent))
}

func (s *Sandbox) checkMessage(f url.Values, channel string) (int, string) {
	to, from := f.Get("To"), f.Get("From")
	number := strings.TrimPrefix(to, "whatsapp:")
	switch {
	case to == "":
		return 21604, "A 'To' phone number is required."
	case !e164.MatchString(number):
		return 21211, "The 'To' number " + to + " is not a valid phone number."
	case from == "" && f.Get("MessagingServiceSid") == "":
		return 21603, "A 'From' phone number is required."
	case from != "" && !sender.MatchString(strings.TrimPrefix(from, "whatsapp:")):
		return 21212, "The 'From' number " + from + " is not a valid phone number, shortcode, or alphanumeric sender ID."
	case from != "" && strings.HasPrefix(from, "whatsapp:") != (channel == ChannelWhatsApp):
		return 21910, "Invalid From and To pair. From and To should be of the same channel"
	case f.Get("Body") == "" && f.Get("ContentSid") == "" && f.Get("MediaUrl") == "":
		return 21602, "Message body is required."
	case len(utf16.Encode([]rune(f.Get("Body")))) > maxSMS:
		return 21617, "The concatenated message body exceeds the 1600 character limit."
	}
	if v := f.Get("ValidityPeriod"); v != "" {
		if n, err := strconv.Atoi(v); err != nil || n < 1 || n > maxValidity {
			return 90007, "Invalid validity period value"
		}
	}
	if cb := f.Get("StatusCallback"); cb != "" && !webURL(cb) {
		return 21609, "The 'StatusCallback' URL " + cb + " is not a valid URL."
	}
	if code := s.people.of(to).SMS.Refuse; code != 0 {
		return code, twilioText(code)
	}
	return 0, ""
}

func webURL(raw string) bool {
	u, err := url.Parse(raw)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != ""
}

// messageLife lets an accepted message be sent and delivered, or not.
func (s *Sandbox) messageLife(it Item, callback string, template bool, fails int) {
	p := s.people.of(it.To).SMS
	tell := func(state string, code int) {
		s.inbox.change(it.ID, func(x *Item) {
			if state != x.Status {
				x.set(state, code)
			}
		})
		if callback == "" {
			return
		}
		params := url.Values{
			"MessageSid": {it.ID}, "SmsSid": {it.ID}, "AccountSid": {s.cfg.TwilioSID},
			"MessageStatus": {state}, "SmsStatus": {state}, "To": {it.To}, "From": {it.From}, "ApiVersion": {"2010-04-01"},
		}
		if code != 0 {
			params.Set("ErrorCode", strconv.Itoa(code))
		}
		if it.service != "" {
			params.Set("MessagingServiceSid", it.service)
		}
		s.emit(emission{
			provider: Twilio, channel: it.Channel, to: it.To, group: it.ID,
			send: func() { s.statusCallback(http.MethodPost, callback, params) },
		})
	}
	s.agenda.after(0, func() { tell("queued", 0) })
	if it.Channel == ChannelWhatsApp && !template && !s.wroteLately(it.To) {
		s.agenda.after(s.cfg.Timing.SMSSent, func() { tell("undelivered", 63016) })
		return
	}
	if fails != 0 {
		s.agenda.after(s.cfg.Timing.SMSSent, func() { tell("failed", fails) })
		return
	}
	s.agenda.after(s.cfg.Timing.SMSSent, func() { tell("sent", 0) })
	if p.NoReceipt {
		return
	}
	s.agenda.after(s.cfg.Timing.SMSSent+s.cfg.Timing.SMSDelivered, func() {
		if p.Fail != 0 {
			tell("undelivered", p.Fail)
			return
		}
		tell("delivered", 0)
		if it.Channel == ChannelWhatsApp {
			s.readIt(it, p, tell)
		}
		if p.Reply != "" {
			s.agenda.after(time.Duration(p.After), func() { _ = s.WriteSMS(it.To, it.From, p.Reply) })
		}
	})
}

// readIt has the person read a WhatsApp message, and press a button of it.
func (s *Sandbox) readIt(it Item, p *SMS, tell func(string, int)) {
	s.agenda.after(time.Duration(p.After), func() {
		if p.Reads || p.Press != "" {
			tell("read", 0)
		}
		if p.Press != "" {
			s.pressByPrefix(it.ID, p.Press)
		}
	})
}

// wroteLately says whether WhatsApp's window of 24 h for free text is open.
func (s *Sandbox) wroteLately(number string) bool {
	s.inbox.mu.RLock()
	defer s.inbox.mu.RUnlock()
	from := s.inbox.byTo[address(number)]
	return slices.ContainsFunc(from, func(it *Item) bool {
		return it.Inbound && it.Channel == ChannelWhatsApp && time.Since(it.At) < 24*time.Hour
	})
}

func (s *Sandbox) fetchMessage(w http.ResponseWriter, r *http.Request) {
	if s.refuse(w, Twilio, OpLookup, ChannelSMS) {
		return
	}
	it, ok := s.Item(strings.TrimSuffix(r.PathValue("sid"), ".json"))
	if !ok || !isMessage(&it) {
		s.twilioNotFound(w, r)
		return
	}
	writeJSON(w, http.StatusOK, s.messageResource(it))
}

func isMessage(it *Item) bool { return it.Channel == ChannelSMS || it.Channel == ChannelWhatsApp }

func (s *Sandbox) listMessages(w http.ResponseWriter, r *http.Request) {
	if s.refuse(w, Twilio, OpLookup, ChannelSMS, r.Form.Get("To")) {
		return
	}
	s.list(w, r, "messages", "DateSent", isMessage, func(it Item) any { return s.messageResource(it) })
}

// WriteSMS has the person at a number write to us: a signed POST to
// Config.TwilioInboundURL. A whatsapp: number writes by WhatsApp.
func (s *Sandbox) WriteSMS(from, to, text string) error { return s.write(from, to, text, nil) }

// write is WriteSMS with parameters of its own kind.
func (s *Sandbox) write(from, to, text string, more url.Values) error {
	channel := ChannelSMS
	if strings.HasPrefix(from, "whatsapp:") {
		channel = ChannelWhatsApp
	}
	it := &Item{Provider: Twilio, Channel: channel, ID: sid("SM"), To: from, From: to, Text: text, Inbound: true, Segments: segments(text)}
	params := url.Values{
		"MessageSid": {it.ID}, "SmsSid": {it.ID}, "SmsMessageSid": {it.ID}, "AccountSid": {s.cfg.TwilioSID}, "SmsStatus": {"received"},
		"From": {from}, "To": {to}, "Body": {text}, "NumMedia": {"0"}, "NumSegments": {strconv.Itoa(it.Segments)}, "ApiVersion": {"2010-04-01"},
	}
	maps.Copy(params, more)
	s.inbox.add(it, "received")
	if s.cfg.TwilioInboundURL == "" {
		return errNoInbound
	}
	s.emit(emission{
		provider: Twilio, channel: channel, to: from, group: it.ID,
		send: func() { s.statusCallback(http.MethodPost, s.cfg.TwilioInboundURL, params) },
	})
	return nil
}

func (s *Sandbox) messageResource(it Item) map[string]any {
	uri := "/2010-04-01/Accounts/" + s.cfg.TwilioSID + "/Messages/" + it.ID
	direction, sent := "outbound-api", any(nil)
	if it.Inbound {
		direction = "inbound"
	}
	for _, h := range it.History {
		if h.State == "sent" || h.State == "received" {
			sent = twilioDate(h.At)
		}
	}
	return map[string]any{
		"sid": it.ID, "account_sid": s.cfg.TwilioSID, "api_version": "2010-04-01",
		"to": it.To, "from": orNull(it.From), "body": it.Text, "status": it.Status, "direction": direction,
		"num_segments": strconv.Itoa(it.Segments), "num_media": "0",
		"error_code": orNull(it.ErrorCode), "error_message": orNull(errorMessage(it.ErrorCode)),
		"date_created": twilioDate(it.At), "date_updated": twilioDate(it.updated()), "date_sent": sent,
		"messaging_service_sid": orNull(it.service), "price": nil, "price_unit": "USD",
		"uri": uri + ".json", "subresource_uris": map[string]any{"media": uri + "/Media.json"},
	}
}

func errorMessage(code int) string {
	switch code {
	case 0:
		return ""
	case 30003:
		return "Unreachable destination handset"
	case 30005:
		return "Unknown destination handset"
	case 30006:
		return "Landline or unreachable carrier"
	case 63016:
		return "Failed to send freeform message because you are outside the allowed window"
	}
	return "Delivery failed"
}

// orNull is v, or null for a zero v.
func orNull[T comparable](v T) any {
	var zero T
	if v == zero {
		return nil
	}
	return v
}

func (it Item) updated() time.Time {
	if n := len(it.History); n > 0 {
		return it.History[n-1].At
	}
	return it.At
}

const (
	gsm7      = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
	gsm7Twice = "€[]{}~^|\\\f"
)

// segments is how many parts a text travels in: GSM-7 160 or 153 septets each,
// else UCS-2 70 or 67 units.
func segments(text string) int {
	septets := 0
	for _, r := range text {
		switch {
		case strings.ContainsRune(gsm7, r):
			septets++
		case strings.ContainsRune(gsm7Twice, r):
			septets += 2
		default:
			return parts(len(utf16.Encode([]rune(text))), 70, 67)
		}
	}
	return parts(septets, 160, 153)
}

func parts(n, alone, joined int) int {
	if n <= alone {
		return 1
	}
	return (n + joined - 1) / joined
}
