package message

import (
	"testing"

	"vakhta/internal/inventory"
	"vakhta/runbooks/messages"
)

// BenchmarkMail renders what a broadcast renders for each client.
func BenchmarkMail(b *testing.B) {
	r, err := New(messages.FS())
	if err != nil {
		b.Fatal(err)
	}
	data := Specimen()
	data.Servers = data.Servers[:1]
	data.Total, data.Checked, data.Down, data.Restored = 1, 1, 1, 0
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Render("incident.update", inventory.Russian, inventory.Email, data); err != nil {
			b.Fatal(err)
		}
	}
}
