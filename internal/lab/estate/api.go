package estate

import (
	"cmp"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"vakhta/internal/inventory"
)

// State is the effective state of one component, and why.
type State struct {
	ID      string         `json:"id"`
	Kind    inventory.Kind `json:"kind"`
	Client  string         `json:"client,omitempty"`
	Works   bool           `json:"works"`   // it does what it is for
	Powered bool           `json:"powered"` // it has power
	Booting bool           `json:"booting,omitempty"`
	Cause   []string       `json:"cause,omitempty"` // the faulty components that keep it from working; by id
	Fault   *FaultView     `json:"fault,omitempty"` // its own
}

// FaultView is a fault as the API shows and takes it; durations are strings such as "800ms".
type FaultView struct {
	Mode   Mode      `json:"mode"`
	Period string    `json:"period,omitempty"`
	Delay  string    `json:"delay,omitempty"`
	Since  time.Time `json:"since,omitzero"`
}

// SiteState counts a site's servers.
type SiteState struct {
	Site    string `json:"site"`
	Servers int    `json:"servers"`
	Up      int    `json:"up"`
	Down    int    `json:"down"`
	Faults  int    `json:"faults"` // of all kinds of component, at the site
}

// State returns the effective state of the component.
func (l *Lab) State(id string) (State, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.components[id] == nil {
		return State{}, unknownComponent(id)
	}
	now := time.Now()
	return l.state(l.world(now), id), nil
}

func (l *Lab) state(w *world, id string) State {
	c, at := l.components[id], w.at(id)
	s := State{ID: id, Kind: c.Kind, Client: c.Client, Works: at.works, Powered: at.powered, Cause: at.cause}
	if at.works {
		s.Cause = nil
	}
	if m := l.machines[id]; m != nil && m.bootAt.After(w.now) && at.works {
		s.Works, s.Booting = false, true
	}
	if f, ok := l.faults[id]; ok {
		v := f.view()
		s.Fault = &v
	}
	return s
}

func (f Fault) view() FaultView {
	v := FaultView{Mode: f.Mode, Since: f.Since}
	if f.Period > 0 {
		v.Period = f.Period.String()
	}
	if f.Delay > 0 {
		v.Delay = f.Delay.String()
	}
	return v
}

// Sites counts the servers of each site, by id.
func (l *Lab) Sites() []SiteState {
	l.mu.Lock()
	defer l.mu.Unlock()
	w := l.world(time.Now())
	counts := map[string]*SiteState{}
	for id, c := range l.components {
		site := l.siteOf(id)
		s := counts[site]
		if s == nil {
			s = &SiteState{Site: site}
			counts[site] = s
		}
		if _, faulty := l.faults[id]; faulty {
			s.Faults++
		}
		if c.Kind != inventory.KindServer {
			continue
		}
		s.Servers++
		if l.state(w, id).Works {
			s.Up++
		} else {
			s.Down++
		}
	}
	var sites []SiteState
	for _, s := range counts {
		sites = append(sites, *s)
	}
	slices.SortFunc(sites, func(a, b SiteState) int { return cmp.Compare(a.Site, b.Site) })
	return sites
}

func (l *Lab) siteOf(id string) string {
	for c := l.components[id]; c != nil; c = l.components[c.In] {
		if c.In == "" {
			return c.ID
		}
	}
	return id
}

// Faults returns the faults in force, by component.
func (l *Lab) Faults() map[string]Fault {
	l.mu.Lock()
	defer l.mu.Unlock()
	faults := make(map[string]Fault, len(l.faults))
	for id, f := range l.faults {
		faults[id] = f
	}
	return faults
}

// Handler serves the lab's own API:
//
//	PUT    /faults/{component}      {"mode": "down|off|silent|flapping|slow", "period": "2s", "delay": "800ms"}
//	DELETE /faults/{component}
//	GET    /faults
//	GET    /components/{component}  its effective state and why
//	GET    /state                   servers up and down, per site
func (l *Lab) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /faults/{component}", l.putFault)
	mux.HandleFunc("DELETE /faults/{component}", func(w http.ResponseWriter, r *http.Request) {
		l.answerState(w, r.PathValue("component"), l.ClearFault(r.PathValue("component")))
	})
	mux.HandleFunc("GET /faults", func(w http.ResponseWriter, _ *http.Request) {
		views := map[string]FaultView{}
		for id, f := range l.Faults() {
			views[id] = f.view()
		}
		answer(w, http.StatusOK, views)
	})
	mux.HandleFunc("GET /components/{component}", func(w http.ResponseWriter, r *http.Request) {
		l.answerState(w, r.PathValue("component"), nil)
	})
	mux.HandleFunc("GET /state", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, http.StatusOK, map[string]any{"sites": l.Sites()})
	})
	return mux
}

func (l *Lab) putFault(w http.ResponseWriter, r *http.Request) {
	var v FaultView
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, 4096))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&v); err != nil {
		answer(w, http.StatusBadRequest, map[string]string{"error": `read the fault: ` + err.Error() + `; send {"mode": "down"}`})
		return
	}
	f := Fault{Mode: v.Mode}
	var errs [2]error
	f.Period, errs[0] = duration("period", v.Period)
	f.Delay, errs[1] = duration("delay", v.Delay)
	err := errors.Join(errs[:]...)
	if err == nil {
		err = l.SetFault(r.PathValue("component"), f)
	}
	l.answerState(w, r.PathValue("component"), err)
}

func duration(field, s string) (time.Duration, error) {
	if s == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		return 0, errors.New(field + ` must be a duration such as "800ms" or "2s"`)
	}
	return d, nil
}

// answerState answers a change with the component's state, or says what is wrong.
func (l *Lab) answerState(w http.ResponseWriter, id string, err error) {
	s, missing := l.State(id)
	switch {
	case missing != nil:
		answer(w, http.StatusNotFound, map[string]string{"error": missing.Error()})
	case err != nil:
		answer(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
	default:
		answer(w, http.StatusOK, s)
	}
}

func answer(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the peer is gone: nobody to tell
}
