package inventory

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"vakhta/internal/oncall"
)

var (
	rotationFields = []string{"id", "name", "timezone", "layers"}
	layerFields    = []string{"every", "from", "until", "timezone", "people", "during", "holidays"}
	policyFields   = []string{"id", "severity", "hours", "levels", "repeat"}
	rungFields     = []string{"channel", "wait"}

	modeNames     = []string{"all", "in-turn", "round-robin"}
	roleNames     = []string{"viewer", "responder", "manager"}
	severityNames = []string{"sev1", "sev2", "sev3"}
)

func (d *decoder) place(n *yaml.Node) Place {
	return Place{File: d.file, Line: n.Line, Column: n.Column}
}

// rungs reads a ladder with waits.
func (d *decoder) rungs(n *yaml.Node) []Rung {
	var out []Rung
	d.items(n, func(item *yaml.Node) {
		var r Rung
		d.fields(item, rungFields, func(key string, value *yaml.Node) {
			switch key {
			case "channel":
				r.Channel = Channel(d.oneOf(value, channelNames))
			case "wait":
				r.WaitSeconds = d.seconds(value, time.Second, 24*time.Hour)
			}
		})
		d.requiredIn(item, "channel", "wait")
		out = append(out, r)
	})
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		d.wrong(n, "is empty; add a rung such as {channel: call, wait: 2m}, or remove it")
	}
	return out
}

func (r *raw) policy(d *decoder, n *yaml.Node) Policy {
	var p Policy
	d.fields(n, policyFields, func(key string, value *yaml.Node) {
		switch key {
		case "id":
			p.ID = d.id(value)
		case "severity":
			d.items(value, func(item *yaml.Node) { p.Severities = append(p.Severities, d.oneOf(item, severityNames)) })
		case "hours":
			p.Hours = d.oneOf(value, []string{"business", "off"})
		case "levels":
			d.items(value, func(item *yaml.Node) { p.Levels = append(p.Levels, d.level(item)) })
		case "repeat":
			p.Repeat = d.number(value, 0, 100)
		}
	})
	d.requiredIn(n, "id", "levels")
	if l := child(n, "levels"); l.Kind == yaml.SequenceNode && len(l.Content) == 0 {
		d.wrong(l, "is empty, so nobody would be paged; add a level")
	}
	return p
}

// duty reads what a team says of its time; zone is the team's.
func (r *raw) duty(d *decoder, t *Team, zone *time.Location, rotations, hours, holidays *yaml.Node) {
	t.Duty = Duty{Zone: zone, At: map[string]Place{}}
	if hours != nil {
		t.Duty.Business = d.windows(hours)
	}
	t.Duty.Holidays.Zone = zone
	if holidays != nil {
		t.Duty.Holidays.Days = d.holidays(holidays)
	}
	if rotations == nil {
		return
	}
	d.items(rotations, func(item *yaml.Node) {
		rot := r.rotation(d, item, t, zone)
		if rot.ID == "" {
			return
		}
		if _, again := t.Duty.At[rot.ID]; again {
			d.wrong(child(item, "id"), "%s is already a rotation of the team; rename one", rot.ID)
			return
		}
		t.Duty.At[rot.ID] = d.place(item)
		t.Duty.Rotations = append(t.Duty.Rotations, rot)
	})
}

func (r *raw) rotation(d *decoder, n *yaml.Node, t *Team, zone *time.Location) oncall.Rotation {
	var out oncall.Rotation
	if z := child(n, "timezone"); z != n {
		zone = r.location(d, z, zone)
	}
	d.fields(n, rotationFields, func(key string, value *yaml.Node) {
		switch key {
		case "id":
			out.ID = d.id(value)
		case "name":
			out.Name = d.text(value)
		case "layers":
			d.items(value, func(item *yaml.Node) { out.Layers = append(out.Layers, r.layer(d, item, t, zone)) })
			if value.Kind == yaml.SequenceNode && len(value.Content) == 0 {
				d.wrong(value, "is empty, so nobody would ever be on call; add a layer")
			}
		}
	})
	d.requiredIn(n, "id", "layers")
	return out
}

