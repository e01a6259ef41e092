package topology

import (
	"runtime"
	"sync"
)

const noNode = -1

// rowNodes finds the node of each row that can say something; noNode of the others.
func (g *Graph) rowNodes(obs []Observation) []int32 {
	out := make([]int32, len(obs))
	inChunks(len(obs), func(from, to int) {
		last, component := int32(noNode), ""
		for i := from; i < to; i++ {
			o := &obs[i]
			if o.Component != component || component == "" { // rows of one component often stand together
				component, last = o.Component, noNode
				if n, ok := g.index[component]; ok {
					last = n
				}
			}
			if out[i] = last; last != noNode && !tells(o) {
				out[i] = noNode
			}
		}
	})
	return out
}

const leastChunk = 4096

// inChunks does the work for 0…n-1 in parts at once, and waits for all of them.
// What is done for one index must not depend on another's.
func inChunks(n int, do func(from, to int)) {
	chunks := min(runtime.GOMAXPROCS(0), (n+leastChunk-1)/leastChunk)
	if chunks <= 1 {
		do(0, n)
		return
	}
	var all sync.WaitGroup
	for c := range chunks {
		all.Go(func() { do(n*c/chunks, n*(c+1)/chunks) })
	}
	all.Wait()
}
