package inventory

import _ "embed"

//go:embed schema.json
var schema string

// Schema is the JSON Schema of an inventory document, for editors and CI. Load
// checks more: what refers to what.
func Schema() []byte { return []byte(schema) }
