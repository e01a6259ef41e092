package workflows

import (
	"testing"

	"vakhta/runbooks"
)

func TestWrongInputFailsAtOnceAndNamesTheField(t *testing.T) {
	for name, c := range map[string]struct {
		workflow any
		input    any
		naming   string
	}{
		"Incident, empty":                {Incident, IncidentInput{}, "incident"},
		"Incident, both":                 {Incident, IncidentInput{Incident: "i1", Component: "pdu-a"}, "component"},
		"Incident, severity":             {Incident, IncidentInput{Incident: "i1", Severity: "sev9"}, "severity"},
		"Incident, unknown":              {Incident, IncidentInput{Incident: "none"}, "incident"},
		"Localize, empty":                {Localize, LocalizeInput{}, "client"},
		"Localize, two scopes":           {Localize, LocalizeInput{Client: "acme", All: true}, "scope"},
		"Localize, time-out":             {Localize, LocalizeInput{All: true, TimeoutMillis: -1}, "timeoutMs"},
		"Localize, unknown client":       {Localize, LocalizeInput{Client: "nobody"}, "client"},
		"Escalate, empty":                {Escalate, EscalateInput{}, "incident"},
		"Escalate, no team":              {Escalate, EscalateInput{Incident: "i1"}, "team"},
		"Escalate, unknown team":         {Escalate, EscalateInput{Incident: "i1", Team: "cooks"}, "team"},
		"InformClients, empty":           {InformClients, InformInput{}, "incident"},
		"InformClients, too often":       {InformClients, InformInput{Incident: "i1", Every: 1}, "every"},
		"Broadcast, empty":               {Broadcast, BroadcastInput{}, "incident"},
		"Broadcast, no event":            {Broadcast, BroadcastInput{Incident: "i1"}, "event"},
		"Broadcast, ack without wait":    {Broadcast, BroadcastInput{Incident: "i1", Event: "incident.update", RequireAck: true}, "rungWait"},
		"ClientReport, empty":            {ClientReport, ClientReportInput{}, "client"},
		"ClientReport, both":             {ClientReport, ClientReportInput{Report: "r1", Client: "acme"}, "report"},
		"Postmortem, empty":              {Postmortem, PostmortemInput{}, "incident"},
		"Triage, empty":                  {Triage, TriageInput{}, "region"},
		"Escalate, rung without a wait":  {Escalate, EscalateInput{Incident: "i1", Team: "emergency", Ladder: []runbooks.Rung{{Channel: "call"}}}, "ladder[0].wait"},
		"Incident, blank":                {Incident, IncidentInput{Incident: " "}, "incident"},
		"Postmortem, blank":              {Postmortem, PostmortemInput{Incident: " "}, "incident"},
		"Broadcast, event is only space": {Broadcast, BroadcastInput{Incident: "i1", Event: " "}, "event"},
		"RemoteHands, empty":             {RemoteHands, HandsInput{}, "incident"},
		"RemoteHands, no probe":          {RemoteHands, HandsInput{Incident: "i1", Component: "pdu-a"}, "probe"},
		"RemoteHands, another id":        {RemoteHands, HandsInput{Incident: "i1", Component: "pdu-a", Probe: "power"}, "hands/i1/1"},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			w.play("by-hand", c.workflow, c.input)
			mustBeInvalid(t, w.GetWorkflowError(), c.naming)
			if w.elapsed() > 0 {
				t.Errorf("it took %s to refuse", w.elapsed())
			}
			if len(w.sent)+len(w.lines) > 0 {
				t.Errorf("it sent %v and wrote %v", w.sent, w.kinds())
			}
		})
	}
}
