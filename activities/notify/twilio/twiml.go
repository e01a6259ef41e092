package twilio

import (
	"encoding/xml"
	"strings"
	"unicode/utf8"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
)

// maxTwiML is what the API takes inline.
const maxTwiML = 4000

// gather waits for one digit while it speaks.
type gather struct {
	XMLName             xml.Name `xml:"Gather"`
	Input               string   `xml:"input,attr"`
	NumDigits           int      `xml:"numDigits,attr"`
	Timeout             int      `xml:"timeout,attr"`
	Action              string   `xml:"action,attr"`
	Method              string   `xml:"method,attr"`
	ActionOnEmptyResult bool     `xml:"actionOnEmptyResult,attr"`
	Say                 say
}

type say struct {
	XMLName  xml.Name `xml:"Say"`
	Language string   `xml:"language,attr"`
	Text     string   `xml:",chardata"`
}

type pauseVerb struct {
	XMLName xml.Name `xml:"Pause"`
	Length  int      `xml:"length,attr"`
}

type hangup struct {
	XMLName xml.Name `xml:"Hangup"`
}

type response struct {
	XMLName xml.Name `xml:"Response"`
	Verbs   []any
}

func (r response) String() string {
	out, err := xml.Marshal(r)
	if err != nil { // our own types always marshal
		return `<?xml version="1.0" encoding="UTF-8"?><Response><Hangup/></Response>`
	}
	return `<?xml version="1.0" encoding="UTF-8"?>` + string(out)
}

func spoken(lang inventory.Language, text string) say {
	return say{Language: voiceLanguage(lang), Text: text}
}

func voiceLanguage(lang inventory.Language) string {
	if lang == inventory.Russian {
		return "ru-RU"
	}
	return "en-GB"
}

// SpeakTwiML is what a call says: the message, twice if nothing is pressed, and
// a word of farewell. It is the answer to a wish for a repeat, too. Digits are
// asked for only where an acknowledgement means something and can reach us.
func SpeakTwiML(publicURL string, n ledger.Notification) string {
	publicURL = strings.TrimRight(publicURL, "/")
	asks := publicURL != "" && n.AckCode != "" && message.WantsAck(n.Event)
	body := n.Body
	for {
		doc := speak(publicURL, n, body, asks).String()
		if over := utf8.RuneCountInString(doc) - maxTwiML; over > 0 && utf8.RuneCountInString(body) > 100 {
			// Said twice; and what is cut may have been an escaped character.
			runes := []rune(body)
			body = string(runes[:max(len(runes)-over/2-10, 100)]) + "…"
			continue
		}
		return doc
	}
}

func speak(publicURL string, n ledger.Notification, body string, asks bool) response {
	words := spoken(n.Language, body)
	if !asks {
		return response{Verbs: []any{words, pauseVerb{Length: 1}, words, hangup{}}}
	}
	action := publicURL + GatherPath + "?" + gatherQuery(n) + overrides
	ask := gather{
		Input: "dtmf", NumDigits: 1, Timeout: 8, Action: action, Method: "POST", Say: words,
	}
	return response{Verbs: []any{ask, ask, spoken(n.Language, farewell(n.Language)), hangup{}}}
}

func farewell(lang inventory.Language) string {
	if lang == inventory.Russian {
		return "Ответа нет. До свидания."
	}
	return "There was no answer. Goodbye."
}

// Reply is how a pressed digit is answered.
type Reply string

// The replies. Repeat has no text of its own: answer it with [SpeakTwiML].
const (
	ReplyThanks   Reply = "thanks"
	ReplyDeclined Reply = "declined"
	ReplyRepeat   Reply = "repeat"
	ReplyUnclear  Reply = "unclear"
)

var replies = map[Reply]map[inventory.Language]string{
	ReplyThanks: {
		inventory.Russian: "Спасибо, принято. До свидания.",
		inventory.English: "Thank you, noted. Goodbye.",
	},
	ReplyDeclined: {
		inventory.Russian: "Понятно, обратимся к следующему. До свидания.",
		inventory.English: "Understood, we will call the next person. Goodbye.",
	},
}

// SayTwiML is the document that says a text and hangs up.
func SayTwiML(text string, lang inventory.Language) string {
	return response{Verbs: []any{spoken(lang, text), hangup{}}}.String()
}

// MessageTwiML is the document that answers a message; an empty text answers nothing.
func MessageTwiML(text string) string {
	if text == "" {
		return "<Response/>"
	}
	type message struct {
		XMLName xml.Name `xml:"Message"`
		Text    string   `xml:",chardata"`
	}
	return response{Verbs: []any{message{Text: text}}}.String()
}

// ReplyTwiML is the document that answers a pressed digit.
func ReplyTwiML(publicURL string, reply Reply, n ledger.Notification) string {
	text, ok := replies[reply]
	if !ok { // repeat, or a digit that means nothing
		return SpeakTwiML(publicURL, n)
	}
	lang := n.Language
	if _, ok := text[lang]; !ok {
		lang = inventory.English
	}
	return response{Verbs: []any{spoken(lang, text[lang]), hangup{}}}.String()
}
