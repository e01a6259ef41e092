package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/gosnmp/gosnmp"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

const (
	snmpTries = 3
	// maxRows bounds the rows of a table that are read while a port's name is
	// looked for: no switch has more.
	maxRows = 4096
	// rowsAtOnce fit into one packet of the smallest agents.
	rowsAtOnce = 20
)

// OIDs of SNMPv2-MIB and IF-MIB.
const (
	oidSysObjectID  = "1.3.6.1.2.1.1.2.0"
	oidIfDescr      = "1.3.6.1.2.1.2.2.1.2"
	oidIfAdmin      = "1.3.6.1.2.1.2.2.1.7"
	oidIfOper       = "1.3.6.1.2.1.2.2.1.8"
	oidIfName       = "1.3.6.1.2.1.31.1.1.1.1"
	oidIfAlias      = "1.3.6.1.2.1.31.1.1.1.18"
	oidAPC          = "1.3.6.1.4.1.318"
	oidAPCOutlet    = oidAPC + ".1.1.26.9.2.3.1.5" // rPDU2OutletSwitchedStatusState: off(1), on(2)
	oidAPCOldOutlet = oidAPC + ".1.1.12.3.5.1.1.4" // rPDUOutletStatusOutletState: on(1), off(2)
	oidAPCVoltage   = oidAPC + ".1.1.26.6.3.1.6"   // rPDU2PhaseStatusVoltage
)

// agent is one conversation with a device over SNMP.
type agent struct {
	*gosnmp.GoSNMP
	ctx     context.Context
	tidy    func() bool
	system  string // its sysObjectID
	started time.Time
	rtt     time.Duration
}

// askSNMP has one conversation with the device's agent, within SNMPTimeout:
// does it answer, and what does it say of its ports, or of its outlets and feeds.
func (a *Activities) askSNMP(ctx context.Context, c *inventory.Component, asked []topology.Probe) []answer {
	ctx, leave, trouble := a.turn(ctx, c.Probe.SNMP.Address, "the SNMP agent", a.opts.SNMPTimeout)
	defer leave()
	if trouble != "" {
		return []answer{notAsked(trouble)}
	}
	dev, err := a.openAgent(ctx, c.Probe.SNMP)
	if err != nil {
		return []answer{notAsked(err.Error())}
	}
	defer dev.close()
	if err := dev.greet(); err != nil {
		return ungreeted(ctx, err, asked)
	}
	out := []answer{{probe: topology.ProbeSNMP, result: topology.Up, detail: "answers", rtt: dev.rtt}}
	for _, p := range asked {
		if p == topology.ProbeSNMP {
			continue
		}
		rows, err := dev.tell(p, c)
		if err != nil {
			_, detail := explainSNMP(ctx, err)
			rows = []answer{{probe: p, result: topology.Unknown, detail: detail}}
		}
		out = append(out, rows...)
	}
	return out
}

// ungreeted is what comes of an agent that did not tell what it is. Whether it answers is
// told whatever was asked of it: an unknown port alone reads as its silence.
func ungreeted(ctx context.Context, err error, asked []topology.Probe) []answer {
	own, detail := explainSNMP(ctx, err)
	if own == topology.Unknown {
		return []answer{notAsked(detail)}
	}
	out := []answer{{probe: topology.ProbeSNMP, result: own, detail: detail}}
	for _, p := range asked {
		if p != topology.ProbeSNMP {
			out = append(out, answer{probe: p, result: topology.Unknown, detail: detail})
		}
	}
	return out
}

func (a *Activities) openAgent(ctx context.Context, s *inventory.SNMP) (*agent, error) {
	at, err := netip.ParseAddrPort(s.Address)
	if err != nil {
		return nil, errors.New("the agent's address in the inventory is not an address")
	}
	secret, err := a.opts.Secret(s.Credentials)
	if err != nil {
		return nil, err
	}
	g := &gosnmp.GoSNMP{
		Target: at.Addr().String(), Port: at.Port(), Transport: "udp", Context: ctx,
		Timeout: a.opts.SNMPTimeout / (snmpTries + 1), Retries: snmpTries - 1, MaxOids: gosnmp.MaxOids, MaxRepetitions: rowsAtOnce,
	}
	if err := authenticate(g, secret); err != nil {
		return nil, fmt.Errorf("credentials %s %w", s.Credentials, err)
	}
	started := time.Now()
	if err := g.Connect(); err != nil {
		return nil, errors.New("the prober could not open a socket")
	}
	conn := g.Conn
	// gosnmp looks at deadlines only: a closed socket tells it of a cancelled context.
	return &agent{GoSNMP: g, ctx: ctx, started: started, tidy: context.AfterFunc(ctx, func() { _ = conn.Close() })}, nil
}

