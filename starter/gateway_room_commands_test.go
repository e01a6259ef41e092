package main

import (
	"fmt"
	"net/http/httptest"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"vakhta/activities/notify/mattermost"
	"vakhta/activities/notify/slack"
	"vakhta/internal/config"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/ledger"
	"vakhta/internal/message"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// threadLab is a gateway on loopback, a sandbox whose messengers call it, and
// two incidents; the first has a thread in the room of each messenger.
type threadLab struct {
	*gatehouse

	box     *sandbox.Sandbox
	threads map[sandbox.Provider]string
}

const (
	threadTeams = `  - id: network
    members:
      - {id: olga, name: Olga, timezone: Europe/Moscow, addresses: {telegram: "7001", slack: U0OLGA00001, mattermost: U0OLGA00001}}
      - {id: petr, name: Petr, addresses: {call: "+79000000012"}}
    levels: [{members: [olga], ackWithin: 2m}]
    room: {telegram: "-1001", topics: true}
  - id: admins
    members: [{id: a1, addresses: {call: "+79000000013"}}]
    levels: [{members: [a1], ackWithin: 2m}]
    room: {slack: C0123456789}
  - id: desk
    members: [{id: d1, addresses: {call: "+79000000014"}}]
    levels: [{members: [d1], ackWithin: 2m}]
    room: {mattermost: m0123456789}
`
	commandToken = "slash-token"
)

var (
	teamOf = map[sandbox.Provider]string{sandbox.Telegram: "network", sandbox.Slack: "admins", sandbox.Mattermost: "desk"}
	roomAt = map[sandbox.Provider]string{sandbox.Telegram: "-1001", sandbox.Slack: "C0123456789", sandbox.Mattermost: "m0123456789"}
	olga   = map[sandbox.Provider]sandbox.Member{
		sandbox.Telegram: {ID: "7001", Name: "Olga"}, sandbox.Slack: {ID: "U0OLGA00001", Name: "olga"}, sandbox.Mattermost: {ID: "U0OLGA00001", Name: "olga"},
	}
	stranger = map[sandbox.Provider]sandbox.Member{
		sandbox.Telegram: {ID: "7777", Name: "Somebody"}, sandbox.Slack: {ID: "U0STRANGER1", Name: "somebody"}, sandbox.Mattermost: {ID: "U0STRANGER1", Name: "somebody"},
	}
)

func newThreadLab(t *testing.T) *threadLab {
	t.Helper()
	h := newGatehouse(t)
	srv := httptest.NewUnstartedServer(nil)
	public := "http://" + srv.Listener.Addr().String()
	box, err := sandbox.New(sandbox.Config{
		TelegramToken: "1:token", TelegramSecret: testTelegram, TelegramWebhookURL: public + "/callbacks/telegram",
		SlackToken: testRoomToken, SlackSecret: testRoomSecret, SlackEventURL: public + slack.EventPath, SlackCommandURL: public + slack.CommandPath,
		MattermostToken: testRoomToken, MattermostCommandURL: public + mattermost.CommandPath, MattermostCommandToken: commandToken,
	})
	must(t, err)
	t.Cleanup(box.Close)
	must(t, box.Listen("127.0.0.1:0"))
	inv, err := inventory.Load(inventory.Document{Name: "estate.yaml", Data: []byte(testEstate + threadTeams)})
	must(t, err)
	cfg, d := h.gateway.cfg, h.gateway.deps
	d.Inventory = inv
	cfg.PublicURL = public
	cfg.Providers.Telegram = &config.Telegram{URL: box.URL(sandbox.Telegram), Token: config.NewSecret("1:token"), WebhookSecret: config.NewSecret(testTelegram)}
	cfg.Providers.Slack = &config.Slack{URL: box.URL(sandbox.Slack), Token: config.NewSecret(testRoomToken), SigningSecret: config.NewSecret(testRoomSecret)}
	cfg.Providers.Mattermost = &config.Mattermost{
		URL: box.URL(sandbox.Mattermost), Token: config.NewSecret(testRoomToken), ActionSecret: config.NewSecret(testRoomSecret), CommandToken: config.NewSecret(commandToken),
	}
	h.gateway, err = newGateway(cfg, d)
	must(t, err)
	h.handler = h.gateway.Handler()
	srv.Config.Handler = h.handler
	srv.Start()
	t.Cleanup(srv.Close)
	t.Cleanup(h.gateway.obeying.Wait)
	l := &threadLab{gatehouse: h, box: box, threads: map[sandbox.Provider]string{}}
	for _, component := range []string{"msk-k1", "spb-k1"} {
		_, _, err = h.store.OpenIncident(t.Context(), component, incident.Incident{
			Component: component, Site: "msk", Severity: incident.Sev2, Finding: topology.Finding{Component: component}, Servers: []string{}, Clients: []string{}, Restored: []string{},
			OpenedAt: time.Now(),
		})
		must(t, err)
	}
	for p, team := range teamOf {
		l.open(p, team)
	}
	return l
}

// open has the first incident's thread opened in a room.
func (l *threadLab) open(p sandbox.Provider, team string) {
	l.t.Helper()
	ctx, room := l.t.Context(), inventory.RoomContact(team)
	thread, _, err := l.store.OpenRoomThread(ctx, "msk-k1-1", team, ledger.Notification{
		Subject: "incident/msk-k1-1", Event: message.RoomOpened, Step: "room/opened", Revision: 1, Contact: room, Channel: inventory.Channel(p), Language: inventory.English, Body: "x",
	}, time.Now())
	must(l.t, err)
	claims, err := l.store.Claim(ctx, []string{thread.Opening}, time.Minute, time.Now())
	must(l.t, err)
	l.threads[p] = "4" + fmt.Sprint(len(team)) + ".000100"
	if p == sandbox.Telegram {
		l.threads[p] = "41"
	}
	must(l.t, l.store.Settle(ctx, thread.Opening, claims.Claimed[0].LeaseToken, ledger.Outcome{State: ledger.Accepted, Provider: string(p), ProviderID: l.threads[p]}, time.Now()))
}

// heard writes in a room and answers what is said to that.
func (l *threadLab) heard(p sandbox.Post) string {
	l.t.Helper()
	var last int64
	for _, it := range l.box.Inbox(sandbox.Query{To: p.Room}) {
		last = it.Seq
	}
	must(l.t, l.box.Write(p))
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); {
		_, more := l.box.Events(1<<62, 0)
		for _, it := range l.box.Inbox(sandbox.Query{To: p.Room, After: last}) {
			if !it.Inbound {
				if it.Thread != p.Thread && p.Provider != sandbox.Telegram { // its topic here was made by nobody
					l.t.Errorf("answered in thread %q, asked in %q", it.Thread, p.Thread)
				}
				return it.Text
			}
		}
		select {
		case <-more:
		case <-time.After(time.Second):
		}
	}
	l.t.Fatalf("%q is not answered", p.Text)
	return ""
}

