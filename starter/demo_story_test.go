package main

import (
	"os"
	"strings"
	"testing"

	"vakhta/internal/inventory"
	"vakhta/internal/lab/estate"
	"vakhta/internal/message"
	"vakhta/internal/topology"
)

// The story of each scenario waits for the client's answer, and must know it when it comes.
func TestTheDemoKnowsTheAnswerOfEveryScenario(t *testing.T) {
	inv, err := inventory.Load(estate.Generate(estate.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	messages, err := message.New(os.DirFS("../runbooks/messages"))
	if err != nil {
		t.Fatal(err)
	}
	for _, scenario := range estate.Scenarios {
		failed, err := estate.Scenario(scenario)
		if err != nil {
			t.Fatal(err)
		}
		c, ok := inv.Component(failed)
		if !ok {
			t.Fatalf("%s: the lab has no %s", scenario, failed)
		}
		f := topology.Finding{Component: failed, Kind: c.Kind, Confidence: .99, Explains: topology.New(inv).Blast(failed).Servers}
		for _, lang := range []inventory.Language{inventory.Russian, inventory.English} {
			m, err := messages.Render("report.finding", lang, inventory.Telegram, message.Data{Zone: "UTC", Finding: message.Cause(inv, f, lang)})
			if err != nil {
				t.Fatal(err)
			}
			other, err := messages.Render("report.progress", lang, inventory.Telegram, message.Data{Zone: "UTC"})
			if err != nil {
				t.Fatal(err)
			}
			if mark := answerMark(inv, f, lang); mark == "" || !strings.Contains(m.Text, mark) || strings.Contains(other.Text, mark) {
				t.Errorf("%s in %s: %q is not what tells the answer from others: %s", scenario, lang, mark, m.Text)
			}
		}
	}
}
