// Package oncall says who is on call: rotations in layers, by the clock on the
// wall of a team's zone, with restrictions, holidays and overrides. It is pure:
// people are ids, nothing is read but what is given, and the same question has
// the same answer for ever.
//
// A [Rotation] is a stack of layers; a later layer stands above an earlier one,
// and an [Override] above them all. Within a layer people take turns of so many
// hours, days or weeks. A turn begins at the first instant at which the clock on
// the wall shows its hour or later: where the clock is put forward over it, the
// turn begins with the jump; where the hour comes twice, at its first coming.
//
//	r := oncall.Rotation{ID: "primary", Layers: []oncall.Layer{{
//		Zone: moscow, Unit: oncall.Week, Length: 1, Start: oncall.Wall{Year: 2026, Month: 11, Day: 2, Minute: 9 * 60},
//		People: []string{"vera", "oleg"},
//	}}}
//	who := r.At(now, nil, oncall.Holidays{})
package oncall