func (l *threadLab) last() call {
	l.flows.mu.Lock()
	defer l.flows.mu.Unlock()
	if len(l.flows.calls) == 0 {
		return call{}
	}
	return l.flows.calls[len(l.flows.calls)-1]
}

// signOf is how a command begins in a messenger's thread.
var signOf = map[sandbox.Provider]string{sandbox.Telegram: "/", sandbox.Slack: "!", sandbox.Mattermost: "/vakhta "}

func inEachRoom(t *testing.T, f func(*testing.T, sandbox.Provider)) {
	for _, p := range []sandbox.Provider{sandbox.Telegram, sandbox.Slack, sandbox.Mattermost} {
		t.Run(string(p), func(t *testing.T) { f(t, p) })
	}
}

// In a thread the incident is implied, whatever is paged elsewhere meanwhile.
func TestACommandInAThreadIsAboutItsIncident(t *testing.T) {
	inEachRoom(t, func(t *testing.T, p sandbox.Provider) {
		l := newThreadLab(t)
		_, err := l.store.Enqueue(t.Context(), []ledger.Notification{{
			Subject: "incident/spb-k1-1", Event: "page", Step: "page/network/1.1.0", Revision: 1, Team: "network", Contact: "olga", Channel: inventory.Telegram, Language: inventory.English, Body: "x",
		}}, time.Now())
		must(t, err)
		me := workflows.Act{By: "olga", Via: string(p)}
		for text, want := range map[string]any{
			"note PSU B is warm & <loud>": workflows.NoteUpdate{Act: me, Text: "PSU B is warm & <loud>"},
			"note msk-k1-1 by its own id": workflows.NoteUpdate{Act: me, Text: "by its own id"},
			"checked spb-k1 works":        workflows.CheckedUpdate{Act: me, Component: "spb-k1", Result: "works"},
			"restored srv-0001 srv-0002":  workflows.RestoredUpdate{Act: me, Components: []string{"srv-0001", "srv-0002"}},
			"ack":                         workflows.AcknowledgeUpdate{Act: me},
			"resolve replaced the PDU":    workflows.ResolveUpdate{Act: me, Reason: "replaced the PDU"},
		} {
			answer := l.heard(sandbox.Post{Provider: p, Room: roomAt[p], Thread: l.threads[p], By: olga[p], Text: signOf[p] + text})
			got := l.last()
			if got.workflow != "incident/msk-k1-1" || !reflect.DeepEqual(got.arg, want) || !strings.HasPrefix(answer, "✓ msk-k1-1") {
				t.Errorf("%s: %+v, answered %q", text, got, answer)
			}
		}
	})
}

