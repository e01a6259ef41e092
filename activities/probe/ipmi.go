package probe

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/bougou/go-ipmi/pkg/client"
	"github.com/bougou/go-ipmi/pkg/command/storage"
	"github.com/bougou/go-ipmi/pkg/types"

	"vakhta/internal/topology"
)

const (
	ipmiRetries = 2
	// maxSDRs bounds the sensors that a BMC may list.
	maxSDRs = 512
	// firstTime is the first timestamp that is one; below it a BMC counts the
	// seconds since it started (IPMI 2.0, chapter 37).
	firstTime = 0x20000000
	// goodbye is how long a BMC gets to close its session.
	goodbye = 300 * time.Millisecond
)

// ipmi asks a BMC over IPMI 2.0 (RMCP+), with the rights of a plain user: the
// chassis' power first, then the sensors of its supplies, then the log.
func (a *Activities) ipmi(ctx context.Context, address, user, password string, wants bmcWants) (got bmcReading) {
	got = nothing("the BMC's answer is not understood")
	defer func() { _ = recover() }() // the library trusts lengths that a BMC sends; what it told before stands
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return bmcReading{power: notAsked("the BMC's address in the inventory is not an address")}
	}
	started := time.Now()
	c, err := client.NewClient(at.Addr().String(), int(at.Port()), user, password)
	if err != nil {
		return bmcReading{power: notAsked("the BMC's user name is too long for IPMI")}
	}
	c.WithMaxPrivilegeLevel(types.PrivilegeLevelUser).WithRetry(ipmiRetries).WithTimeout(a.opts.BMCTimeout / (2 * (ipmiRetries + 1)))
	c.WithCipherSuiteID(types.CipherSuiteID17, types.CipherSuiteID3) // asking which there are takes longer than trying
	err = c.Connect(ctx)
	defer hangUp(ctx, c, err == nil)
	if err != nil {
		return readingOf(explainIPMI(ctx, err))
	}
	status, err := c.GetChassisStatus(ctx)
	if err != nil {
		return readingOf(explainIPMI(ctx, err))
	}
	got.power = answer{result: topology.Down, detail: "chassis power off", rtt: time.Since(started)}
	if status.PowerIsOn {
		got.power.result, got.power.detail = topology.Up, "chassis power on"
	}
	for _, fault := range []struct {
		is   bool
		text string
	}{
		{status.PowerFault, "power fault"}, {status.PowerOverload, "power overload"}, {status.ACFailed, "AC failed last time"},
	} {
		if fault.is {
			got.power.detail += ", " + fault.text
		}
	}
	if wants.supplies {
		if got.supplies, err = ipmiSupplies(ctx, c); err != nil {
			got.trouble, _ = explainIPMI(ctx, err)
		}
	}
	if wants.log {
		got.log = ipmiLog(ctx, c)
	}
	return got
}

// hangUp closes the session, if there is one, and the socket in any case.
func hangUp(ctx context.Context, c *client.Client, session bool) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	if !session {
		cancel()
	}
	_ = c.Close(ctx) // a session that stays open ends by itself
}

// voice is whether a BMC that told nothing was heard at all.
type voice int

const (
	mute  voice = iota // nothing came from it
	heard              // something did
	unfit              // it was not asked: trouble of our own
)

func readingOf(detail string, v voice) bmcReading {
	switch v {
	case heard:
		return there(detail)
	case unfit:
		return bmcReading{power: notAsked(detail)}
	}
	return nothing(detail)
}

// explainIPMI says in a few words why the BMC told nothing. The library's errors
// hold what was sent, so that nothing of them is repeated.
func explainIPMI(ctx context.Context, err error) (string, voice) {
	text := err.Error()
	_, refused := types.IsResponseError(err)
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return "cancelled", unfit
	case strings.Contains(text, "connection refused"):
		return "the BMC does not answer: connection refused", mute
	case strings.Contains(text, "network is unreachable"):
		return "the prober has no route", unfit
	case ctx.Err() != nil, strings.Contains(text, "timeout"), strings.Contains(text, "no datagram"), strings.Contains(text, "deadline"):
		return "the BMC does not answer in time", mute
	case errors.Is(err, client.ErrRAKPAuthentication), strings.Contains(strings.ToLower(text), "rakp"):
		return "the BMC refuses our credentials", heard
	case refused:
		return "the BMC refuses the question", heard
	}
	return "the BMC's answer is not understood", mute
}

// Bits of a power supply's discrete sensor (IPMI 2.0, table 42-3, type 08h).
const (
	supplyPresent    = 1 << 0
	supplyFailed     = 1 << 1
	supplyInputLost  = 1 << 3
	supplyLostOrLow  = 1 << 4
	supplyOutOfRange = 1 << 5
)

