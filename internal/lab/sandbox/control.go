package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"time"
)

func (s *Sandbox) controlRoutes() {
	for pattern, h := range map[string]http.HandlerFunc{
		"GET /{$}":                         s.servePage,
		"POST /_sandbox/page/press":        s.servePress,
		"POST /_sandbox/page/write":        s.serveWrite,
		"GET /_sandbox/inbox":              s.controlInbox,
		"DELETE /_sandbox/inbox":           func(w http.ResponseWriter, _ *http.Request) { s.ClearInbox(); done(w) },
		"GET /_sandbox/counts":             s.controlCounts,
		"GET /_sandbox/events":             s.controlEvents,
		"GET /_sandbox/personas":           func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Personas()) },
		"PUT /_sandbox/personas":           s.controlPersonas,
		"DELETE /_sandbox/personas":        func(w http.ResponseWriter, _ *http.Request) { s.ResetPersonas(); done(w) },
		"GET /_sandbox/faults":             func(w http.ResponseWriter, _ *http.Request) { writeJSON(w, http.StatusOK, s.Faults()) },
		"PUT /_sandbox/faults":             s.controlFaults,
		"DELETE /_sandbox/faults":          func(w http.ResponseWriter, _ *http.Request) { s.ClearFaults(); done(w) },
		"DELETE /_sandbox/faults/{id}":     s.controlRemoveFault,
		"POST /_sandbox/telegram/messages": s.controlTelegram,
		"POST /_sandbox/telegram/buttons":  s.controlButton,
		"POST /_sandbox/rooms/messages":    s.controlRoom,
		"POST /_sandbox/slack/respond":     s.slackRespond,
		"POST /_sandbox/sms/inbound":       s.controlSMS,
		"GET /_sandbox/sendgrid/verification-key": func(w http.ResponseWriter, _ *http.Request) {
			writeJSON(w, http.StatusOK, map[string]string{"public_key": s.pubKey})
		},
	} {
		s.mux.HandleFunc(pattern, h)
	}
}

func done(w http.ResponseWriter) { w.WriteHeader(http.StatusNoContent) }

func wrong(w http.ResponseWriter, err error) {
	writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
}

func decode(w http.ResponseWriter, r *http.Request, into any) bool {
	d := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxForm))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		wrong(w, fmt.Errorf("read the request's JSON: %w", err))
		return false
	}
	return true
}

// queryOf reads to, channel, since (RFC 3339), after (a seq) and limit.
func queryOf(v url.Values) (Query, error) {
	q := Query{To: v.Get("to"), Channel: v.Get("channel")}
	var err error
	if t := v.Get("since"); t != "" {
		if q.Since, err = time.Parse(time.RFC3339Nano, t); err != nil {
			return q, fmt.Errorf("since is not an RFC 3339 time: %w", err)
		}
	}
	if q.After, err = number(v, "after"); err != nil {
		return q, err
	}
	limit, err := number(v, "limit")
	q.Limit = int(limit)
	return q, err
}

func number(v url.Values, name string) (int64, error) {
	if v.Get(name) == "" {
		return 0, nil
	}
	n, err := strconv.ParseInt(v.Get(name), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s is not a number: %w", name, err)
	}
	return n, nil
}

func (s *Sandbox) controlInbox(w http.ResponseWriter, r *http.Request) {
	q, err := queryOf(r.URL.Query())
	if err != nil {
		wrong(w, err)
		return
	}
	items := s.Inbox(q)
	if items == nil {
		items = []Item{}
	}
	writeJSON(w, http.StatusOK, items)
}

// controlCounts groups by text, by the custom argument ?arg=, or by what ?key=,
// a regular expression, finds in the text (its first group, if it has one);
// ?min=2 lists only what came twice.
func (s *Sandbox) controlCounts(w http.ResponseWriter, r *http.Request) {
	v := r.URL.Query()
	least, err := number(v, "min")
	if err != nil {
		wrong(w, err)
		return
	}
	key := Item.Content
	if arg := v.Get("arg"); arg != "" {
		key = func(it Item) string { return it.Args[arg] }
	}
	if expr := v.Get("key"); expr != "" {
		re, err := regexp.Compile(expr)
		if err != nil {
			wrong(w, fmt.Errorf("key is not a regular expression: %w", err))
			return
		}
		key = func(it Item) string {
			m := re.FindStringSubmatch(it.Content())
			if m == nil {
				return ""
			}
			return m[len(m)-1]
		}
	}
	list := []Count{}
	for _, c := range s.Counts(key) {
		if int64(c.N) >= least {
			list = append(list, c)
		}
	}
	writeJSON(w, http.StatusOK, list)
}

