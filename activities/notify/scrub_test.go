package notify_test

import (
	"strings"
	"testing"

	"vakhta/activities/notify"
)

func TestScrubHidesWhatIsPersonalAndKeepsTheReason(t *testing.T) {
	for in, want := range map[string]string{
		"The 'To' number +79161234567 is not a valid phone number.":             "The 'To' number [hidden] is not a valid phone number.",
		"no such user irina.s@acme.example here":                                "no such user [hidden] here",
		`Post "https://api.telegram.org/bot7654321:AAabcdefghijklmnopqrs": EOF`: `Post "https://api.telegram.org/bot[hidden]": EOF`,
		"Bearer SG.abc-def_123.xyz was refused":                                 "Bearer [hidden] was refused",
		"account ACaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n suspended":                "account [hidden] suspended",
		"code 21211": "code 21211",
	} {
		if got := notify.Scrub(in); got != want {
			t.Errorf("%q\n got %q\nwant %q", in, got, want)
		}
	}
	if got := notify.Scrub("key hunter2 and "+strings.Repeat("x", 500), "hunter2"); strings.Contains(got, "hunter2") || len(got) > 210 {
		t.Errorf("%q", got)
	}
}
