package main

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.temporal.io/sdk/client"

	"vakhta/activities/records"
	"vakhta/internal/incident"
	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/maintenance"
	"vakhta/internal/store"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// How fourteen days are told in a minute and a half.
const (
	workAhead = 26 * time.Second // from the approval to the window
	workLasts = 3 * time.Minute
	// answerWithin is how long a client who reports a failure waits for the answer.
	answerWithin = time.Second
)

// How a client learns of the work.
const (
	byButton = "button"
	byLink   = "link"
	byCall   = "call"
	byNobody = "never"
)

// workStory is one planned work, played.
type workStory struct {
	*story
	plan    maintenance.Work
	how     map[string]string // by client: how he confirms
	began   time.Time
	lost    string    // the server that does not come back
	cut     time.Time // the power goes
	state   workflows.MaintenanceStatus
	pressed map[string]bool // links
}

// play tells the story and checks that each of its turns really happened.
func (t *workStory) play(ctx context.Context) error {
	if err := t.cast(); err != nil {
		return err
	}
	stop := t.follow(ctx)
	defer stop()
	for _, turn := range []func(context.Context) error{
		t.planIt, t.approve, t.confirm, t.window, t.alarm, t.askAtNight, t.bringBack, t.complete, t.notice, t.repairIt, t.resolve, t.learn, t.refers, t.auditWork,
	} {
		if err := turn(ctx); err != nil {
			return err
		}
	}
	return nil
}

// cast chooses what is worked on, and how the clients behave: by button, by a
// link in a mail, on the phone, and one of them never.
func (t *workStory) cast() error {
	pdu, err := estate.Scenario("pdu")
	if err != nil {
		return err
	}
	inv := t.h.Estate.Inventory()
	t.blast = topology.New(inv).Blast(pdu)
	t.component, t.work, t.pressed, t.how = pdu, "replace-"+pdu, map[string]bool{}, map[string]string{}
	if t.reporter = t.findReporter(inv); t.reporter == nil {
		return fmt.Errorf("no client of %s can write to us by telegram", pdu)
	}
	t.h.Sandbox.SetDefaults(sandbox.Persona{
		Telegram: &sandbox.Chat{},
		Phone:    &sandbox.Phone{Answer: sandbox.AnswerHuman, After: sandbox.Duration(600 * time.Millisecond), Digits: "1", Think: sandbox.Duration(400 * time.Millisecond)},
	})
	for _, c := range inv.Clients() {
		if len(t.blast.ByClient[c.ID]) > 0 {
			t.how[c.ID] = t.habit(c)
		}
	}
	for _, how := range []string{byButton, byLink, byCall, byNobody} {
		if t.count(how) == 0 {
			return fmt.Errorf("of the %d clients of %s nobody is left to confirm by %s", len(t.how), pdu, how)
		}
	}
	return nil
}

// habit is how a client confirms, by what he has; it prepares his phone and messenger.
func (t *workStory) habit(c *inventory.Client) string {
	has := func(ch inventory.Channel) bool {
		return slices.ContainsFunc(c.Contacts, func(p inventory.Contact) bool { return p.Addresses[ch] != "" })
	}
	switch {
	case c.ID == t.reporter.Client:
		return byCall
	case has(inventory.Call) && t.count(byNobody) == 0:
		t.each(c, func(p inventory.Contact) {
			t.h.Sandbox.SetPersona(p.Addresses[inventory.Call], sandbox.Persona{Phone: &sandbox.Phone{Answer: sandbox.AnswerNever}})
		})
		return byNobody
	case has(inventory.Call):
		return byCall
	case has(inventory.Email) && t.count(byLink) <= t.count(byButton):
		return byLink
	default:
		t.each(c, func(p inventory.Contact) {
			t.h.Sandbox.SetPersona(p.Addresses[inventory.Telegram], sandbox.Persona{Telegram: &sandbox.Chat{Press: "ack:", After: sandbox.Duration(1500 * time.Millisecond)}})
		})
		return byButton
	}
}