func (d *agent) close() {
	d.tidy()
	_ = d.Close()
}

// greet asks what the device is, which any agent tells.
func (d *agent) greet() error {
	p, err := d.Get([]string{oidSysObjectID})
	if err != nil {
		return err
	}
	d.rtt = time.Since(d.started)
	for _, v := range p.Variables {
		if s, ok := v.Value.(string); ok {
			d.system = strings.TrimPrefix(s, ".")
		}
	}
	return nil
}

func (d *agent) tell(p topology.Probe, c *inventory.Component) ([]answer, error) {
	switch p {
	case topology.ProbePort:
		return d.ports(c.Probe.SNMP.Ports)
	case topology.ProbeOutlet:
		return d.outlets(c.Probe.SNMP)
	}
	return d.feeds(c.Probe.SNMP)
}

// ports tells of each mapped port whether its link is up.
func (d *agent) ports(mapped map[string]string) ([]answer, error) {
	index, err := d.indexes(mapped)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(mapped))
	var oids []string
	for _, name := range names {
		if i := index[name]; i != "" {
			oids = append(oids, oidIfAdmin+"."+i, oidIfOper+"."+i)
		}
	}
	values, err := d.numbers(oids)
	if err != nil {
		return nil, err
	}
	e := ends{probe: topology.ProbePort}
	for _, name := range names {
		r, text := topology.Unknown, "is not among the device's interfaces"
		if i := index[name]; i != "" {
			r, text = portState(values[oidIfAdmin+"."+i], values[oidIfOper+"."+i])
		}
		e.add(mapped[name], name+" "+text, r)
	}
	return e.answers(d.rtt), nil
}

// portState reads ifAdminStatus and ifOperStatus (RFC 2863).
func portState(admin, oper int64) (topology.Result, string) {
	switch {
	case admin == 2:
		return topology.Down, "is shut down by its configuration"
	case oper == 1:
		return topology.Up, "is up"
	case oper == 2, oper == 6, oper == 7: // down, notPresent, lowerLayerDown
		return topology.Down, "is down"
	}
	return topology.Unknown, "has no state"
}

