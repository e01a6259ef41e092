package sandbox

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

var errNoInbound = errors.New("write to the sandbox: no URL for inbound messages; set Config.TwilioInboundURL")

// list answers a Twilio list: filtered by To, From, Status and a date, newest
// first, paged. A page token is the last item's Seq, so that a page doesn't
// shift when new items arrive between two pages.
func (s *Sandbox) list(w http.ResponseWriter, r *http.Request, name, date string, kind func(*Item) bool, resource func(Item) any) {
	q := r.URL.Query()
	size := 50
	if v := q.Get("PageSize"); v != "" {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 {
			twilioError(w, http.StatusBadRequest, 20001, "Invalid PageSize")
			return
		}
		size = min(n, 1000)
	}
	match, err := dateFilter(q, date)
	if err != nil {
		twilioError(w, http.StatusBadRequest, 20001, err.Error())
		return
	}
	before, _ := strconv.ParseInt(q.Get("PageToken"), 10, 64)
	page, _ := strconv.Atoi(q.Get("Page"))
	found := s.newest(q.Get("To"), size+1, func(it *Item) bool {
		return kind(it) && match(it) && (before == 0 || it.Seq < before) &&
			(q.Get("From") == "" || it.From == q.Get("From")) && (q.Get("Status") == "" || it.Status == q.Get("Status"))
	})
	var next any
	if len(found) > size {
		found = found[:size]
		q.Set("PageSize", strconv.Itoa(size))
		q.Set("Page", strconv.Itoa(page+1))
		q.Set("PageToken", strconv.FormatInt(found[size-1].Seq, 10))
		next = r.URL.Path + "?" + q.Encode()
	}
	resources := make([]any, len(found))
	for i, it := range found {
		resources[i] = resource(it)
	}
	writeJSON(w, http.StatusOK, map[string]any{
		name: resources, "page": page, "page_size": size, "start": page * size, "end": page*size + max(0, len(found)-1),
		"uri": r.URL.RequestURI(), "first_page_uri": r.URL.Path + "?PageSize=" + strconv.Itoa(size) + "&Page=0",
		"next_page_uri": next, "previous_page_uri": nil,
	})
}

// newest are at most n matching items, newest first; a recipient makes it a
// look-up in his own items.
func (s *Sandbox) newest(to string, n int, match func(*Item) bool) []Item {
	s.inbox.mu.RLock()
	defer s.inbox.mu.RUnlock()
	from := s.inbox.items
	if to != "" {
		from = s.inbox.byTo[address(to)]
	}
	var found []Item
	for i := len(from) - 1; i >= 0 && len(found) < n; i-- {
		if it := from[i]; match(it) && (to == "" || it.To == to) {
			found = append(found, it.clone())
		}
	}
	return found
}

// dateFilter reads <name>, <name>< (until) and <name>> (since): a day, or an instant.
func dateFilter(q url.Values, name string) (func(*Item) bool, error) {
	from, to := time.Time{}, time.Time{}
	for _, op := range []string{"", ">", "<"} {
		v := q.Get(name + op)
		if v == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, v)
		width := time.Second
		if err != nil {
			if at, err = time.Parse(time.DateOnly, v); err != nil {
				return nil, errors.New("Invalid " + name)
			}
			width = 24 * time.Hour
		} else if op == "" {
			at, width = at.UTC().Truncate(24*time.Hour), 24*time.Hour
		}
		if op != "<" {
			from = at
		}
		if op != ">" {
			to = at.Add(width)
		}
	}
	return func(it *Item) bool {
		return !it.At.Before(from) && (to.IsZero() || it.At.Before(to))
	}, nil
}
