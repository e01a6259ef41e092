package main

import (
	"vakhta/internal/inventory"
	"vakhta/internal/topology"
	"vakhta/workflows"
)

// toldFinding is a finding for machines, with the sentence for people.
type toldFinding struct {
	topology.Finding
	Sentence map[inventory.Language]string `json:"sentence,omitempty"`
}

// toldResult is what a sweep came to, with its findings' sentences.
type toldResult struct {
	Findings []toldFinding `json:"findings"`
	workflows.LocalizeResult
}

// toldInference is the same of a replay.
type toldInference struct {
	Findings []toldFinding `json:"findings"`
	topology.Inference
	NothingKnown bool `json:"nothingKnown,omitempty"` // that there is no finding doesn't mean that all is well
}

// tell adds the sentences; without an inventory there are none.
func tell(inv *inventory.Inventory, fs []topology.Finding) []toldFinding {
	out := make([]toldFinding, len(fs))
	for i := range fs {
		out[i].Finding = fs[i]
		if inv == nil {
			continue
		}
		out[i].Sentence = map[inventory.Language]string{}
		for _, lang := range []inventory.Language{inventory.Russian, inventory.English} {
			out[i].Sentence[lang] = topology.Sentence(inv, fs[i], lang)
		}
	}
	return out
}