func TestSlackTakesAMentionAndASlashCommandToo(t *testing.T) {
	l := newThreadLab(t)
	for text, thread := range map[string]string{"<@U0BOT00001> note by mention": l.threads[sandbox.Slack], "/vakhta note msk-k1-1 by slash": "", "vakhta, note msk-k1-1 by name": ""} {
		l.heard(sandbox.Post{Provider: sandbox.Slack, Room: roomAt[sandbox.Slack], Thread: thread, By: olga[sandbox.Slack], Text: text})
		_, said, _ := strings.Cut(text, " by ")
		if got := l.last(); got.workflow != "incident/msk-k1-1" || got.arg.(workflows.NoteUpdate).Text != "by "+said {
			t.Errorf("%s: %+v", text, got)
		}
	}
	if err := l.box.Write(sandbox.Post{Provider: sandbox.Slack, Room: roomAt[sandbox.Slack], Thread: l.threads[sandbox.Slack], By: olga[sandbox.Slack], Text: "/vakhta note x"}); err == nil {
		t.Error("the sandbox takes a slash command in a thread, Slack doesn't")
	}
}

// Slack repeats an event that isn't answered in time, and sends a message that
// mentions the app twice; whatever comes again is done, and answered, once.
func TestACommandThatIsDeliveredAgainIsDoneOnce(t *testing.T) {
	inEachRoom(t, func(t *testing.T, p sandbox.Provider) {
		if p == sandbox.Mattermost {
			t.Skip("Mattermost doesn't repeat a slash command")
		}
		l := newThreadLab(t)
		s := said{id: "message/1", channel: inventory.Channel(p), chat: roomAt[p], threads: []string{l.threads[p]}, user: olga[p].ID, text: "/note once"}
		first, _, err := l.gateway.obey(t.Context(), s)
		must(t, err)
		first.heard(t.Context())
		s.threads = nil // another incident would be meant by now
		_, err = l.store.Enqueue(t.Context(), []ledger.Notification{{
			Subject: "incident/spb-k1-1", Event: "page", Step: "page/network/1.1.0", Revision: 1, Team: "network", Contact: "olga", Channel: inventory.Telegram, Language: inventory.English, Body: "x",
		}}, time.Now().Add(time.Second))
		must(t, err)
		again, handled, err := l.gateway.obey(t.Context(), s)
		must(t, err)
		if !handled || again.text != "" {
			t.Errorf("the second delivery: handled %v, answered %q", handled, again.text)
		}
		if len(l.flows.calls) != 1 {
			t.Errorf("calls %+v", l.flows.calls)
		}
	})
}

func TestAStrangerLinksHisAccountByACode(t *testing.T) {
	inEachRoom(t, func(t *testing.T, p sandbox.Provider) {
		l := newThreadLab(t)
		post := sandbox.Post{Provider: p, Room: roomAt[p], Thread: l.threads[p], By: stranger[p], Text: signOf[p] + "note hello"}
		if answer := l.heard(post); !strings.Contains(answer, "vakhta oncall link") || len(l.flows.calls) != 0 {
			t.Errorf("a stranger: %q, calls %+v", answer, l.flows.calls)
		}
		link := post
		link.Text = signOf[p] + "link NOSUCHCODE"
		if answer := l.heard(link); !strings.Contains(answer, "not known") {
			t.Errorf("a wrong code: %q", answer)
		}
		code := linkCode()
		must(t, l.store.PutAccountCode(t.Context(), code, "petr", time.Now().Add(time.Minute)))
		link.Text = signOf[p] + "link " + strings.ToLower(code)
		if answer := l.heard(link); answer != "✓ You are Petr here from now on" {
			t.Errorf("the code: %q", answer)
		}
		l.heard(post)
		if got := l.last(); !reflect.DeepEqual(got.arg, workflows.NoteUpdate{Act: workflows.Act{By: "petr", Via: string(p)}, Text: "hello"}) {
			t.Errorf("after that: %+v", got)
		}
	})
}

