package topology

import (
	"cmp"
	"slices"
	"strings"

	"vakhta/internal/inventory"
)

// Graph is the inventory as a directed graph: who needs whom, and who is
// needed by whom. It never changes, and is safe for concurrent use.
type Graph struct {
	inv        *inventory.Inventory
	nodes      []node
	index      map[string]int32
	ids        []string         // of the nodes, which lie side by side in memory
	server     []bool           // which nodes are servers
	scope      []int32          // how many servers stand beneath each node
	wired      []bool           // whether an uplink stands above each node
	site       []int32          // the node of each node's site; its own for a site
	sites      []int32          // the nodes of the sites, in order
	siteNumber []int32          // which of these each node's site is, or noNode
	class      []int32          // by what a server needs that nothing depends on; noNode for others
	classes    int              // how many
	hood       []int32          // servers that nothing depends on → the number of the rack that they stand in, or noNode
	hoods      int              // how many
	views      map[string]int32 // vantage → the node of the site that it stands in; others are outside, or see stands
	outside    map[string]bool  // vantages that the inventory says stand outside of all sites
	often      []float64        // by how much one of few that back each other up fails more often than its kind does, ln
	serves     map[int32]bool   // the servers that others need for what they serve, and for nothing else
	kin        [][]int32        // what backs each node up, itself among it; nil: nothing
}

// node is one component. Nodes are numbered in the order of their ids, so
// comparing numbers compares ids.
type node struct {
	c      *inventory.Component
	uplink bool
	server bool
	groups []group
	behind int32   // the node that says that management hangs on it, plus 1; 0: none
	hang   int32   // of a server that serves others: the node that says that they hang where it is down by something else, plus 1; 0: they do
	core   int32   // of an uplink: the node that says that its site is dark within, too, without it, plus 1; 0: none
	via    []int32 // what its own management hangs on, as far as it may
	far    []int32 // the uplinks by which those outside reach its management, where no switch of its rack does
	users  []int32 // nodes with a group that has this one as a member, in order
}

type group struct {
	name    string
	power   bool
	network bool // its loss cuts the component off but leaves it powered
	service bool // so does this one's: of servers, see servesOn
	members []int32
}

// New builds the graph of an inventory.
func New(inv *inventory.Inventory) *Graph {
	components := inv.Components()
	g := &Graph{inv: inv, nodes: make([]node, len(components)), server: make([]bool, len(components)), index: make(map[string]int32, len(components))}
	for i, c := range components {
		g.index[c.ID] = int32(i)
		g.nodes[i].c, g.nodes[i].uplink, g.nodes[i].server = c, c.Kind == inventory.KindUplink, c.Kind == inventory.KindServer
		g.server[i] = g.nodes[i].server
	}
	g.lineUp()
	g.locate()
	g.linkGroups()
	linkUsers(g.nodes)
	g.findServers()
	g.countScopes()
	g.findKin()
	g.countSpares()
	g.wire()
	g.classify()
	g.neighbours()
	return g
}

// lineUp copies the ids, so that reading rows in the inventory's order reads
// memory in order, too.
func (g *Graph) lineUp() {
	var all strings.Builder
	for i := range g.nodes {
		all.WriteString(g.nodes[i].c.ID)
	}
	rest := all.String()
	g.ids = make([]string, len(g.nodes))
	for i := range g.nodes {
		length := len(g.nodes[i].c.ID)
		g.ids[i], rest = rest[:length], rest[length:]
	}
}

// linkGroups notes at every node what it needs. Who shares that in the inventory shares it here.
func (g *Graph) linkGroups() {
	known := map[*inventory.Group][]group{}
	for i := range g.nodes {
		needs := g.nodes[i].c.Needs
		if len(needs) == 0 {
			continue
		}
		groups, ok := known[&needs[0]]
		if !ok {
			groups = make([]group, len(needs))
			for j, need := range needs {
				members := make([]int32, len(need.Members))
				for k, id := range need.Members {
					members[k] = g.index[id]
				}
				groups[j] = group{name: need.Name, network: need.Name == "network", power: need.Name == "power", members: members}
				groups[j].service = g.servesBy(&groups[j])
			}
			known[&needs[0]] = groups
		}
		g.nodes[i].groups = groups
	}
}

