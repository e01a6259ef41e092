package labtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/lab/sandbox"
	"vakhta/internal/lab/stand"
	"vakhta/internal/topology"
)

// Patience is how long a condition may take to become true. It is generous:
// the machine may be busy, and a test that waits for nothing fails by it only.
const Patience = 4 * time.Minute

// pollEvery is how often a condition is looked at.
const pollEvery = 50 * time.Millisecond

// Lab is a stand under test.
type Lab struct {
	*stand.Stand
	dir    string
	graph  *topology.Graph
	cancel context.CancelFunc
}

// Close takes the stand down.
func (l *Lab) Close() {
	l.Stand.Close()
	l.cancel()
}

// Option changes how a stand is put up.
type Option func(*stand.Options)

// OnStore keeps records and ledger in the database at this address.
func OnStore(dsn string) Option { return func(o *stand.Options) { o.Store = dsn } }

// Bare takes the management out of racks of the estate.
func Bare(racks ...string) Option { return func(o *stand.Options) { o.Bare = racks } }

// Crowd replaces the estate's inventory by one that needs no machine, and says
// how many messages a second each account allows.
func Crowd(doc inventory.Document, perSecond float64) Option {
	return func(o *stand.Options) {
		o.Inventory, o.Rates = &doc, map[inventory.Channel]float64{}
		for _, ch := range []inventory.Channel{inventory.Email, inventory.Telegram, inventory.SMS, inventory.Call} {
			o.Rates[ch] = perSecond
		}
	}
}

// WithInput replaces an input of the runbooks.
func WithInput(name, value string) Option { return func(o *stand.Options) { o.Inputs[name] = value } }

// WithRooms gives the teams rooms.
func WithRooms() Option { return func(o *stand.Options) { o.Rooms = true } }

// From has the worker probe from these vantages alone.
func From(vantages ...string) Option { return func(o *stand.Options) { o.Vantages = vantages } }

// Open puts up a stand of the test's own and takes it down when the test ends.
func Open(t testing.TB, options ...Option) *Lab {
	t.Helper()
	l, err := open(t.TempDir(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	l.showLogsOnFailure(t)
	return l
}

var shared struct {
	once sync.Once
	lab  *Lab
	err  error
}

// Shared is the stand that the tests of a package share, one after another:
// each heals what it broke, and takes a client of its own.
func Shared(t testing.TB) *Lab {
	t.Helper()
	shared.once.Do(func() { shared.lab, shared.err = open(filepath.Join(home, "shared")) })
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	shared.lab.showLogsOnFailure(t)
	return shared.lab
}

func closeShared() {
	if shared.lab != nil {
		shared.lab.Close()
	}
}

func open(dir string, options ...Option) (*Lab, error) {
	programs, err := build()
	if err != nil {
		return nil, err
	}
	o := stand.Options{
		Dir: dir, Seed: 1, Worker: programs.worker, Gateway: programs.gateway,
		Inputs: map[string]string{
			"updateEvery": "2m", "lookEvery": "1s", "messenger": "1s", "call": "20s", "quiet": "30m", "reopenWithin": "1h",
		},
	}
	for _, option := range options {
		option(&o)
	}
	// What a stand runs inside this process lives as long as its context.
	ctx, cancel := context.WithCancel(context.Background())
	timer := time.AfterFunc(Patience, cancel)
	s, err := stand.Open(ctx, o)
	timer.Stop()
	if err != nil {
		cancel()
		return nil, err
	}
	l := &Lab{Stand: s, dir: dir, graph: topology.New(s.Estate.Inventory()), cancel: cancel}
	l.Sandbox.SetDefaults(sandbox.Persona{
		Telegram: &sandbox.Chat{}, // the messenger stays unread at night, the phone is picked up
		Phone:    &sandbox.Phone{Answer: sandbox.AnswerHuman, After: sandbox.Duration(100 * time.Millisecond), Digits: "1", Think: sandbox.Duration(100 * time.Millisecond)},
	})
	return l, nil
}

// Until waits until done says so.
func Until(ctx context.Context, what string, done func() (bool, error)) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var last error
	for {
		ok, err := done()
		if ok && err == nil {
			return nil
		}
		if err != nil {
			last = err
		}
		select {
		case <-ctx.Done():
			if last != nil {
				return fmt.Errorf("wait for %s: %w; last: %w", what, ctx.Err(), last)
			}
			return fmt.Errorf("wait for %s: %w", what, ctx.Err())
		case <-tick.C:
		}
	}
}

// Await fails the test if done does not become true.
func (l *Lab) Await(t testing.TB, what string, done func() (bool, error)) {
	t.Helper()
	if err := Until(t.Context(), what, done); err != nil {
		t.Fatal(err)
	}
}

// Break makes a component fail.
func (l *Lab) Break(t testing.TB, component string) {
	t.Helper()
	if err := l.Estate.SetFault(component, estate.Fault{Mode: estate.Down}); err != nil {
		t.Fatal(err)
	}
}

// Heal repairs a component.
func (l *Lab) Heal(t testing.TB, component string) {
	t.Helper()
	if err := l.Estate.ClearFault(component); err != nil {
		t.Fatal(err)
	}
}

// HasRooms says that the teams work in rooms.
func (l *Lab) HasRooms() bool { return l.Estate.Inventory().HasRooms() }

// Contact is somebody of the inventory, or a team's room.
func (l *Lab) Contact(id string) *inventory.Contact {
	if room, ok := l.Estate.Inventory().RoomContact(id); ok {
		return room.Contact()
	}
	c, ok := l.Estate.Inventory().Contact(id)
	if !ok {
		panic(fmt.Sprintf("labtest: the estate has no contact %q", id))
	}
	return c
}

// Inbox is what a contact got, by all channels, oldest first.
func (l *Lab) Inbox(contact string, since time.Time) []sandbox.Item {
	var out []sandbox.Item
	seen := map[string]bool{}
	for _, address := range l.Contact(contact).Addresses {
		for _, it := range l.Sandbox.Inbox(sandbox.Query{To: address, Since: since}) {
			if !it.Inbound && !seen[it.ID] {
				seen[it.ID] = true
				out = append(out, it)
			}
		}
	}
	return out
}

// Read says whether the contact got a message that holds the text.
func (l *Lab) Read(contact, text string, since time.Time) bool {
	for _, it := range l.Inbox(contact, since) {
		if strings.Contains(it.Subject+"\n"+it.Content(), text) {
			return true
		}
	}
	return false
}

// Secret is what a file of the stand's configuration holds.
func (l *Lab) Secret(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(l.dir, "secret-"+name))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(b))
}

// showLogsOnFailure prints the ends of the processes' logs of a failed test.
func (l *Lab) showLogsOnFailure(t testing.TB) {
	t.Cleanup(func() {
		if !t.Failed() {
			return
		}
		for _, name := range []string{"worker", "gateway"} {
			b, err := os.ReadFile(filepath.Join(l.dir, name+".log"))
			if err != nil {
				continue
			}
			lines := strings.Split(strings.TrimSpace(string(b)), "\n")
			t.Logf("%s.log ends with:\n%s", name, strings.Join(lines[max(0, len(lines)-15):], "\n"))
		}
	})
}
