package topology

import (
	"math"
	"slices"
)

// louder is ln of how likely these misses are where all are noise, of which there is more
// tonight than is usual: what is seen elsewhere says how likely that is, where anything is.
func louder(rows func(w *witness, loss float64) float64, witnesses []witness, noise []float64, here, all []misses) float64 {
	out := math.Inf(-1)
	for _, often := range louderNoise {
		sum := math.Log(often.share)
		for v := range noise {
			if here[v].asked > 0 {
				asked, missed := all[v].asked-here[v].asked, all[v].missed-here[v].missed
				p := min(.5, often.times*noise[v])
				sum += float64(missed)*math.Log(p/noise[v]) + float64(asked-missed)*math.Log((1-p)/(1-noise[v]))
			}
		}
		usual := slices.Clone(noise)
		for v := range noise {
			noise[v] = min(.5, often.times*noise[v])
		}
		for i := range witnesses {
			sum += rows(&witnesses[i], 0)
		}
		copy(noise, usual)
		out = addLogs(out, sum)
	}
	return out
}

// louderNoise is how often noise is so many times what is assumed.
var louderNoise = []struct{ times, share float64 }{{2, .1}, {3, .05}, {4, .05}, {6, .02}}