func (r *raw) layer(d *decoder, n *yaml.Node, t *Team, zone *time.Location) oncall.Layer {
	l := oncall.Layer{Zone: zone, Unit: oncall.Week, Length: 1}
	d.fields(n, layerFields, func(key string, value *yaml.Node) {
		switch key {
		case "every":
			l.Unit, l.Length = d.turn(value)
		case "from":
			l.Start = d.wall(value)
		case "until":
			l.End = d.wall(value)
		case "timezone":
			l.Zone = r.location(d, value, zone)
		case "people":
			l.People = d.people(value, t)
		case "during":
			l.During = d.windows(value)
		case "holidays":
			l.Feasts = oncall.Feast(d.oneOf(value, []string{"skip", "only"}))
		}
	})
	d.requiredIn(n, "every", "from", "people")
	if l.End != (oncall.Wall{}) && !l.Start.Before(l.End) {
		d.wrong(child(n, "until"), "is not after from; the layer would never begin")
	}
	return l
}

// people reads members who take turns; one may have several turns in a round.
func (d *decoder) people(n *yaml.Node, t *Team) []string {
	var out []string
	d.items(n, func(item *yaml.Node) {
		id := d.id(item)
		if id == "" {
			return
		}
		d.member(item, t, id)
		out = append(out, id)
	})
	if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
		d.wrong(n, "is empty, so nobody would ever be on call; name a member")
	}
	return out
}

// location reads a time zone; the given one if it is none.
func (r *raw) location(d *decoder, n *yaml.Node, or *time.Location) *time.Location {
	name := r.zones.read(d, n)
	if zone, err := time.LoadLocation(name); name != "" && err == nil {
		return zone
	}
	return or
}

var turnForm = regexp.MustCompile(`^(?:([1-9][0-9]{0,2}) )?(hour|day|week)s?$`)

// turn reads how long a turn lasts: week, 2 weeks, day, 8 hours.
func (d *decoder) turn(n *yaml.Node) (oncall.Unit, int) {
	m := turnForm.FindStringSubmatch(d.text(n))
	if m == nil {
		d.wrong(n, "is no length of a turn; write day, week, 2 weeks, 8 hours")
		return oncall.Week, 1
	}
	length, _ := strconv.Atoi(m[1]) // digits only
	return oncall.Unit(m[2]), max(length, 1)
}

// wall reads a date with an hour, by the clock of a zone that is given elsewhere.
func (d *decoder) wall(n *yaml.Node) oncall.Wall {
	s := strings.Replace(d.text(n), " ", "T", 1)
	if len(s) == len(time.DateOnly) {
		s += "T00:00"
	}
	t, err := time.Parse("2006-01-02T15:04", s)
	if err != nil {
		d.wrong(n, "is no date with an hour; write 2026-11-02T09:00, by the clock of the time zone")
		return oncall.Wall{Year: 2000, Month: 1, Day: 1}
	}
	return oncall.WallOf(t, time.UTC)
}

func (d *decoder) windows(n *yaml.Node) []oncall.Window {
	var out []oncall.Window
	d.items(n, func(item *yaml.Node) {
		s := d.text(item)
		if s == "" {
			return
		}
		w, err := oncall.ParseWindow(s)
		if err != nil {
			d.wrong(item, "%s", err)
			return
		}
		out = append(out, w)
	})
	return out
}

// holidays reads days and stretches of days: 2027-01-01, 2027-01-01..2027-01-08.
func (d *decoder) holidays(n *yaml.Node) []oncall.Wall {
	var out []oncall.Wall
	d.items(n, func(item *yaml.Node) {
		first, last, isRange := strings.Cut(d.text(item), "..")
		if !isRange {
			last = first
		}
		a, err1 := time.Parse(time.DateOnly, first)
		b, err2 := time.Parse(time.DateOnly, last)
		if err1 != nil || err2 != nil || b.Before(a) || b.Sub(a) > 366*24*time.Hour {
			d.wrong(item, "is no day; write 2027-01-01, or 2027-01-01..2027-01-08 for several")
			return
		}
		for ; !a.After(b); a = a.AddDate(0, 0, 1) {
			out = append(out, oncall.WallOf(a, time.UTC))
		}
	})
	slices.SortFunc(out, oncall.Wall.Compare)
	return slices.Compact(out)
}

// member checks that the id is one of the team's.
func (d *decoder) member(n *yaml.Node, t *Team, id string) {
	if _, ok := t.Member(id); ok {
		return
	}
	ids := make([]string, 0, len(t.Members))
	for _, m := range t.Members {
		ids = append(ids, m.ID)
	}
	d.wrong(n, "%s is not a member of the team; %s", id, didYouMean(id, ids, "add it to the team's members"))
}
