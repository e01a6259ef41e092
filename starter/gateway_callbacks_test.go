package main

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"go.temporal.io/api/serviceerror"

	"vakhta/internal/acklink"
	"vakhta/internal/inventory"
	"vakhta/internal/ledger"
	"vakhta/internal/store"
	"vakhta/workflows"
)

func TestSendGridEventsMoveTheLedger(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Email)
	body := fmt.Sprintf(`[{"event":"delivered","sg_event_id":"e1","sg_message_id":"m1.recvd-x","vakhta_notification":%q,"timestamp":%d}]`, n.ID, time.Now().Unix())
	for range 2 { // SendGrid repeats
		if code, answer := h.sendgrid(body); code != 204 {
			t.Fatalf("callback %d %s", code, answer)
		}
	}
	if got := h.notification(n.ID).State; got != ledger.Delivered {
		t.Errorf("state %s, want delivered", got)
	}
}

func TestUnsignedCallbacksChangeNothing(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Call)
	for _, path := range []string{"/callbacks/sendgrid", "/callbacks/twilio/status", "/callbacks/twilio/gather?n=" + n.ID, "/callbacks/telegram"} {
		if code, _ := h.send("POST", path, "CallSid=CA1&Digits=1", map[string]string{"X-Twilio-Signature": "AAAA"}); code != 403 {
			t.Errorf("%s: %d, want 403", path, code)
		}
	}
	if got := h.notification(n.ID); !got.AcknowledgedAt.IsZero() || got.State != ledger.Queued || len(h.flows.calls) != 0 {
		t.Errorf("an unsigned callback changed %+v, calls %+v", got, h.flows.calls)
	}
}

func TestPressingOneAcknowledgesThePageAndTellsTheEscalation(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Call)
	code, body := h.twilio("/callbacks/twilio/gather?n="+n.ID+"&d=1", url.Values{"CallSid": {"CA1"}, "Digits": {"1"}})
	if code != 200 || !strings.Contains(body, "<Response>") || !strings.Contains(body, "Спасибо") {
		t.Errorf("gather answered %d %s", code, body)
	}
	if h.notification(n.ID).AcknowledgedAt.IsZero() {
		t.Error("the ledger knows of no acknowledgement")
	}
	want := call{"signal", workflows.EscalateID("inc-1", "emergency"), workflows.SignalAcknowledged, workflows.PageAnswer{Contact: "ivan", Notification: n.ID, Via: "call"}}
	if len(h.flows.calls) != 1 || h.flows.calls[0] != want {
		t.Errorf("calls %+v, want %+v", h.flows.calls, want)
	}
}

func TestPressingTwoDeclines(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Call)
	if code, _ := h.twilio("/callbacks/twilio/gather?n="+n.ID+"&d=1", url.Values{"CallSid": {"CA1"}, "Digits": {"2"}}); code != 200 {
		t.Fatalf("gather answered %d", code)
	}
	if !h.notification(n.ID).AcknowledgedAt.IsZero() {
		t.Error("a refusal was taken for an acknowledgement")
	}
	if len(h.flows.calls) != 1 || h.flows.calls[0].name != workflows.SignalDeclined {
		t.Errorf("calls %+v, want declined", h.flows.calls)
	}
}

func TestAnAcknowledgementIsTakenWhileTemporalIsAway(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Call)
	h.flows.err = serviceerror.NewUnavailable("away")
	if code, _ := h.twilio("/callbacks/twilio/gather?n="+n.ID, url.Values{"CallSid": {"CA1"}, "Digits": {"1"}}); code != 200 {
		t.Errorf("gather answered %d, want 200: the fact is in the ledger", code)
	}
	if h.notification(n.ID).AcknowledgedAt.IsZero() {
		t.Error("the ledger knows of no acknowledgement")
	}
}

