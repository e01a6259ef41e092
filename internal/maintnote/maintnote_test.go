package maintnote_test

import (
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"

	"vakhta/internal/maintnote"
)

var at = time.Date(2026, 12, 1, 2, 0, 0, 0, time.UTC)

func sample() maintnote.Notice {
	return maintnote.Notice{
		UID: "feed-b@vakhta.example", Sequence: 3, Stamp: at.Add(-time.Hour), Start: at, End: at.Add(3 * time.Hour),
		Summary: "Замена ввода Б, зал 2; очень длинное название, которое не помещается в одну строку", Description: "Меняем автомат.\nИ реле.",
		Organizer: "noc@vakhta.example", Provider: "vakhta.example", Account: "acme", Maintenance: "feed-b",
		Objects: []string{"m2-0401", "m2-0402"}, Impact: maintnote.Outage, Status: maintnote.Confirmed,
	}
}

func TestACalendarIsStrict(t *testing.T) {
	text := maintnote.Calendar("Works", sample())
	for _, want := range []string{
		"BEGIN:VCALENDAR\r\n", "UID:feed-b@vakhta.example\r\n", "DTSTART:20261201T020000Z\r\n", "DTEND:20261201T050000Z\r\n", "SEQUENCE:3\r\n",
		"X-MAINTNOTE-PROVIDER:vakhta.example\r\n", "X-MAINTNOTE-ACCOUNT:acme\r\n", "X-MAINTNOTE-MAINTENANCE-ID:feed-b\r\n",
		"X-MAINTNOTE-OBJECT-ID:m2-0401\r\n", "X-MAINTNOTE-OBJECT-ID:m2-0402\r\n", "X-MAINTNOTE-IMPACT:OUTAGE\r\n", "X-MAINTNOTE-STATUS:CONFIRMED\r\n",
		"ORGANIZER:mailto:noc@vakhta.example\r\n", `автомат.\nИ реле`,
	} {
		if !strings.Contains(strings.ReplaceAll(text, "\r\n ", ""), want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "METHOD") {
		t.Error("METHOD is given, which mail programs answer to")
	}
	for _, l := range strings.Split(strings.TrimSuffix(text, "\r\n"), "\r\n") {
		if len(l) > 75 || !utf8.ValidString(l) || strings.ContainsAny(l, "\r\n") {
			t.Errorf("%d octets: %q", len(l), l)
		}
	}
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringOf(rapid.SampledFrom([]rune("aБ ,;:\\\"\n世é0-"))).Filter(func(s string) bool {
			return s == strings.TrimSpace(s) && !strings.Contains(s, "\\n") && !strings.Contains(s, "\\\n")
		})
		n := sample()
		n.Summary, n.Description, n.Account = text.Draw(t, "summary"), text.Draw(t, "description"), text.Draw(t, "account")
		n.Sequence, n.Objects = rapid.IntRange(0, 1000).Draw(t, "sequence"), rapid.SliceOfN(rapid.StringMatching(`[a-z0-9:,;-]{1,90}`), 1, 5).Draw(t, "objects")
		got, err := maintnote.Read([]byte(maintnote.Calendar("x", n, n)))
		if err != nil || len(got) != 2 || !reflect.DeepEqual(got[1], n) {
			t.Fatalf("%v\n got %+v\nwant %+v", err, got, n)
		}
	})
}

// wild is as others send it: a zone, a duration, no status, no sequence.
const wild = "BEGIN:VCALENDAR\nVERSION:2.0\nBEGIN:VTIMEZONE\nTZID:Europe/Berlin\nEND:VTIMEZONE\nBEGIN:VEVENT\nSUMMARY:Fiber work\n  on span 7\nDTSTART;TZID=\"Europe/Berlin\":20261201T020000\nDURATION:PT4H30M\nUID:42\n" +
	"X-MAINTNOTE-PROVIDER:example.com\nX-MAINTNOTE-ACCOUNT:137.035999173\nX-MAINTNOTE-MAINTENANCE-ID:WorkOrder-31415\nX-MAINTNOTE-OBJECT-ID;X-MAINTNOTE-OBJECT-TYPE=circuit:acme-widgets-as-a-service\nX-MAINTNOTE-IMPACT:degraded\nBEGIN:VALARM\nDESCRIPTION:alarm\nEND:VALARM\nEND:VEVENT\n" +
	"BEGIN:VEVENT\nSUMMARY:lunch\nDTSTART:20261201T120000Z\nEND:VEVENT\nEND:VCALENDAR\n"

func TestNoticesAreReadAsOthersSendThem(t *testing.T) {
	mail := "From: noc@example.com\r\nSubject: work\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b1\r\n\r\n--b1\r\nContent-Type: multipart/alternative; boundary=b2\r\n\r\n--b2\r\nContent-Type: text/plain\r\n\r\nhello\r\n--b2--\r\n--b1\r\nContent-Type: text/calendar; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
		base64.StdEncoding.EncodeToString([]byte(wild)) + "\r\n--b1--\r\n"
	forwarded := "From: me@example.net\r\nSubject: fwd\r\nContent-Type: message/rfc822\r\n\r\n" + mail
	for name, text := range map[string]string{"a calendar": wild, "a mail": mail, "a forwarded mail": forwarded, "with a mark before it": "\ufeff" + wild} {
		got, err := maintnote.Read([]byte(text))
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %+v", name, err, got)
		}
		n := got[0]
		if n.Maintenance != "WorkOrder-31415" || n.Impact != maintnote.Degraded || n.Status != "" || n.Sequence != 0 || n.Summary != "Fiber work on span 7" ||
			!n.Start.Equal(at.Add(-time.Hour)) || n.End.Sub(n.Start) != 270*time.Minute || !reflect.DeepEqual(n.Objects, []string{"acme-widgets-as-a-service"}) {
			t.Errorf("%s: %+v", name, n)
		}
	}
}

func TestWhatCanNotBeReadSaysWhy(t *testing.T) {
	for says, text := range map[string]string{
		"neither a calendar":   "hello",
		"no MAINTNOTE event":   "BEGIN:VCALENDAR\r\nEND:VCALENDAR\r\n",
		"cut off":              wild[:300],
		"nobody knows":         strings.ReplaceAll(wild, "Europe/Berlin", "Mars/Olympus"),
		"none of [NO-IMPACT":   strings.Replace(wild, "degraded", "some", 1),
		"not after":            strings.Replace(wild, "DURATION:PT4H30M\n", "", 1),
		"DURATION is \"soon\"": strings.Replace(wild, "PT4H30M", "soon", 1),
	} {
		if got, err := maintnote.Read([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, %+v; want it to say %q", err, got, says)
		}
	}
	if _, err := maintnote.Read([]byte("From: a@b.example\r\n\r\nno calendar")); !errors.Is(err, maintnote.ErrNone) {
		t.Errorf("a mail without one: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(wild))
	f.Add([]byte(maintnote.Calendar("x", sample())))
	f.Fuzz(func(t *testing.T, text []byte) {
		notices, err := maintnote.Read(text)
		for i := range notices {
			if n := notices[i]; err == nil && (n.Maintenance == "" || !n.End.After(n.Start)) {
				t.Errorf("%+v was taken", n)
			}
		}
	})
}
