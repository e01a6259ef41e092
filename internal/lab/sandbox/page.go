package sandbox

import (
	"bytes"
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

// thread is everything between us and one address, newest first.
type thread struct {
	Address string
	Channel string
	Items   []Item
	Total   int
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
	for _, it := range slices.Backward(items) {
		i, ok := at[address(it.To)]
		if !ok {
			i = len(list)
			at[address(it.To)] = i
			list = append(list, thread{Address: it.To, Channel: it.Channel})
		}
		list[i].Items = append(list[i].Items, it)
	}
	s.inbox.mu.RLock()
	defer s.inbox.mu.RUnlock()
	for i := range list {
		list[i].Total = len(s.inbox.byTo[address(list[i].Address)])
	}
	return list
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
