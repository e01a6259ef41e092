package sandbox

import (
	"bytes"
	"cmp"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed inbox.html
var pageFiles embed.FS

// pageItems caps the inbox page at the newest items.
const pageItems = 300

var page = template.Must(template.New("inbox.html").Funcs(template.FuncMap{
	"letter": letter,
	"linked": linked,
	"clock":  func(t time.Time) string { return t.Local().Format("15:04:05") },
	"icon":   icon,
	"tone":   tone,
	"rows":   buttonRows,
}).ParseFS(pageFiles, "inbox.html"))

// thread is everything between us and one address, newest first; in a team's
// room each thread is one of its own.
type thread struct {
	Address string
	Channel string
	Items   []Item
	Total   int
	Room    *roomThread
}

// roomThread is a thread in a team's room.
type roomThread struct {
	ID       string // of what opened it
	Name     string
	Provider Provider
	Closed   bool
	Sign     string // by which a command begins in it
}

type pageView struct {
	Threads  []thread
	Channels []channelTab
	Channel  string
	To       string
	Total    int
	Shown    int
	Faults   []Fault
	Refresh  int
	Now      time.Time
	Nonce    string
}

type channelTab struct {
	Name  string
	N     int
	Href  string
	Where bool // the reader is here
}

func (s *Sandbox) servePage(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	v := pageView{Channel: q.Get("channel"), To: q.Get("to"), Refresh: 2, Now: time.Now(), Nonce: messageID()}
	if n, err := strconv.Atoi(q.Get("refresh")); err == nil && n >= 0 {
		v.Refresh = n
	}
	items := s.Inbox(Query{Channel: v.Channel, To: v.To, Limit: pageItems})
	v.Shown = len(items)
	v.Threads = s.threads(items)
	v.Total, v.Channels = s.tabs(v.Channel)
	for _, f := range s.Faults() {
		if !f.over() {
			v.Faults = append(v.Faults, f)
		}
	}
	var b bytes.Buffer
	if err := page.Execute(&b, v); err != nil {
		http.Error(w, "draw the inbox: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	// Mails are shown as they are: no script may run, nothing be fetched.
	w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; connect-src 'self'; form-action 'self'; script-src 'nonce-"+v.Nonce+"'")
	_, _ = w.Write(b.Bytes())
}

// threads groups items by address, the address with the newest item first.
func (s *Sandbox) threads(items []Item) []thread {
	at := make(map[string]int)
	var list []thread
	opened := map[string]bool{}
	for _, it := range items {
		if it.Thread != "" {
			opened[address(it.To)+"\x00"+it.Thread] = true
		}
	}
	for _, it := range slices.Backward(items) {
		key := address(it.To) + "\x00" + cmp.Or(it.Thread, it.ID[strings.LastIndexByte(it.ID, '/')+1:])
		inThread := opened[key]
		if !inThread {
			key = address(it.To)
		}
		i, ok := at[key]
		if !ok {
			i = len(list)
			at[key] = i
			list = append(list, thread{Address: it.To, Channel: it.Channel})
			if inThread {
				list[i].Room = s.roomThread(it, key[strings.IndexByte(key, 0)+1:])
			}
		}
		list[i].Items = append(list[i].Items, it)
	}
	s.inbox.mu.RLock()
	defer s.inbox.mu.RUnlock()
	for i := range list {
		if list[i].Total = len(list[i].Items); list[i].Room == nil {
			list[i].Total = len(s.inbox.byTo[address(list[i].Address)])
		}
	}
	return list
}

// roomThread describes the thread that a message with this id opened.
func (s *Sandbox) roomThread(it Item, id string) *roomThread {
	t := &roomThread{ID: id, Name: id, Provider: it.Provider, Sign: map[Provider]string{Telegram: "/", Slack: "!", Mattermost: "/vakhta "}[it.Provider]}
	key := roomKey(it.To, id)
	if it.Provider == Mattermost {
		key = id
	}
	if root, ok := s.Item(key); ok {
		t.Name, _, _ = strings.Cut(root.Text, "\n")
		if root.Topic != nil {
			t.Name, t.Closed = root.Topic.Name, root.Topic.Closed
		}
	}
	return t
}

func (s *Sandbox) tabs(here string) (total int, tabs []channelTab) {
	s.inbox.mu.RLock()
	total = len(s.inbox.items)
	counts := s.inbox.byChannel
	tabs = []channelTab{{Name: "all", N: total, Href: "/", Where: here == ""}}
	for _, c := range []string{ChannelEmail, ChannelTelegram, ChannelSlack, ChannelMattermost, ChannelSMS, ChannelWhatsApp, ChannelCall} {
		if counts[c] > 0 || here == c {
			tabs = append(tabs, channelTab{Name: c, N: counts[c], Href: "/?channel=" + url.QueryEscape(c), Where: here == c})
		}
	}
	s.inbox.mu.RUnlock()
	return total, tabs
}

// servePress is a button of the page: the person presses it.
func (s *Sandbox) servePress(w http.ResponseWriter, r *http.Request) {
	if err := s.PressButton(r.FormValue("id"), r.FormValue("data")); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	back := url.URL{Path: "/", RawQuery: r.FormValue("back")}
	http.Redirect(w, r, back.String(), http.StatusSeeOther)
}

// serveWrite is what somebody writes into a thread on the page.
func (s *Sandbox) serveWrite(w http.ResponseWriter, r *http.Request) {
	by := r.FormValue("by")
	err := s.Write(Post{Provider: Provider(r.FormValue("provider")), Room: r.FormValue("room"), Thread: r.FormValue("thread"), By: Member{ID: by, Name: by}, Text: r.FormValue("text")})
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	http.Redirect(w, r, (&url.URL{Path: "/", RawQuery: r.FormValue("back")}).String(), http.StatusSeeOther)
}

// letter is a mail whose links open beside the inbox.
func letter(html string) string { return `<base target="_blank">` + html }

var link = regexp.MustCompile(`https?://[^\s<>"]+[^\s<>".,;:!?)]`)

// linked is a text with its web addresses as links.
func linked(text string) template.HTML {
	var b strings.Builder
	last := 0
	for _, m := range link.FindAllStringIndex(text, -1) {
		u := template.HTMLEscapeString(text[m[0]:m[1]])
		b.WriteString(template.HTMLEscapeString(text[last:m[0]]) + `<a href="` + u + `" target="_blank" rel="noopener">` + u + `</a>`)
		last = m[1]
	}
	b.WriteString(template.HTMLEscapeString(text[last:]))
	return template.HTML(b.String()) //nolint:gosec // every part is escaped above
}

func icon(channel string) string {
	switch channel {
	case ChannelEmail:
		return "✉"
	case ChannelTelegram:
		return "✈"
	case ChannelCall:
		return "☎"
	}
	return "▤"
}

// tone is the colour of a status: good, bad or under way. Telegram has no
// receipts: sent is as good as it gets.
func tone(it Item) string {
	if it.Channel == ChannelTelegram || it.Provider == Slack || it.Provider == Mattermost {
		return "good"
	}
	switch it.Status {
	case "delivered", "completed", "received", "read":
		return "good"
	case "bounce", "dropped", "undelivered", "failed", "busy", "no-answer", "canceled":
		return "bad"
	case "ringing", "in-progress":
		return "live"
	}
	return "way"
}

func buttonRows(buttons []Button) [][]Button {
	var rows [][]Button
	for _, b := range buttons {
		for len(rows) <= b.Row {
			rows = append(rows, nil)
		}
		rows[b.Row] = append(rows[b.Row], b)
	}
	return rows
}
