package incident_test

import (
	"testing"

	"vakhta/internal/incident"
)

func TestQuestionsAreFoundByTheirMessages(t *testing.T) {
	for _, c := range []struct {
		subject, step, want string
		ok                  bool
	}{
		{"incident/sw-1-1", incident.QuestionStep(2) + "1.1.0", "sw-1-1/2", true},
		{"incident/sw-1-1", "page/emergency/1.1.0", "", false},
		{"incident/sw-1-1", "hands/x/1", "", false},
		{"report/r1", incident.QuestionStep(1), "", false},
	} {
		id, ok := incident.QuestionOf(c.subject, c.step)
		if ok != c.ok || ok && id != c.want {
			t.Errorf("%s %s: %q, %v; want %q, %v", c.subject, c.step, id, ok, c.want, c.ok)
		}
	}
	if in, n, ok := incident.ParseQuestionID("a/b-1/12"); in != "a/b-1" || n != 12 || !ok {
		t.Errorf("%q %d %v", in, n, ok)
	}
	for _, bad := range []string{"", "/1", "sw-1-1", "sw-1-1/", "sw-1-1/0", "sw-1-1/x"} {
		if _, _, ok := incident.ParseQuestionID(bad); ok {
			t.Errorf("%q is taken for a question", bad)
		}
	}
}
