package topology

import "testing"

// The more racks are cut off while their BMCs answer, the rather has one whose BMCs don't lost its power.
func TestInBandRateLearnsFromTheRacksThatAreCutOff(t *testing.T) {
	for _, c := range []struct{ dark, clear, least, most float64 }{
		{0, 0, .04, .08},
		{1, 19, .02, .1},
		{1, 219, 0, .002},
		{12, 113, .07, .13},
		{15, 10, .4, .7},
	} {
		if got := inBandRate(c.dark, c.clear); got < c.least || got > c.most {
			t.Errorf("%g dark, %g clear: %g, want %g to %g", c.dark, c.clear, got, c.least, c.most)
		}
	}
}