func TestACallbackThatCannotBeStoredIsNotAnswered2xx(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Call)
	h.gateway.deps.Store = brokenStore{h.store}
	if code, _ := h.twilio("/callbacks/twilio/gather?n="+n.ID, url.Values{"CallSid": {"CA1"}, "Digits": {"1"}}); code != 503 {
		t.Errorf("gather answered %d, want 503", code)
	}
	if code, _ := h.telegram(`{"update_id":7,"message":{"message_id":1,"date":1,"chat":{"id":1001,"type":"private"},"text":"down"}}`); code != 503 {
		t.Errorf("telegram message answered %d, want 503", code)
	}
	if code, _ := h.send("POST", "/v1/alerts/alertmanager", alertmanagerGroup, bearer()); code != 503 {
		t.Errorf("alerts answered %d, want 503", code)
	}
	if len(h.flows.calls) != 0 {
		t.Errorf("workflows heard of what is not stored: %+v", h.flows.calls)
	}
}

func TestTelegramButtonAcknowledges(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Telegram)
	body := fmt.Sprintf(`{"update_id":42,"callback_query":{"id":"q1","from":{"id":1,"is_bot":false,"first_name":"x"},"chat_instance":"c","data":"ack:%s"}}`, n.AckCode)
	if code, answer := h.telegram(body); code != 204 {
		t.Fatalf("update answered %d %s", code, answer)
	}
	if got := h.notification(n.ID); got.AcknowledgedAt.IsZero() || got.AcknowledgedVia != "telegram" {
		t.Errorf("notification %+v is not acknowledged by telegram", got)
	}
	if len(h.botHits) != 1 || h.botHits[0] != "answerCallbackQuery" {
		t.Errorf("bot was asked %v, want answerCallbackQuery", h.botHits)
	}
	if len(h.flows.calls) != 1 || h.flows.calls[0].name != workflows.SignalAcknowledged {
		t.Errorf("calls %+v", h.flows.calls)
	}
}

func TestWhoStopsTheBotIsLeftInPeace(t *testing.T) {
	h := newGatehouse(t)
	say := func(update int, text string) {
		t.Helper()
		body := fmt.Sprintf(`{"update_id":%d,"message":{"message_id":1,"date":1763866800,"chat":{"id":1001,"type":"private"},"text":%q}}`, update, text)
		if code, answer := h.telegram(body); code != 204 {
			t.Fatalf("update answered %d %s", code, answer)
		}
	}
	barred := func() []ledger.Barred {
		t.Helper()
		all, err := h.store.Barred(t.Context(), "")
		must(t, err)
		return all
	}
	say(1, "/stop")
	if all := barred(); len(all) != 1 || all[0].Contact != "acme-duty" || all[0].Channel != inventory.Telegram || all[0].Bar != ledger.BarOptedOut {
		t.Errorf("barred %+v, want the Telegram of acme-duty", all)
	}
	say(2, "/start")
	if all := barred(); len(all) != 0 {
		t.Errorf("barred %+v after he started the bot anew", all)
	}
	if all, err := h.store.Reports(t.Context(), store.ReportFilter{}); err != nil || len(all) != 0 {
		t.Errorf("reports %+v, %v: a command is none", all, err)
	}
}

func TestTelegramMessageIsOneReport(t *testing.T) {
	h := newGatehouse(t)
	body := `{"update_id":7,"message":{"message_id":1,"date":1763866800,"chat":{"id":1001,"type":"private"},"text":"у меня лежит сервер"}}`
	for range 2 { // Telegram repeats until it is answered
		if code, answer := h.telegram(body); code != 204 {
			t.Fatalf("update answered %d %s", code, answer)
		}
	}
	all, err := h.store.Reports(t.Context(), store.ReportFilter{})
	must(t, err)
	if len(all) != 1 || all[0].ID != "tg7" || all[0].Client != "acme" || all[0].Contact != "acme-duty" || all[0].From != "1001" {
		t.Errorf("reports %+v; want one, of acme", all)
	}
	if strings.Contains(h.log.String(), "1001") {
		t.Error("the log holds the sender's address")
	}
	// Another bot counts from the beginning: its update 7 is another report.
	if code, _ := h.telegram(strings.Replace(body, "у меня лежит сервер", "нет связи", 1)); code != 204 {
		t.Errorf("another message answered %d", code)
	}
	if all, err = h.store.Reports(t.Context(), store.ReportFilter{}); err != nil || len(all) != 2 {
		t.Errorf("%d reports, %v; want 2", len(all), err)
	}
}

