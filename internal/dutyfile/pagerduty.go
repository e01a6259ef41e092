package dutyfile

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"
)

type pagerDutySchedule struct {
	Name     string           `json:"name"`
	Summary  string           `json:"summary"`
	TimeZone string           `json:"time_zone"`
	Layers   []pagerDutyLayer `json:"schedule_layers"`
}

type pagerDutyLayer struct {
	Name         string     `json:"name"`
	Start        time.Time  `json:"start"`
	End          *time.Time `json:"end"`
	VirtualStart time.Time  `json:"rotation_virtual_start"`
	TurnSeconds  int        `json:"rotation_turn_length_seconds"`
	Users        []struct {
		User struct {
			Name    string `json:"name"`
			Summary string `json:"summary"`
			Email   string `json:"email"`
		} `json:"user"`
	} `json:"users"`
	Restrictions []struct {
		Type            string `json:"type"`
		StartTimeOfDay  string `json:"start_time_of_day"`
		DurationSeconds int    `json:"duration_seconds"`
		StartDayOfWeek  int    `json:"start_day_of_week"` // 1 is Monday
	} `json:"restrictions"`
}

func fromPagerDuty(all ...pagerDutySchedule) (Schedule, error) {
	out := Schedule{Source: "PagerDuty"}
	for _, s := range all {
		zone, err := time.LoadLocation(cmp.Or(s.TimeZone, "UTC"))
		if err != nil {
			return out, fmt.Errorf("schedule %s: time zone %q is unknown", s.Name, s.TimeZone)
		}
		r := Rotation{Name: cmp.Or(s.Name, s.Summary), Zone: zone.String()}
		// The first of theirs stands above the others.
		for _, l := range slices.Backward(s.Layers) {
			layer, err := layerOf(l, zone)
			if err != nil {
				out.lose("%s, layer %s: %v", r.Name, l.Name, err)
				continue
			}
			r.Layers = append(r.Layers, layer)
		}
		if len(r.Layers) == 0 {
			out.lose("%s: no layer of it can be taken over; export it by GET /schedules/ID, which names the layers", r.Name)
			continue
		}
		out.Rotations = append(out.Rotations, r)
	}
	return out, nil
}

func layerOf(l pagerDutyLayer, zone *time.Location) (Layer, error) {
	turn, err := every(time.Duration(l.TurnSeconds) * time.Second)
	if err != nil {
		return Layer{}, err
	}
	if len(l.Users) == 0 {
		return Layer{}, fmt.Errorf("it has nobody")
	}
	begin := l.VirtualStart
	if begin.IsZero() {
		begin = l.Start
	}
	out := Layer{Name: l.Name, Every: turn, From: clock(begin, zone)}
	if l.End != nil && !l.End.IsZero() {
		out.Until = clock(*l.End, zone)
	}
	for _, u := range l.Users {
		out.People = append(out.People, Person{Name: strings.TrimSpace(cmp.Or(u.User.Name, u.User.Summary)), Mail: mail(u.User.Email)})
	}
	for _, r := range l.Restrictions {
		minute, err := minuteOf(r.StartTimeOfDay)
		lasts := r.DurationSeconds / 60
		switch {
		case err != nil:
			return out, err
		case lasts <= 0:
			return out, fmt.Errorf("a restriction of %d seconds", r.DurationSeconds)
		case r.Type == "daily_restriction":
			if lasts < 24*60 {
				out.During = append(out.During, hour(minute)+"-"+hour(minute+lasts))
			}
		case r.Type == "weekly_restriction" && r.StartDayOfWeek >= 1 && r.StartDayOfWeek <= 7:
			if lasts < 7*24*60 {
				out.During = append(out.During, weekly(r.StartDayOfWeek-1, minute, lasts))
			}
		default:
			return out, fmt.Errorf("a restriction of type %q", r.Type)
		}
	}
	return out, nil
}