// indexes finds the rows of the named interfaces: by ifName, then ifDescr, then ifAlias.
func (d *agent) indexes(mapped map[string]string) (map[string]string, error) {
	found := map[string]string{}
	for _, column := range []string{oidIfName, oidIfDescr, oidIfAlias} {
		if len(found) == len(mapped) {
			break
		}
		rows := 0
		err := d.BulkWalk(column, func(v gosnmp.SnmpPDU) error {
			if rows++; rows > maxRows {
				return errTooMany
			}
			raw, _ := v.Value.([]byte)
			name := string(raw)
			if _, wanted := mapped[name]; wanted && found[name] == "" {
				found[name] = strings.TrimPrefix(strings.TrimPrefix(v.Name, "."), column+".")
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

var errTooMany = errors.New("the table has too many rows")

// outlets tells of each mapped outlet whether the PDU has it switched on.
func (d *agent) outlets(s *inventory.SNMP) ([]answer, error) {
	column := s.OutletState
	if column == nil && d.isAPC() {
		for _, known := range []inventory.Column{{OID: oidAPCOutlet, On: []int{2}}, {OID: oidAPCOldOutlet, On: []int{1}}} {
			rows, err := d.rows(topology.ProbeOutlet, "outlet", &known, s.Outlets)
			if err != nil || slices.ContainsFunc(rows, func(a answer) bool { return a.result != topology.Unknown }) {
				return rows, err
			}
		}
	}
	if column == nil {
		return []answer{{probe: topology.ProbeOutlet, result: topology.Unknown, detail: "where this PDU keeps its outlets' state is not known: add outletState to the inventory"}}, nil
	}
	return d.rows(topology.ProbeOutlet, "outlet", column, s.Outlets)
}

// feeds tells of each mapped input or phase whether it has voltage; without a
// map, of all that the PDU has as one.
func (d *agent) feeds(s *inventory.SNMP) ([]answer, error) {
	column := s.FeedState
	if column == nil && d.isAPC() {
		column = &inventory.Column{OID: oidAPCVoltage, AtLeast: liveVolts}
	}
	if column == nil {
		return []answer{{probe: topology.ProbeFeed, result: topology.Unknown, detail: "where this PDU keeps its inputs' state is not known: add feedState to the inventory"}}, nil
	}
	mapped := s.Feeds
	if len(mapped) == 0 {
		mapped = map[string]string{}
		err := d.BulkWalk(column.OID, func(v gosnmp.SnmpPDU) error {
			if len(mapped) >= rowsAtOnce {
				return errTooMany
			}
			mapped[strings.TrimPrefix(strings.TrimPrefix(v.Name, "."), column.OID+".")] = ""
			return nil
		})
		if err != nil {
			return nil, err
		}
		if len(mapped) == 0 {
			return []answer{{probe: topology.ProbeFeed, result: topology.Unknown, detail: "the PDU reports no input"}}, nil
		}
	}
	return d.rows(topology.ProbeFeed, "input", column, mapped)
}

func (d *agent) isAPC() bool { return strings.HasPrefix(d.system, oidAPC+".") }

// rows reads the column's mapped rows.
func (d *agent) rows(p topology.Probe, word string, column *inventory.Column, mapped map[string]string) ([]answer, error) {
	names := slices.SortedFunc(maps.Keys(mapped), func(a, b string) int { return cmp.Or(len(a)-len(b), strings.Compare(a, b)) })
	var oids []string
	for _, name := range names {
		oids = append(oids, column.OID+"."+name)
	}
	values, err := d.numbers(oids)
	if err != nil {
		return nil, err
	}
	e := ends{probe: p}
	for i, name := range names {
		v, there := values[oids[i]]
		r, text := topology.Unknown, "is not in the PDU's table"
		if there {
			r, text = columnState(column, v)
		}
		e.add(mapped[name], word+" "+name+" "+text, r)
	}
	return e.answers(d.rtt), nil
}

func columnState(c *inventory.Column, v int64) (topology.Result, string) {
	switch {
	case c.AtLeast > 0 && v < 0: // "not supported" is −1 in most MIBs
		return topology.Unknown, "is not measured"
	case c.AtLeast > 0 && v < int64(c.AtLeast):
		return topology.Down, "is at " + strconv.FormatInt(v, 10)
	case c.AtLeast > 0:
		return topology.Up, "is at " + strconv.FormatInt(v, 10)
	case slices.Contains(c.On, int(v)):
		return topology.Up, "is on"
	}
	return topology.Down, "is off"
}

// numbers gets whole numbers, a few at a time; what is no number or isn't there is missing.
func (d *agent) numbers(oids []string) (map[string]int64, error) {
	out := make(map[string]int64, len(oids))
	for some := range slices.Chunk(oids, rowsAtOnce) {
		p, err := d.Get(some)
		if err != nil {
			return nil, err
		}
		for _, v := range p.Variables {
			switch v.Type {
			case gosnmp.Integer, gosnmp.Gauge32, gosnmp.Counter32, gosnmp.Uinteger32, gosnmp.TimeTicks, gosnmp.Counter64:
				if n := gosnmp.ToBigInt(v.Value); n.IsInt64() && n.Int64() < math.MaxInt32*2 {
					out[strings.TrimPrefix(v.Name, ".")] = n.Int64()
				}
			}
		}
	}
	return out, nil
}

// explainSNMP says in a few words why the agent told nothing, and whether it
// answered at all. The library's errors may hold packets: nothing of them is repeated.
func explainSNMP(ctx context.Context, err error) (topology.Result, string) {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return topology.Unknown, "cancelled"
	case errors.Is(err, errTooMany):
		return topology.Up, "the SNMP agent lists more rows than any device has"
	case errors.Is(err, syscall.ECONNREFUSED):
		return topology.Down, "the SNMP agent does not answer: connection refused"
	case errors.Is(err, gosnmp.ErrUnknownUsername), errors.Is(err, gosnmp.ErrWrongDigest), errors.Is(err, gosnmp.ErrDecryption),
		errors.Is(err, gosnmp.ErrUnknownSecurityLevel), strings.Contains(err.Error(), "not authentic"):
		return topology.Up, "the SNMP agent refuses our credentials" // so it answers
	case errors.Is(err, gosnmp.ErrMaxRetriesExceeded), errors.Is(err, context.DeadlineExceeded), strings.Contains(err.Error(), "timeout"):
		return topology.Down, "the SNMP agent does not answer in time" // a wrong community looks the same
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.EHOSTDOWN):
		return topology.Down, "the SNMP agent does not answer: host unreachable"
	case errors.Is(err, syscall.ENETUNREACH):
		return topology.Unknown, "the prober has no route"
	}
	return topology.Unknown, "the SNMP agent's answer is not understood"
}