func TestAcknowledgementPageRecordsOnlyOnPost(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Email)
	signer, err := acklink.NewSigner(testLinkKey)
	must(t, err)
	path := strings.TrimPrefix(signer.URL(testPublicURL, n.ID, n.Contact), testPublicURL)
	for range 3 { // scanners
		code, body := h.send("GET", path, "", nil)
		if code != 200 || !strings.Contains(body, "Прочитано, подтверждаю") || !strings.Contains(body, "Выключен сервер") {
			t.Fatalf("page %d %s", code, body)
		}
	}
	if !h.notification(n.ID).AcknowledgedAt.IsZero() {
		t.Fatal("looking at the page acknowledged it")
	}
	for range 2 {
		if code, _ := h.send("POST", path, "", nil); code != 303 {
			t.Fatalf("button answered %d, want 303", code)
		}
	}
	if got := h.notification(n.ID); got.AcknowledgedAt.IsZero() || got.AcknowledgedVia != "page" {
		t.Errorf("not acknowledged by the page: %+v", got)
	}
	if _, body := h.send("GET", path, "", nil); !strings.Contains(body, "Спасибо, подтверждено") || strings.Contains(body, "<form") {
		t.Error("the page does not say that it is done")
	}
	if len(h.flows.calls) == 0 || h.flows.calls[0].workflow != "escalate/inc-1/emergency" {
		t.Errorf("the escalation was not told: %+v", h.flows.calls)
	}
}

func TestForgedAcknowledgementLinksAreRefused(t *testing.T) {
	h := newGatehouse(t)
	n := h.page(inventory.Email)
	signer, err := acklink.NewSigner(strings.Repeat("z", 32))
	must(t, err)
	for _, token := range []string{signer.Sign(n.ID, n.Contact), n.ID, "AAAAAAAAAAAAAAAA." + n.ID, "x."} {
		for _, method := range []string{"GET", "POST"} {
			if code, _ := h.send(method, "/a/"+url.PathEscape(token), "", nil); code != 404 {
				t.Errorf("%s %s: %d, want 404", method, token, code)
			}
		}
	}
	good, err := acklink.NewSigner(testLinkKey)
	must(t, err)
	if code, _ := h.send("POST", "/a/"+good.Sign(n.ID, n.Contact), "", map[string]string{"Sec-Fetch-Site": "cross-site"}); code != 403 {
		t.Errorf("a foreign page's form: %d, want 403", code)
	}
	if !h.notification(n.ID).AcknowledgedAt.IsZero() {
		t.Error("a forged link acknowledged")
	}
}

func TestAcknowledgementPageSaysThatNewerNewsExist(t *testing.T) {
	h := newGatehouse(t)
	update := ledger.Notification{
		Subject: "incident/inc-1", Event: "incident.update", Step: "update", Revision: 1, Client: "acme", Contact: "acme-duty",
		Channel: inventory.Email, Language: inventory.English, Title: "Update", Body: "We are working on it.",
	}
	old := h.enqueue(update)
	update.Revision = 2
	h.enqueue(update)
	signer, err := acklink.NewSigner(testLinkKey)
	must(t, err)
	if _, body := h.send("GET", "/a/"+signer.Sign(old.ID, old.Contact), "", nil); !strings.Contains(body, "newer information") {
		t.Error("the page of revision 1 does not mention revision 2")
	}
}