// ipmiSupplies reads the sensors of type "power supply". Each record's first
// bytes say whether it is one; only those are read further.
func ipmiSupplies(ctx context.Context, c *client.Client) ([]supply, error) {
	var out []supply
	record := uint16(0)
	for range maxSDRs {
		head, err := sdrPart(ctx, c, 0, record, 0, 16)
		if err != nil {
			return out, err
		}
		if number, nameAt, ok := supplySensor(head.RecordData); ok && len(out) < maxSupplies {
			if s, there := ipmiSupply(ctx, c, record, number, nameAt); there {
				out = append(out, s)
			}
		}
		if head.NextRecordID == 0xffff || head.NextRecordID == record {
			break
		}
		record = head.NextRecordID
	}
	return out, nil
}

// supplySensor looks into the first 16 bytes of a record (IPMI 2.0, chapter 43):
// the number of a discrete power supply sensor, and where its name is.
func supplySensor(head []byte) (number uint8, nameAt uint8, ok bool) {
	if len(head) < 14 || types.SensorType(head[12]) != types.SensorTypePowerSupply || head[13] != 0x6f {
		return 0, 0, false
	}
	switch types.SDRRecordType(head[3]) {
	case types.SDRRecordTypeFullSensor:
		return head[7], 47, true
	case types.SDRRecordTypeCompactSensor:
		return head[7], 31, true
	}
	return 0, 0, false
}

func ipmiSupply(ctx context.Context, c *client.Client, record uint16, number, nameAt uint8) (supply, bool) {
	s := supply{name: "sensor " + strconv.Itoa(int(number)), result: topology.Unknown, detail: "has no reading"}
	if name := sdrName(ctx, c, record, nameAt); name != "" {
		s.name, s.keys = short(name, logLength), []string{name}
	}
	r, err := c.GetSensorReading(ctx, number)
	if err != nil || r.ReadingUnavailable || r.SensorScanningDisabled {
		return s, true
	}
	var bits int
	for _, bit := range r.ActiveStates.TrueEvents() {
		bits |= 1 << bit
	}
	switch {
	case bits&(supplyInputLost|supplyLostOrLow) != 0:
		s.result, s.detail = topology.Down, "has no input"
	case bits&supplyPresent == 0:
		return s, false
	case bits&supplyOutOfRange != 0:
		s.detail = "has an input out of range"
	case bits&supplyFailed != 0: // it might as well have lost its input
		s.detail = "has failed"
	default:
		s.result, s.detail = topology.Up, "has input"
	}
	return s, true
}

// sdrName reads the record's ID string: a byte of type and length, then the text.
func sdrName(ctx context.Context, c *client.Client, record uint16, at uint8) string {
	reserved, err := c.ReserveSDRRepo(ctx)
	if err != nil {
		return ""
	}
	head, err := sdrPart(ctx, c, reserved.ReservationID, record, at, 1)
	if err != nil || len(head.RecordData) == 0 {
		return ""
	}
	length := head.RecordData[0] & 0x1f
	if length == 0 {
		return ""
	}
	text, err := sdrPart(ctx, c, reserved.ReservationID, record, at+1, length)
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(text.RecordData), "\x00 ")
}

func sdrPart(ctx context.Context, c *client.Client, reservation, record uint16, at, length uint8) (*storage.GetSDRResponse, error) {
	part := &storage.GetSDRResponse{}
	err := c.Exchange(ctx, &storage.GetSDRRequest{ReservationID: reservation, RecordID: record, ReadOffset: at, ReadBytes: length}, part)
	return part, err
}

// ipmiLog reads the last lines of the system event log, backwards from its end.
func ipmiLog(ctx context.Context, c *client.Client) []string {
	var lines []string
	record := uint16(0xffff) // the last
	for range logLines {
		got := &storage.GetSELEntryResponse{}
		if c.Exchange(ctx, &storage.GetSELEntryRequest{RecordID: record, ReadBytes: 0xff}, got) != nil {
			break // an empty log, or one whose records aren't numbered through
		}
		e, err := types.ParseSEL(got.Data)
		if err != nil {
			break
		}
		if e.Standard != nil {
			state := "asserted"
			if e.Standard.EventDir {
				state = "over"
			}
			at := e.Standard.Timestamp
			if at.Unix() < firstTime {
				at = time.Time{}
			}
			lines = append(lines, logLine(at, fmt.Sprintf("%s #%d: %s %s",
				e.Standard.SensorType, e.Standard.SensorNumber, e.Standard.EventString(), state)))
		}
		if e.RecordID <= 1 {
			break
		}
		record = e.RecordID - 1
	}
	slices.Reverse(lines)
	return lines
}