// linkUsers notes at every node who needs it, in order and once.
func linkUsers(nodes []node) {
	room := make([]int32, len(nodes)) // at most
	all := int32(0)
	for i := range nodes {
		for j := range nodes[i].groups {
			for _, m := range nodes[i].groups[j].members {
				room[m]++
				all++
			}
		}
	}
	list := make([]int32, all)
	from := int32(0)
	for i := range nodes {
		if room[i] > 0 {
			nodes[i].users = list[from : from : from+room[i]]
			from += room[i]
		}
	}
	for i := range nodes {
		for j := range nodes[i].groups {
			for _, m := range nodes[i].groups[j].members {
				if users := nodes[m].users; len(users) == 0 || users[len(users)-1] != int32(i) {
					nodes[m].users = append(nodes[m].users, int32(i))
				}
			}
		}
	}
}

// locate notes the site of each node, and of each vantage that stands in one site only.
func (g *Graph) locate() {
	g.site = make([]int32, len(g.nodes))
	for i := range g.nodes {
		g.site[i] = int32(i)
		if s, ok := g.index[g.nodes[i].c.Site]; ok {
			g.site[i] = s
		}
	}
	number := map[int32]int32{}
	for i := range g.nodes {
		if g.nodes[i].c.Kind == inventory.KindSite {
			number[int32(i)] = int32(len(g.sites))
			g.sites = append(g.sites, int32(i))
		}
	}
	g.siteNumber = make([]int32, len(g.nodes))
	for i, s := range g.site {
		g.siteNumber[i] = noNode
		if k, ok := number[s]; ok {
			g.siteNumber[i] = k
		}
	}
	g.views = map[string]int32{}
	shared := map[string]bool{}
	for _, s := range g.inv.Sites() {
		for _, v := range s.Vantages {
			if _, had := g.views[v]; had {
				shared[v] = true
			}
			g.views[v] = g.index[s.ID]
		}
	}
	g.outside = map[string]bool{}
	for v := range shared {
		delete(g.views, v)
		g.outside[v] = true
	}
	for _, v := range g.inv.Vantages() {
		g.outside[v] = true
	}
}

// wire notes what stands behind uplinks.
func (g *Graph) wire() {
	g.wired = make([]bool, len(g.nodes))
	var stack []int32
	for i := range g.nodes {
		if g.nodes[i].uplink {
			stack = append(stack, int32(i))
		}
	}
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, u := range g.nodes[n].users {
			if !g.wired[u] {
				g.wired[u] = true
				stack = append(stack, u)
			}
		}
	}
}

// inside says whether the vantage stands in the node's own site.
func (g *Graph) inside(vantage string, n int32) bool {
	s, ok := g.stands(vantage)
	return ok && s == g.site[n]
}

// isServer says whether node i is a server.
func (g *Graph) isServer(i int32) bool { return g.server[i] }

// id is the component id of node i.
func (g *Graph) id(i int32) string { return g.ids[i] }

func (g *Graph) countScopes() {
	g.scope = make([]int32, len(g.nodes))
	seen := make([]int32, len(g.nodes))
	var stack []int32
	for i := range g.nodes {
		if len(g.nodes[i].users) == 0 {
			continue
		}
		stamp := int32(i) + 1
		stack = append(stack[:0], int32(i))
		for len(stack) > 0 {
			n := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, u := range g.nodes[n].users {
				if seen[u] == stamp {
					continue
				}
				seen[u] = stamp
				if g.isServer(u) {
					g.scope[i]++
				}
				if len(g.nodes[u].users) > 0 {
					stack = append(stack, u)
				}
			}
		}
	}
}

// ancestors returns every node that any of the given ones needs, directly or
// not, in order; the given ones are not among them unless another needs them.
func (g *Graph) ancestors(of ...int32) []int32 {
	seen := map[int32]bool{}
	var out []int32
	stack := slices.Clone(of)
	for len(stack) > 0 {
		n := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		for _, grp := range g.nodes[n].groups {
			for _, m := range grp.members {
				if !seen[m] {
					seen[m] = true
					out = append(out, m)
					stack = append(stack, m)
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

// known returns the nodes with the ids that the graph knows, in order, each once.
func (g *Graph) known(ids []string) []int32 {
	out := make([]int32, 0, len(ids))
	r := reader{g: g}
	for _, id := range ids {
		if n := r.find(id); n != noNode {
			out = append(out, n)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// narrower orders nodes by how few servers stand beneath them, then by id.
func (g *Graph) narrower(a, b int32) int {
	return cmp.Or(cmp.Compare(g.scope[a], g.scope[b]), cmp.Compare(a, b))
}