func TestWhatIsNoCommandIsAnsweredWithThoseThatAre(t *testing.T) {
	l := newThreadLab(t)
	for p, text := range map[sandbox.Provider]string{sandbox.Slack: "vakhta do something", sandbox.Mattermost: "/vakhta do something"} {
		if answer := l.heard(sandbox.Post{Provider: p, Room: roomAt[p], Thread: l.threads[p], By: olga[p], Text: text}); !strings.Contains(answer, "/checked [INCIDENT] COMPONENT RESULT") {
			t.Errorf("%s: %q", p, answer)
		}
	}
	must(t, l.box.Write(sandbox.Post{Provider: sandbox.Slack, Room: roomAt[sandbox.Slack], By: olga[sandbox.Slack], Text: "!!! everybody look"}))
	must(t, l.box.Write(sandbox.Post{Provider: sandbox.Slack, Room: "C0ELSEWHERE", By: olga[sandbox.Slack], Text: "!note msk-k1-1 meant for another bot"}))
	// An answer to it would come before the answer to the next.
	l.heard(sandbox.Post{Provider: sandbox.Slack, Room: roomAt[sandbox.Slack], Thread: l.threads[sandbox.Slack], By: olga[sandbox.Slack], Text: "!note after"})
	if n := len(slices.DeleteFunc(l.box.Inbox(sandbox.Query{To: roomAt[sandbox.Slack]}), func(it sandbox.Item) bool { return it.Inbound })); n != 2 {
		t.Errorf("%d answers, want 2", n)
	}
	l.heard(sandbox.Post{Provider: sandbox.Slack, Room: "C0ELSEWHERE", By: olga[sandbox.Slack], Text: "vakhta note msk-k1-1 from elsewhere"})
	if n := len(l.flows.calls); n != 2 {
		t.Errorf("%d calls, want those of the two notes: %+v", n, l.flows.calls)
	}
}

// What a team says among itself is nobody's report, and no command.
func TestTalkInARoomIsLeftAlone(t *testing.T) {
	l := newThreadLab(t)
	must(t, l.box.Write(sandbox.Post{Provider: sandbox.Telegram, Room: roomAt[sandbox.Telegram], Thread: l.threads[sandbox.Telegram], By: stranger[sandbox.Telegram], Text: "my server is down, says the client"}))
	l.heard(sandbox.Post{Provider: sandbox.Telegram, Room: roomAt[sandbox.Telegram], Thread: l.threads[sandbox.Telegram], By: olga[sandbox.Telegram], Text: "/note after"}) // a chat's updates come in order
	all, err := l.store.Reports(t.Context(), store.ReportFilter{})
	must(t, err)
	if len(all) != 0 {
		t.Errorf("reports %+v", all)
	}
}

func TestOnlyTheMessengersCommand(t *testing.T) {
	l := newThreadLab(t)
	form := map[string]string{"Content-Type": "application/x-www-form-urlencoded"}
	for path, body := range map[string]string{
		mattermost.CommandPath: "token=guessed&user_id=U0OLGA00001&text=note+x&channel_id=m0123456789&trigger_id=1",
		slack.CommandPath:      "user_id=U0OLGA00001&text=note+x&channel_id=C0123456789&trigger_id=1",
		slack.EventPath:        `{"type":"event_callback","event":{"type":"message","user":"U0OLGA00001","text":"!note x","channel":"C0123456789","ts":"1.1"}}`,
	} {
		if code, body := l.send("POST", path, body, form); code != 403 {
			t.Errorf("%s answers %d %s", path, code, body)
		}
	}
	if len(l.flows.calls) != 0 {
		t.Errorf("calls %+v", l.flows.calls)
	}
}
