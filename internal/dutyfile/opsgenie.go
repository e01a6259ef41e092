package dutyfile

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"
)

type opsgenieSchedule struct {
	Name      string             `json:"name"`
	TimeZone  string             `json:"timezone"`
	Enabled   *bool              `json:"enabled"`
	Rotations []opsgenieRotation `json:"rotations"`
}

type opsgenieRotation struct {
	Name         string     `json:"name"`
	StartDate    time.Time  `json:"startDate"`
	EndDate      *time.Time `json:"endDate"`
	Type         string     `json:"type"` // hourly, daily, weekly
	Length       int        `json:"length"`
	Participants []struct {
		Type     string `json:"type"` // user, team, escalation, none
		Username string `json:"username"`
		Name     string `json:"name"`
	} `json:"participants"`
	TimeRestriction *struct {
		Type         string           `json:"type"` // time-of-day, weekday-and-time-of-day
		Restriction  *opsgenieWindow  `json:"restriction"`
		Restrictions []opsgenieWindow `json:"restrictions"`
	} `json:"timeRestriction"`
}

type opsgenieWindow struct {
	StartDay  string `json:"startDay"`
	EndDay    string `json:"endDay"`
	StartHour int    `json:"startHour"`
	StartMin  int    `json:"startMin"`
	EndHour   int    `json:"endHour"`
	EndMin    int    `json:"endMin"`
}

func fromOpsgenie(data json.RawMessage) (Schedule, error) {
	out := Schedule{Source: "Opsgenie"}
	var all []opsgenieSchedule
	if json.Unmarshal(data, &all) != nil {
		var one opsgenieSchedule
		if json.Unmarshal(data, &one) != nil {
			return out, ErrUnknown
		}
		all = []opsgenieSchedule{one}
	}
	for _, s := range all {
		if s.Enabled != nil && !*s.Enabled {
			out.lose("%s: it is switched off", s.Name)
			continue
		}
		zone, err := time.LoadLocation(cmp.Or(s.TimeZone, "UTC"))
		if err != nil {
			return out, fmt.Errorf("schedule %s: time zone %q is unknown", s.Name, s.TimeZone)
		}
		if len(s.Rotations) == 0 {
			out.lose("%s: no rotations in it; export it with ?expand=rotation", s.Name)
		}
		for _, r := range s.Rotations { // all of them are on call at once
			name := strings.TrimSpace(s.Name + " " + r.Name)
			layer, err := opsgenieLayer(r, zone)
			if err != nil {
				out.lose("%s: %v", name, err)
				continue
			}
			out.Rotations = append(out.Rotations, Rotation{Name: name, Zone: zone.String(), Layers: []Layer{layer}})
		}
	}
	return out, nil
}

func opsgenieLayer(r opsgenieRotation, zone *time.Location) (Layer, error) {
	unit := map[string]time.Duration{"hourly": time.Hour, "daily": 24 * time.Hour, "weekly": 7 * 24 * time.Hour}[r.Type]
	turn, err := every(unit * time.Duration(max(r.Length, 1)))
	if err != nil {
		return Layer{}, err
	}
	out := Layer{Name: r.Name, Every: turn, From: clock(r.StartDate, zone)}
	if r.EndDate != nil && !r.EndDate.IsZero() {
		out.Until = clock(*r.EndDate, zone)
	}
	for _, p := range r.Participants {
		if p.Type != "user" {
			return out, fmt.Errorf("a turn of a %s, which is no person", cmp.Or(p.Type, "nameless participant"))
		}
		out.People = append(out.People, Person{Name: cmp.Or(p.Name, p.Username), Mail: mail(p.Username)})
	}
	if len(out.People) == 0 {
		return out, fmt.Errorf("it has nobody")
	}
	if t := r.TimeRestriction; t != nil {
		windows := t.Restrictions
		if t.Restriction != nil {
			windows = append(windows, *t.Restriction)
		}
		for _, w := range windows {
			text, err := w.window()
			if err != nil {
				return out, err
			}
			out.During = append(out.During, text)
		}
	}
	return out, nil
}

func (w opsgenieWindow) window() (string, error) {
	start, end := w.StartHour*60+w.StartMin, w.EndHour*60+w.EndMin
	if w.StartDay == "" {
		return hour(start) + "-" + hour(end), nil
	}
	from, to := weekday(w.StartDay), weekday(w.EndDay)
	if from < 0 || to < 0 {
		return "", fmt.Errorf("%q to %q: no weekdays", w.StartDay, w.EndDay)
	}
	lasts := (to-from)*24*60 + end - start
	if lasts <= 0 {
		lasts += 7 * 24 * 60
	}
	return weekly(from, start, lasts), nil
}

func weekday(name string) int {
	return slices.Index(weekdays, strings.ToLower(name)[:min(3, len(name))])
}