// controlEvents answers with the changes after ?after=, waiting up to ?wait=
// (a duration) for the first; with Accept: text/event-stream it never ends.
func (s *Sandbox) controlEvents(w http.ResponseWriter, r *http.Request) {
	after, err := number(r.URL.Query(), "after")
	if err != nil {
		wrong(w, err)
		return
	}
	if r.Header.Get("Accept") == "text/event-stream" {
		s.streamEvents(w, r, after)
		return
	}
	wait, _ := time.ParseDuration(r.URL.Query().Get("wait"))
	deadline := time.NewTimer(wait)
	defer deadline.Stop()
	for {
		events, more := s.Events(after, 1000)
		if len(events) > 0 || wait <= 0 {
			writeJSON(w, http.StatusOK, events)
			return
		}
		select {
		case <-more:
		case <-deadline.C:
			wait = 0
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
}

func (s *Sandbox) streamEvents(w http.ResponseWriter, r *http.Request, after int64) {
	if last, err := strconv.ParseInt(r.Header.Get("Last-Event-ID"), 10, 64); err == nil {
		after = last
	}
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	flush := http.NewResponseController(w)
	_ = flush.Flush()
	for {
		events, more := s.Events(after, 1000)
		for _, e := range events {
			data, err := json.Marshal(e)
			if err != nil {
				return
			}
			if _, err := fmt.Fprintf(w, "id: %d\nevent: %s\ndata: %s\n\n", e.N, e.Kind, data); err != nil {
				return
			}
			after = e.N
		}
		if flush.Flush() != nil {
			return
		}
		if len(events) > 0 {
			continue
		}
		select {
		case <-more:
		case <-r.Context().Done():
			return
		case <-s.ctx.Done():
			return
		}
	}
}

// controlPersonas takes an object of personas by address; "*" is everybody else.
func (s *Sandbox) controlPersonas(w http.ResponseWriter, r *http.Request) {
	var all map[string]Persona
	if !decode(w, r, &all) {
		return
	}
	for addr, p := range all {
		if addr == "*" {
			s.SetDefaults(p)
		} else {
			s.SetPersona(addr, p)
		}
	}
	done(w)
}

func (s *Sandbox) controlFaults(w http.ResponseWriter, r *http.Request) {
	var f Fault
	if !decode(w, r, &f) {
		return
	}
	id, err := s.AddFault(f)
	if err != nil {
		wrong(w, err)
		return
	}
	writeJSON(w, http.StatusCreated, map[string]string{"id": id})
}

func (s *Sandbox) controlRemoveFault(w http.ResponseWriter, r *http.Request) {
	if !s.RemoveFault(r.PathValue("id")) {
		http.NotFound(w, r)
		return
	}
	done(w)
}

func (s *Sandbox) controlTelegram(w http.ResponseWriter, r *http.Request) {
	var m struct {
		Chat json.Number `json:"chat"`
		Text string      `json:"text"`
	}
	if decode(w, r, &m) {
		answer(w, s.WriteTelegram(m.Chat.String(), m.Text))
	}
}

func (s *Sandbox) controlButton(w http.ResponseWriter, r *http.Request) {
	var m struct {
		ID   string `json:"id"`
		Data string `json:"data"`
	}
	if decode(w, r, &m) {
		answer(w, s.PressButton(m.ID, m.Data))
	}
}

func (s *Sandbox) controlSMS(w http.ResponseWriter, r *http.Request) {
	var m struct {
		From string `json:"from"`
		To   string `json:"to"`
		Body string `json:"body"`
	}
	if decode(w, r, &m) {
		answer(w, s.WriteSMS(m.From, m.To, m.Body))
	}
}

func answer(w http.ResponseWriter, err error) {
	if err != nil {
		wrong(w, err)
		return
	}
	w.WriteHeader(http.StatusAccepted)
}
