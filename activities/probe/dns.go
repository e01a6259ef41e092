package probe

import (
	"context"
	"errors"
	"net"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/miekg/dns"

	"vakhta/internal/inventory"
	"vakhta/internal/topology"
)

// maxDNSAnswer is what an answer over UDP may have without EDNS, and more.
const maxDNSAnswer = 4096

// probeDNS asks the server at the component's address, over UDP, again within
// its time if it keeps silent. It is up if the answer has a record of the type.
func (a *Activities) probeDNS(ctx context.Context, s served, c inventory.DNSCheck) answer {
	if a.pace.AdmitWait(ctx, s.address, s.dial.attempts) != nil || a.pace.Wait(ctx) != nil {
		return cancelled
	}
	question := new(dns.Msg).SetQuestion(dns.Fqdn(c.Name), dns.StringToType[c.Type])
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", net.JoinHostPort(s.address.String(), strconv.Itoa(c.Port)))
	if err != nil {
		return ours(explain(err))
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Now()) })
	defer stop()
	started := time.Now()
	gap := a.opts.ServiceTimeout / time.Duration(s.dial.attempts)
	for n := range s.dial.attempts {
		if n > 0 {
			a.pace.Owe(1)
		}
		until := started.Add(time.Duration(n+1) * gap)
		reply, err := exchange(ctx, conn, question, until)
		switch {
		case err == nil:
			got := judgeReply(reply, question.Question[0].Qtype)
			got.rtt = time.Since(started)
			return atPort(c.Port, got)
		case ctx.Err() != nil:
			return cancelled
		case errors.Is(err, syscall.ECONNREFUSED):
			return atPort(c.Port, answer{result: topology.Down, detail: "no DNS server"})
		case !isTimeout(err):
			return atPort(c.Port, ours(explain(err)))
		}
	}
	return atPort(c.Port, a.overdue(started.Add(a.opts.ServiceTimeout), "DNS"))
}

// ours makes trouble of the sending machine's own unknown.
func ours(got answer) answer {
	if got.result == topology.Down && got.detail != "host unreachable" {
		got.result = topology.Unknown
	}
	return got
}

func isTimeout(err error) bool {
	var timeout net.Error
	return errors.As(err, &timeout) && timeout.Timeout()
}

// exchange sends the question and reads until its answer comes or the time is
// over. What is no answer to it is passed over.
func exchange(ctx context.Context, conn net.Conn, question *dns.Msg, until time.Time) (*dns.Msg, error) {
	packet, err := question.Pack()
	if err != nil {
		return nil, err
	}
	if err := errors.Join(conn.SetDeadline(until), ctx.Err()); err != nil { // a context that ends later moves the deadline
		return nil, err
	}
	if _, err := conn.Write(packet); err != nil {
		return nil, err
	}
	buf := make([]byte, maxDNSAnswer)
	for {
		n, err := conn.Read(buf)
		if err != nil {
			return nil, err
		}
		if reply, ok := answers(buf[:n], question); ok {
			return reply, nil
		}
	}
}

// answers reads a packet and says whether it answers the question.
func answers(raw []byte, question *dns.Msg) (*dns.Msg, bool) {
	reply := new(dns.Msg)
	if err := reply.Unpack(raw); err != nil && len(reply.Question) == 0 {
		return nil, false // a truncated one may lack records, not the question
	}
	asked := question.Question[0]
	if !reply.Response || reply.Id != question.Id || len(reply.Question) != 1 {
		return nil, false
	}
	got := reply.Question[0]
	return reply, got.Qtype == asked.Qtype && got.Qclass == asked.Qclass && strings.EqualFold(got.Name, asked.Name)
}

func judgeReply(reply *dns.Msg, kind uint16) answer {
	if reply.Rcode != dns.RcodeSuccess {
		code, ok := dns.RcodeToString[reply.Rcode]
		if !ok {
			code = "code " + strconv.Itoa(reply.Rcode)
		}
		return answer{result: topology.Down, detail: "answers " + code}
	}
	if reply.Truncated {
		return answer{result: topology.Up, detail: "answers, truncated"}
	}
	for _, r := range reply.Answer {
		if r.Header().Rrtype == kind {
			return answer{result: topology.Up, detail: "answers with " + strconv.Itoa(len(reply.Answer)) + " records"}
		}
	}
	return answer{result: topology.Down, detail: "answers without a " + dns.TypeToString[kind] + " record"}
}