func (t *workStory) each(c *inventory.Client, do func(inventory.Contact)) {
	for _, p := range c.Contacts {
		do(p)
	}
}

func (t *workStory) count(how string) int {
	n := 0
	for _, h := range t.how {
		if h == how {
			n++
		}
	}
	return n
}

func (t *workStory) clientsBy(how string) []string {
	var out []string
	for id, h := range t.how {
		if h == how {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// planIt computes whom it touches before anybody is told.
func (t *workStory) planIt(ctx context.Context) error {
	t.began = time.Now()
	start := t.began.Add(workAhead).UTC().Truncate(time.Second)
	t.plan = maintenance.Work{
		ID: t.work, Title: map[string]string{"ru": "замена PDU " + t.component, "en": "replacement of PDU " + t.component},
		Text:       map[string]string{"ru": "Меняем распределитель питания стойки.", "en": "We replace the power distribution of the rack."},
		Components: []string{t.component}, StartsAt: start, EndsAt: start.Add(workLasts), Owner: "emergency",
		Notices: maintenance.Policy{maintenance.Outage: {time.Hour}},
	}
	t.s.heading("Planned work")
	inv := t.h.Estate.Inventory()
	measured, err := records.New(t.h.Store, inv, nil, nil, nil, records.Options{}).MeasureWork(ctx, t.plan)
	if err != nil {
		return err
	}
	t.s.line("plan", fmt.Sprintf("ivan plans %s (%s): %d servers of %d clients go off; conflicts: %d; nobody is told yet",
		t.plan.TitleIn("en"), inv.Place(t.component, inventory.English), measured.Servers, measured.Clients, len(measured.Conflicts)), stylePlain)
	if measured.Clients != len(t.how) || measured.Servers != len(t.blast.Servers) {
		return fmt.Errorf("the plan counts %d servers of %d clients, %d of %d hang on %s", measured.Servers, measured.Clients, len(t.blast.Servers), len(t.how), t.component)
	}
	_, err = t.h.Client.ExecuteWorkflow(ctx, client.StartWorkflowOptions{
		ID: workflows.MaintenanceID(t.work), TaskQueue: workflows.QueueRunbooks, StaticSummary: t.plan.TitleIn("en"),
	}, workflows.TypeMaintenance, workflows.MaintenanceInput{Act: workflows.Act{By: "ivan", Via: "cli"}, Work: t.plan})
	return err
}

func (t *workStory) approve(ctx context.Context) error {
	return t.update(ctx, workflows.MaintenanceID(t.work), workflows.UpdateApprove, workflows.WorkUpdate{Act: workflows.Act{By: "petr", Via: "cli"}})
}

// confirm waits until everybody has confirmed in his way, and the one who never
// does has been called.
func (t *workStory) confirm(ctx context.Context) error {
	var never []string
	for _, id := range t.clientsBy(byNobody) {
		c, _ := t.h.Estate.Inventory().Client(id)
		never = append(never, c.Name)
	}
	t.s.line("clients", fmt.Sprintf("%d will press the button, %d follow the link, %d pick up the phone; %s never answers",
		t.count(byButton), t.count(byLink), t.count(byCall), strings.Join(never, ", ")), styleDim)
	return t.until(ctx, "the clients to confirm, and the last one to be called", func() (bool, error) {
		if err := t.followLinks(ctx); err != nil {
			return false, err
		}
		known, err := t.h.Store.Confirmations(ctx, t.work, 1, "")
		if err != nil {
			return false, err
		}
		t.s.progress(fmt.Sprintf("%d of %d clients have confirmed", len(known), len(t.how)))
		if len(known) < len(t.how)-t.count(byNobody) {
			if time.Now().After(t.plan.StartsAt) {
				return false, fmt.Errorf("the window opens and only %d of %d have confirmed: %v", len(known), len(t.how), known)
			}
			return false, nil
		}
		for _, id := range t.clientsBy(byNobody) {
			if _, confirmed := known[id]; confirmed || !t.called(id) {
				return false, nil
			}
		}
		t.s.line("confirmed", fmt.Sprintf("%d of %d clients; the last one was called, and is a task for the crew", len(known), len(t.how)), styleGood)
		return true, t.asSaid(known)
	})
}

// asSaid: each confirmed in the way that he has.
func (t *workStory) asSaid(known map[string]store.Confirmation) error {
	for client, c := range known {
		want := map[string][]string{byButton: {"telegram"}, byLink: {"page"}, byCall: {"call"}}[t.how[client]]
		if !slices.Contains(want, c.Via) {
			return fmt.Errorf("%s was to confirm by %s, and did so by %s", client, t.how[client], c.Via)
		}
	}
	return nil
}

func (t *workStory) called(client string) bool {
	return len(t.calls(client)) > 0
}

func (t *workStory) calls(id string) []sandbox.Item {
	var out []sandbox.Item
	c, _ := t.h.Estate.Inventory().Client(id)
	t.each(c, func(p inventory.Contact) {
		if to := p.Addresses[inventory.Call]; to != "" {
			for _, it := range t.h.Sandbox.Inbox(sandbox.Query{To: to, Since: t.began}) {
				if it.Channel == sandbox.ChannelCall {
					out = append(out, it)
				}
			}
		}
	})
	return out
}

var ackLink = regexp.MustCompile(`https?://\S+/a/\S+`)

// followLinks opens the page of each mail to those who confirm by it, and presses the button.
func (t *workStory) followLinks(ctx context.Context) error {
	for _, it := range t.h.Sandbox.Inbox(sandbox.Query{Since: t.began}) {
		contact, ok := t.h.Estate.Inventory().ContactByAddress(inventory.Channel(it.Channel), it.To)
		if !ok || t.how[contact.Client] != byLink || it.Subject == "" {
			continue
		}
		link := ackLink.FindString(it.Text)
		if link == "" || t.pressed[link] {
			continue
		}
		t.pressed[link] = true
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			req, err := http.NewRequestWithContext(ctx, method, link, nil)
			if err != nil {
				return err
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				return fmt.Errorf("follow the link of %s: %w", contact.ID, err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode >= http.StatusBadRequest {
				return fmt.Errorf("the link of %s answers %s", contact.ID, resp.Status)
			}
		}
	}
	return nil
}

// window waits until it opens by itself, and switches the power off.
func (t *workStory) window(ctx context.Context) error {
	err := t.until(ctx, "the window to open", func() (bool, error) {
		w, err := t.h.Store.MaintenanceBare(ctx, t.work)
		return w.Status == maintenance.Running, err
	})
	if err != nil {
		return err
	}
	if late := time.Since(t.plan.StartsAt); late < 0 || late > 10*time.Second {
		return fmt.Errorf("the window opened %s after its time", late)
	}
	t.cut = time.Now()
	t.s.line("work", t.component+" is switched off", styleBad)
	return t.h.Estate.SetFault(t.component, estate.Fault{Mode: estate.Off})
}

// alarm: monitoring shouts about a machine in the window, and nobody is woken.
func (t *workStory) alarm(ctx context.Context) error {
	if err := t.shout(ctx, "firing"); err != nil {
		return err
	}
	return t.until(ctx, "the alert to be silenced by the work", func() (bool, error) {
		lines, err := t.h.Store.Timeline(ctx, "maintenance/"+t.work, 0, 0)
		return slices.ContainsFunc(lines, func(e incident.Entry) bool {
			return e.Kind == "alert" && strings.Contains(e.Text, t.blast.Servers[0])
		}), err
	})
}

// shout sends the monitoring's word on a machine in the window.
func (t *workStory) shout(ctx context.Context, status string) error {
	at := t.cut.UTC().Format(time.RFC3339)
	body := fmt.Sprintf(`{"version":"4","status":%[1]q,"alerts":[{"status":%[1]q,"labels":{"alertname":"Down","component":%[2]q},"startsAt":%[3]q,"endsAt":%[4]q,"fingerprint":"work-1"}]}`,
		status, t.blast.Servers[0], at, map[string]string{"firing": "0001-01-01T00:00:00Z", "resolved": time.Now().UTC().Format(time.RFC3339)}[status])
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, t.h.GatewayURL+"/v1/alerts/alertmanager", strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Authorization", "Bearer "+t.h.IntakeToken)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("the alert was answered %s", resp.Status)
	}
	return nil
}

// askAtNight: a client whose machine is in the window asks, and is answered.
func (t *workStory) askAtNight(ctx context.Context) error {
	if err := t.cry(ctx); err != nil {
		return err
	}
	his := t.blast.ByClient[t.reporter.Client][0]
	err := t.until(ctx, "the answer that names the work", func() (bool, error) {
		for _, it := range t.h.Sandbox.Inbox(sandbox.Query{To: t.reporter.Addresses[inventory.Telegram], Since: t.cried}) {
			if it.Inbound || !strings.Contains(it.Text, t.plan.TitleIn(string(t.reporter.Language))) || !strings.Contains(it.Text, "предупреждали") {
				continue
			}
			t.answered = it.At.Sub(t.cried)
			for _, says := range []string{his, "подтверждено", t.plan.TextIn("ru"), t.plan.EndsAt.In(zone(t.reporter.TimeZone)).Format("15:04")} {
				if !strings.Contains(it.Text, says) {
					return false, fmt.Errorf("the answer does not say %q: %s", says, it.Text)
				}
			}
			return true, nil
		}
		return false, nil
	})
	if err != nil {
		return err
	}
	if t.answered > answerWithin {
		return fmt.Errorf("the answer took %s, more than %s", t.answered, answerWithin)
	}
	return t.until(ctx, "his other machines to be checked", func() (bool, error) {
		reports, err := t.h.Store.Reports(ctx, reportsOf(t.reporter.Client))
		if err != nil || len(reports) == 0 || reports[0].Answer == "" {
			return false, err
		}
		if reports[0].Answer != "planned" {
			return false, fmt.Errorf("his report came to %q, want planned", reports[0].Answer)
		}
		return true, nil
	})
}

// bringBack switches the power on; one server stays off.
func (t *workStory) bringBack(ctx context.Context) error {
	inv := t.h.Estate.Inventory()
	for _, id := range t.blast.Servers {
		if c, _ := inv.Component(id); id != t.blast.Servers[0] && c.Client != t.reporter.Client && t.how[c.Client] != byNobody {
			t.lost = id
			break
		}
	}
	if err := t.h.Estate.SetFault(t.lost, estate.Fault{Mode: estate.Off}); err != nil {
		return err
	}
	if err := t.h.Estate.ClearFault(t.component); err != nil {
		return err
	}
	t.s.line("work", fmt.Sprintf("%s is switched on again; %s stays off, and nobody has seen it", t.component, t.lost), styleGood)
	err := t.until(ctx, "the other servers to boot", func() (bool, error) {
		for _, id := range t.blast.Servers {
			if id != t.lost && !answers(ctx, inv, id) {
				return false, nil
			}
		}
		return true, nil
	})
	if err != nil {
		return err
	}
	return t.shout(ctx, "resolved")
}

func answers(ctx context.Context, inv *inventory.Inventory, id string) bool {
	c, ok := inv.Component(id)
	if !ok || len(c.Probe.TCP) == 0 {
		return ok
	}
	d := net.Dialer{Timeout: 200 * time.Millisecond}
	conn, err := d.DialContext(ctx, "tcp", net.JoinHostPort(c.Probe.Address, strconv.Itoa(c.Probe.TCP[0])))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
