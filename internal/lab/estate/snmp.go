package estate

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gosnmp/gosnmp"

	"vakhta/internal/inventory"
)

// agent is the SNMP v2c agent of a switch or a PDU. It tells of its ports,
// outlets and input what physics says, and keeps silent while it is dead itself.
type agent struct {
	id   string
	conn net.PacketConn
	rows []row // by OID
}

// row is one object of the agent's MIB.
type row struct {
	oid   []int
	value func(*world) gosnmp.SnmpPDU
}

// Columns that the agents know: IF-MIB for switches, APC's PowerNet-MIB for PDUs.
const (
	sysObjectID = "1.3.6.1.2.1.1.2.0"
	ifDescr     = "1.3.6.1.2.1.2.2.1.2"
	ifAdmin     = "1.3.6.1.2.1.2.2.1.7"
	ifOper      = "1.3.6.1.2.1.2.2.1.8"
	ifName      = "1.3.6.1.2.1.31.1.1.1.1"
	outletState = "1.3.6.1.4.1.318.1.1.26.9.2.3.1.5" // off(1), on(2)
	voltage     = "1.3.6.1.4.1.318.1.1.26.6.3.1.6"

	isSwitch = "1.3.6.1.4.1.8072.3.2.10"
	isPDU    = "1.3.6.1.4.1.318.1.3.4.6"

	mains     = 231 // volts of a feed that lives
	mostBulk  = 64  // rows of one answer
	datagrams = 64 << 10
)

func openAgent(ctx context.Context, c *inventory.Component) (*agent, error) {
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp", c.Probe.SNMP.Address)
	if err != nil {
		return nil, fmt.Errorf("listen for the estate: %w", err)
	}
	a := &agent{id: c.ID, conn: conn}
	if c.Kind == inventory.KindPDU {
		a.addPDU(c.Probe.SNMP)
	} else {
		a.addPorts(c.Probe.SNMP)
	}
	slices.SortFunc(a.rows, func(x, y row) int { return slices.Compare(x.oid, y.oid) })
	return a, nil
}

func (a *agent) add(oid string, value func(*world) gosnmp.SnmpPDU) {
	a.rows = append(a.rows, row{oid: parseOID(oid), value: value})
}

func (a *agent) addPorts(s *inventory.SNMP) {
	a.add(sysObjectID, constant(gosnmp.ObjectIdentifier, "."+isSwitch))
	index := 0
	for _, name := range sortedKeys(s.Ports) {
		peer := s.Ports[name]
		index++
		n := "." + strconv.Itoa(index)
		a.add(ifDescr+n, constant(gosnmp.OctetString, "port "+name))
		a.add(ifName+n, constant(gosnmp.OctetString, name))
		a.add(ifAdmin+n, constant(gosnmp.Integer, 1))
		a.add(ifOper+n, func(w *world) gosnmp.SnmpPDU {
			state := 2
			if w.linked(peer) {
				state = 1
			}
			return gosnmp.SnmpPDU{Type: gosnmp.Integer, Value: state}
		})
	}
}

func (a *agent) addPDU(s *inventory.SNMP) {
	a.add(sysObjectID, constant(gosnmp.ObjectIdentifier, "."+isPDU))
	for outlet := range s.Outlets {
		a.add(outletState+"."+outlet, constant(gosnmp.Integer, 2))
	}
	for phase, feed := range s.Feeds {
		a.add(voltage+"."+phase, func(w *world) gosnmp.SnmpPDU {
			volts := uint32(0)
			if w.at(feed).works {
				volts = mains
			}
			return gosnmp.SnmpPDU{Type: gosnmp.Gauge32, Value: volts}
		})
	}
}

func constant(t gosnmp.Asn1BER, value any) func(*world) gosnmp.SnmpPDU {
	return func(*world) gosnmp.SnmpPDU { return gosnmp.SnmpPDU{Type: t, Value: value} }
}

