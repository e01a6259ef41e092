package runbooks_test

import (
	"fmt"
	"testing/fstest"

	"vakhta/runbooks"
)

// A folder of runbooks, one of which serves an incident.
func Example() {
	folder := fstest.MapFS{"pdu-down.yaml": {Data: []byte(`
runbook: pdu-down
title: A PDU has failed
on: finding.kind == "pdu"
inputs: {updateEvery: 15m}
steps:
  - id: page
    escalate: {team: emergency}
  - id: inform
    inform: {every: "${inputs.updateEvery}"}
  - id: back
    verify: {every: 10s}
  - id: close
    needs: [back]
    resolve: {}
`)}}
	library, err := runbooks.Load(folder, map[string]any{"updateEvery": "5m"})
	if err != nil {
		fmt.Println(err)
		return
	}
	rb, err := library.For(runbooks.Facts{Finding: map[string]any{"kind": "pdu"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, s := range rb.Steps {
		fmt.Println(s.ID, s.Kind(), s.Needs)
	}
	fmt.Println("clients hear every", rb.Steps[1].Inform.Every.Std())
	// Output:
	// page escalate []
	// inform inform []
	// back verify []
	// close resolve [back]
	// clients hear every 5m0s
}

// A linter points at the place.
func ExampleLint() {
	doc := `runbook: pdu-down
title: A PDU has failed
on: finding.knd == "pdu"
steps:
  - id: close
    needs: [back]
    resolve: {}
`
	for _, p := range runbooks.Lint("pdu-down.yaml", []byte(doc), runbooks.Surroundings{}) {
		fmt.Println(p)
	}
	// Output:
	// pdu-down.yaml:3:13: on: finding has no "knd"; there are component, confidence, kind, powerOff
	// pdu-down.yaml:6:13: needs: there is no step "back"
}
