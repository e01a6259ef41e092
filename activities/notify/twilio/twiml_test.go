package twilio

import (
	"encoding/xml"
	"strings"
	"testing"
	"unicode/utf8"

	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
)

func page() ledger.Notification {
	return ledger.Notification{
		ID: "n-1", Event: "page", Language: inventory.Russian, Channel: inventory.Call,
		AckCode: "4F7K2M", Body: "Говорит вахта. Нажмите 1, чтобы принять.",
	}
}

func TestSpeakTwiMLGathersOneDigitTwice(t *testing.T) {
	const want = `<?xml version="1.0" encoding="UTF-8"?><Response>` +
		`<Gather input="dtmf" numDigits="1" timeout="8" action="https://v.example/callbacks/twilio/gather?n=n-1&amp;d=1#rc=5&amp;rp=all" method="POST" actionOnEmptyResult="false">` +
		`<Say language="ru-RU">Говорит вахта. Нажмите 1, чтобы принять.</Say></Gather>` +
		`<Gather input="dtmf" numDigits="1" timeout="8" action="https://v.example/callbacks/twilio/gather?n=n-1&amp;d=1#rc=5&amp;rp=all" method="POST" actionOnEmptyResult="false">` +
		`<Say language="ru-RU">Говорит вахта. Нажмите 1, чтобы принять.</Say></Gather>` +
		`<Say language="ru-RU">Ответа нет. До свидания.</Say><Hangup></Hangup></Response>`
	if got := SpeakTwiML("https://v.example/", page()); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestSpeakTwiMLAsksForNothingWhereNothingIsToBeConfirmed(t *testing.T) {
	n := page()
	n.Event = "page.standdown"
	if got := SpeakTwiML("https://v.example", n); strings.Contains(got, "Gather") {
		t.Errorf("a stand-down gathers digits: %s", got)
	}
	if got := SpeakTwiML("", page()); strings.Contains(got, "Gather") {
		t.Errorf("digits are gathered that nobody could receive: %s", got)
	}
}

func TestSpeakTwiMLStaysWithinTheLimitAndWellFormed(t *testing.T) {
	n := page()
	n.Body = strings.Repeat(`Сервер <a&b> "в стойке" не отвечает. `, 300)
	got := SpeakTwiML("https://v.example", n)
	if size := utf8.RuneCountInString(got); size > maxTwiML {
		t.Errorf("%d characters, at most %d", size, maxTwiML)
	}
	if err := xml.Unmarshal([]byte(got), new(struct{})); err != nil {
		t.Errorf("not well formed: %v", err)
	}
}

func TestReplyTwiML(t *testing.T) {
	for reply, want := range map[Reply]string{
		ReplyThanks:   "Спасибо, принято.",
		ReplyDeclined: "обратимся к следующему",
		ReplyRepeat:   "Нажмите 1, чтобы принять.",
		ReplyUnclear:  "Нажмите 1, чтобы принять.",
	} {
		if got := ReplyTwiML("https://v.example", reply, page()); !strings.Contains(got, want) {
			t.Errorf("%s: %s lacks %q", reply, got, want)
		}
	}
}