// linked says that the network port of the component at the other end is alive:
// a machine's is as long as it is on, even if its system hangs.
func (w *world) linked(id string) bool {
	c := w.components[id]
	if c == nil || c.Kind != inventory.KindServer {
		return w.at(id).works
	}
	f := w.faults[id]
	broken, _ := f.broken(w.now)
	return w.at(id).powered && (!broken || f.Mode != Off)
}

// serve answers until the socket is closed.
func (l *Lab) serveAgent(a *agent) {
	buf := make([]byte, datagrams)
	for {
		n, from, err := a.conn.ReadFrom(buf)
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			continue // an ICMP error of an answer that nobody waited for
		}
		if out := l.answerSNMP(a, buf[:n]); out != nil {
			_, _ = a.conn.WriteTo(out, from)
		}
	}
}

// answerSNMP is the answer to a question; nil for silence.
func (l *Lab) answerSNMP(a *agent, question []byte) []byte {
	decoder := &gosnmp.GoSNMP{Version: gosnmp.Version2c, Community: DefaultSNMPCommunity, Logger: gosnmp.NewLogger(nil)}
	q, err := decoder.SnmpDecodePacket(question)
	if err != nil || q.Version != gosnmp.Version2c || q.Community != DefaultSNMPCommunity {
		return nil
	}
	l.mu.Lock()
	w := &world{components: l.components, faults: l.faults, now: time.Now(), memo: map[string]condition{}}
	var vars []gosnmp.SnmpPDU
	if m := l.machines[a.id]; m.up {
		vars = a.read(w, q)
	}
	l.mu.Unlock()
	if vars == nil {
		return nil
	}
	r := &gosnmp.SnmpPacket{
		Version: gosnmp.Version2c, Community: q.Community, PDUType: gosnmp.GetResponse, RequestID: q.RequestID,
		Variables: vars, Logger: decoder.Logger,
	}
	out, err := r.MarshalMsg()
	if err != nil {
		return nil
	}
	return out
}

// read answers GET, GETNEXT and GETBULK (RFC 3416).
func (a *agent) read(w *world, q *gosnmp.SnmpPacket) []gosnmp.SnmpPDU {
	vars := []gosnmp.SnmpPDU{}
	switch q.PDUType {
	case gosnmp.GetRequest:
		for _, v := range q.Variables {
			oid := parseOID(v.Name)
			i, there := a.find(oid)
			if !there {
				vars = append(vars, gosnmp.SnmpPDU{Name: v.Name, Type: gosnmp.NoSuchInstance})
				continue
			}
			vars = append(vars, a.rows[i].read(w))
		}
	case gosnmp.GetNextRequest, gosnmp.GetBulkRequest:
		repeat := 1
		if q.PDUType == gosnmp.GetBulkRequest {
			repeat = int(min(q.MaxRepetitions, mostBulk))
		}
		for _, v := range q.Variables {
			vars = append(vars, a.after(w, v.Name, repeat)...)
		}
	default:
		return nil
	}
	return vars
}

// after reads up to n rows that follow the name.
func (a *agent) after(w *world, name string, n int) []gosnmp.SnmpPDU {
	i, there := a.find(parseOID(name))
	if there {
		i++
	}
	var out []gosnmp.SnmpPDU
	for ; i < len(a.rows) && len(out) < n; i++ {
		out = append(out, a.rows[i].read(w))
	}
	if len(out) < n {
		out = append(out, gosnmp.SnmpPDU{Name: name, Type: gosnmp.EndOfMibView})
	}
	return out
}

func (a *agent) find(oid []int) (int, bool) {
	return slices.BinarySearchFunc(a.rows, oid, func(r row, oid []int) int { return slices.Compare(r.oid, oid) })
}

func (r row) read(w *world) gosnmp.SnmpPDU {
	v := r.value(w)
	var b strings.Builder
	for _, arc := range r.oid {
		fmt.Fprintf(&b, ".%d", arc)
	}
	v.Name = b.String()
	return v
}

func parseOID(s string) []int {
	var out []int
	for arc := range strings.SplitSeq(strings.TrimPrefix(s, "."), ".") {
		n, _ := strconv.Atoi(arc) // gosnmp and our constants hold numbers
		out = append(out, n)
	}
	return out
}
