package dutyfile_test

import (
	"errors"
	"os"
	"reflect"
	"testing"
	"time"

	"vakhta/internal/dutyfile"
)

func read(t *testing.T, name string) dutyfile.Schedule {
	t.Helper()
	text, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := dutyfile.Read(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestPagerDutysScheduleIsTakenOver(t *testing.T) {
	s := read(t, "pagerduty.json")
	want := []dutyfile.Rotation{{Name: "Network Primary", Zone: "Europe/Moscow", Layers: []dutyfile.Layer{
		{Name: "Nights", Every: "day", From: "2026-11-02T21:00", Until: "2027-01-01T00:00", People: []dutyfile.Person{{Name: "Vera Kim", Mail: "vera@example.net"}, {Name: "Oleg"}}, During: []string{"21:00-09:00"}},
		{Name: "Weekend", Every: "week", From: "2026-11-06T18:00", People: []dutyfile.Person{{Name: "Nina Orlova", Mail: "nina@example.net"}}, During: []string{"fri 18:00 - mon 09:00"}},
	}}}
	if !reflect.DeepEqual(s.Rotations, want) {
		t.Errorf("got  %+v\nwant %+v", s.Rotations, want)
	}
	if len(s.Lost) != 1 {
		t.Errorf("lost %q, want the layer whose turns are no whole hours", s.Lost)
	}
}

func TestOpsgeniesRotationsAreTakenOver(t *testing.T) {
	s := read(t, "opsgenie.json")
	ann, bob, cid := dutyfile.Person{Name: "ann@example.net", Mail: "ann@example.net"}, dutyfile.Person{Name: "bob@example.net", Mail: "bob@example.net"}, dutyfile.Person{Name: "cid@example.net", Mail: "cid@example.net"}
	want := []dutyfile.Rotation{
		{Name: "Ops Days", Zone: "Europe/London", Layers: []dutyfile.Layer{{Name: "Days", Every: "2 weeks", From: "2026-11-02T09:00", People: []dutyfile.Person{ann, bob}, During: []string{"mon 09:00-18:00", "fri 18:30 - mon 09:00"}}}},
		{Name: "Ops Nights", Zone: "Europe/London", Layers: []dutyfile.Layer{{Name: "Nights", Every: "day", From: "2026-11-02T18:00", Until: "2027-01-01T00:00", People: []dutyfile.Person{cid}, During: []string{"18:00-09:00"}}}},
	}
	if !reflect.DeepEqual(s.Rotations, want) {
		t.Errorf("got  %+v\nwant %+v", s.Rotations, want)
	}
	if len(s.Lost) != 2 {
		t.Errorf("lost %q, want the turn of nobody, and what is switched off", s.Lost)
	}
}

func TestACalendarsTurnsAreRead(t *testing.T) {
	s := read(t, "turns.ics")
	at := func(text string) time.Time {
		v, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return v.UTC()
	}
	want := []dutyfile.Turn{
		{Person: dutyfile.Person{Name: "Vera Kim", Mail: "vera@example.net"}, From: at("2026-12-31T18:00:00+03:00"), To: at("2027-01-01T09:00:00+03:00")},
		{Person: dutyfile.Person{Name: "Oleg on call"}, From: at("2027-01-01T06:00:00Z"), To: at("2027-01-02T06:00:00Z")},
	}
	if !reflect.DeepEqual(s.Turns, want) {
		t.Errorf("got  %+v\nwant %+v", s.Turns, want)
	}
	if len(s.Lost) != 1 {
		t.Errorf("lost %q, want what repeats", s.Lost)
	}
}

func TestOtherFilesAreNone(t *testing.T) {
	for _, text := range []string{"", "{}", "[]", "hello", `{"data": 7}`, `{"schedules": []}`} {
		if _, err := dutyfile.Read([]byte(text)); !errors.Is(err, dutyfile.ErrUnknown) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzRead(f *testing.F) {
	for _, name := range []string{"pagerduty.json", "opsgenie.json", "turns.ics"} {
		text, err := os.ReadFile("testdata/" + name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := dutyfile.Read(text)
		if err != nil {
			return
		}
		for _, turn := range s.Turns {
			if !turn.To.After(turn.From) {
				t.Errorf("%+v ends before it begins", turn)
			}
		}
		for _, r := range s.Rotations {
			if len(r.Layers) == 0 {
				t.Errorf("%q has no layer", r.Name)
			}
		}
	})
}
